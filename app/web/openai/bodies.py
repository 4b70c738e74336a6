"""What a chat completion is asked with, as far as it is understood; fields that are not known are left out.

OpenAI's clients send whatever their version knows, so unlike in the native API an unknown field is no error. What is
known and can't be done is one: it would change the answer without a word.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

from app.backends.base import Message, ToolCall, Tools
from app.errors import InvalidInput
from app.web.shared.fields import Text

MOST_TURNS = 500
MOST_TOOLS = 128
LARGEST_TOOLS = 256_000
LARGEST_SCHEMA = 64_000
DEEPEST_SCHEMA = 32
_IMAGE = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,(?P<data>[A-Za-z0-9+/=\s]+)")

Number = StrictFloat | StrictInt


class _Given(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ImageUrl(_Given):
    """Where an image is; only ``data:`` addresses are taken."""

    url: str


class ContentPart(_Given):
    """A part of a turn: a text or an image."""

    type: str
    text: str | None = None
    image_url: ImageUrl | None = None


class CalledFunction(_Given):
    """A function by its name, with the arguments of its call as JSON."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    arguments: str = "{}"


class CalledTool(_Given):
    """The call of a function in an assistant's turn."""

    id: Annotated[str, Field(min_length=1, max_length=200)]
    type: Literal["function"] = "function"
    function: CalledFunction


class Turn(_Given):
    """One turn of the conversation."""

    role: str
    content: str | list[ContentPart] | None = None
    tool_calls: Annotated[list[CalledTool], Field(max_length=MOST_TOOLS)] | None = None
    tool_call_id: Annotated[str, Field(max_length=200)] | None = None


class OfferedFunction(BaseModel):
    """A function that may be called; ``parameters`` is a JSON schema."""

    model_config = ConfigDict(extra="allow")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None


class OfferedTool(_Given):
    """A tool that may be used; only functions are."""

    type: Literal["function"]
    function: OfferedFunction


class NamedFunction(_Given):
    """A function by its name."""

    name: str


class NamedTool(_Given):
    """The tool that has to be used."""

    type: Literal["function"]
    function: NamedFunction


class StreamOptions(_Given):
    """What a stream has beside the text."""

    include_usage: StrictBool = False


class JsonSchema(_Given):
    """The schema that an answer has to follow."""

    definition: dict[str, Any] | None = Field(default=None, alias="schema")


class ResponseFormat(_Given):
    """What an answer has to be."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class ChatRequest(_Given):
    """``POST /v1/chat/completions``."""

    model: Text
    messages: list[Turn] = Field(min_length=1, max_length=MOST_TURNS)
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(gt=0, le=1)] | None = None
    top_k: Annotated[StrictInt, Field(ge=1)] | None = None
    min_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    seed: StrictInt | None = None
    stop: str | Annotated[list[str], Field(max_length=16)] | None = None
    n: StrictInt | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[OfferedTool], Field(max_length=MOST_TOOLS)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: StrictBool | None = None
    functions: list[Any] | None = None
    logprobs: StrictBool | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether the last frame of a stream has the usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def limit(self) -> int | None:
        """The most tokens that the answer may have, by either name."""
        limits = [limit for limit in (self.max_tokens, self.max_completion_tokens) if limit is not None]
        return min(limits, default=None)


def check_possible(body: ChatRequest) -> None:
    """Refuse what no model here is asked for.

    Raises:
        InvalidInput: several choices, functions of the older form, or probabilities of tokens.
    """
    if body.n not in (None, 1):
        raise InvalidInput("n must be 1: ask again for another answer", field="n")
    if body.functions:
        raise InvalidInput(
            "functions are not taken here; send them as tools", code="unsupported_parameter", field="functions"
        )
    if body.logprobs:
        raise InvalidInput("logprobs are not given here; leave it out", code="unsupported_parameter", field="logprobs")


def messages_of(body: ChatRequest) -> tuple[Message, ...]:
    """The conversation as models get it.

    Raises:
        InvalidInput: a role or a part that is not taken, or nothing of a user.
    """
    messages = tuple(_message(turn, f"messages.{place}") for place, turn in enumerate(body.messages))
    if not any(message.role == "user" for message in messages):
        raise InvalidInput("messages has no message of the role user", field="messages")
    return messages


def _message(turn: Turn, field: str) -> Message:
    text, images = _content(turn.content, field)
    match turn.role:
        case "system" | "developer":
            return Message("system", text, images)
        case "user":
            return Message("user", text, images)
        case "assistant":
            called = [ToolCall(call.id, call.function.name, call.function.arguments) for call in turn.tool_calls or ()]
            return Message("assistant", text, images, tuple(called))
        case "tool" if turn.tool_call_id:
            return Message("tool", text, images, call_id=turn.tool_call_id)
        case "tool":
            raise InvalidInput(
                f"{field}.tool_call_id is required: it says which call this is the result of", field=field
            )
    raise InvalidInput(f"{field}.role must be system, user, assistant or tool", field=f"{field}.role")


def tools_of(body: ChatRequest) -> Tools | None:
    """The functions that may be called.

    Raises:
        InvalidInput: they are too many, too large or too deep, or the one that has to be called is not among them.
    """
    if not body.tools:
        if body.tool_choice in (None, "none", "auto"):
            return None
        raise InvalidInput("tool_choice needs tools to choose from", field="tool_choice")
    offered = tuple(tool.model_dump(exclude_none=True) for tool in body.tools)
    if any(_depth(tool) > DEEPEST_SCHEMA for tool in offered) or len(orjson.dumps(offered)) > LARGEST_TOOLS:
        limits = f"{DEEPEST_SCHEMA} levels each and {LARGEST_TOOLS:,} bytes together"
        raise InvalidInput(f"tools are over {limits}; make them smaller", field="tools")
    choice = body.tool_choice
    if not isinstance(choice, NamedTool):
        return Tools(offered, choice, body.parallel_tool_calls)
    names = [tool.function.name for tool in body.tools]
    if choice.function.name not in names:
        raise InvalidInput(
            f"tool_choice names {choice.function.name[:100]!r}, which is not among tools: {', '.join(names[:20])}",
            field="tool_choice",
        )
    return Tools(offered, choice.model_dump(), body.parallel_tool_calls)


def _content(content: str | list[ContentPart] | None, field: str) -> tuple[str, tuple[str, ...]]:
    if content is None or isinstance(content, str):
        return content or "", ()
    texts, images = [], []
    for part in content:
        if part.type == "text" and part.text is not None:
            texts.append(part.text)
        elif part.type == "image_url" and part.image_url is not None:
            images.append(_image(part.image_url.url, field))
        else:
            raise InvalidInput(f"{field}.content has a part that is neither text nor image_url", field=field)
    return "\n".join(texts), tuple(images)


def _image(url: str, field: str) -> str:
    """The base64 of an image. Addresses are never fetched: a model server would look inside the private network."""
    found = _IMAGE.fullmatch(url)
    if found is None:
        raise InvalidInput(
            f"{field} has an image that is no data: address; send it as data:image/png;base64,…", field=field
        )
    data = "".join(found["data"].split())
    try:
        b64decode(data, validate=True)
    except binascii.Error:
        raise InvalidInput(f"{field} has an image that is no valid base64", field=field) from None
    return data


def output_of(body: ChatRequest) -> Literal["json"] | dict[str, object] | None:
    """What the answer has to be.

    Raises:
        InvalidInput: the schema is missing, too large or too deep.
    """
    wanted = body.response_format
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return "json"
    schema = wanted.json_schema.definition if wanted.json_schema else None
    if schema is None:
        raise InvalidInput("response_format.json_schema.schema is required", field="response_format")
    if _depth(schema) > DEEPEST_SCHEMA or len(orjson.dumps(schema)) > LARGEST_SCHEMA:
        limits = f"{DEEPEST_SCHEMA} levels and {LARGEST_SCHEMA:,} bytes"
        raise InvalidInput(f"response_format has a schema over {limits}; make it smaller", field="response_format")
    return schema


def _depth(value: object) -> int:
    """How deep objects and lists stand in each other; without recursion, for callers choose the depth."""
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            child
            for part in level
            if isinstance(part, dict | list)
            for child in (part.values() if isinstance(part, dict) else part)
        ]
    return deepest
