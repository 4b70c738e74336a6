"""The body of a chat completion, made of what a battle asks; nothing goes to a server that does not take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson

from app.backends.base import GenerationOptions, GenerationRequest, Message, ToolCall, Tools
from app.backends.openai.profiles import Profile

TOP_P = 1.0
"""The API's own default, sent where a server would take it from the model's files."""


@dataclass(frozen=True, slots=True)
class SentOptions:
    """Options under the server's names, and the names of those that it does not take."""

    sent: dict[str, object]
    left_out: tuple[str, ...] = ()


def sent_options(options: GenerationOptions, profile: Profile) -> SentOptions:
    """What of ``options`` goes to a server of this profile.

    ``num_ctx`` is left out without a word: how long a model's context is was decided when the server was started.
    """
    sent: dict[str, object] = {profile.max_tokens: options.num_predict, "temperature": options.temperature}
    if profile.sets_top_p:
        sent["top_p"] = TOP_P
    if options.seed is not None:
        sent["seed"] = options.seed
    left_out = []
    for name, value in options.extra.items():
        known = profile.options.get(name)
        if known is None:
            left_out.append(name)
        else:
            sent[known] = value
    thinking = _thinking(options.think, profile)
    if thinking is None and options.think not in (None, False):
        left_out.append("think")
    return SentOptions(sent | (thinking or {}), tuple(left_out))


def chat_body(request: GenerationRequest, profile: Profile, context_length: int | None = None) -> bytes:
    """The body of ``POST /chat/completions``; no answer is asked to be longer than the model's context, if it is known.

    vLLM refuses to be asked for more, llama-server stops there anyway. ``stream_options`` only go with a stream: vLLM
    refuses them without one.
    """
    sent = sent_options(request.options, profile).sent
    if context_length is not None:
        sent[profile.max_tokens] = min(request.options.num_predict, context_length)
    body: dict[str, object] = {
        "model": request.model,
        "messages": [_turn(message) for message in request.messages],
        "stream": True,
        **sent,
    }
    if profile.usage:
        body["stream_options"] = {"include_usage": True}
    if request.output is not None:
        body["response_format"] = _format(request.output)
    if request.tools is not None:
        body |= _offered(request.tools)
    return orjson.dumps(body)


def _offered(tools: Tools) -> dict[str, object]:
    offered: dict[str, object] = {"tools": list(tools.offered)}
    if tools.choice is not None:
        offered["tool_choice"] = tools.choice
    if tools.parallel is not None:
        offered["parallel_tool_calls"] = tools.parallel
    return offered


def call_form(call: ToolCall) -> dict[str, object]:
    """The call of a function as OpenAI's API writes it."""
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _turn(message: Message) -> dict[str, object]:
    if message.role == "tool":
        return {"role": "tool", "content": message.content, "tool_call_id": message.call_id}
    if message.calls:
        calls = [call_form(call) for call in message.calls]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    if not message.images:
        return {"role": message.role, "content": message.content}
    # The type is a guess: servers look at the bytes themselves.
    images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{one}"}} for one in message.images]
    return {"role": message.role, "content": [{"type": "text", "text": message.content}, *images]}


def _format(output: Literal["json"] | dict[str, object]) -> dict[str, object]:
    if output == "json":
        return {"type": "json_object"}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": output, "strict": True}}


def _thinking(think: bool | str | None, profile: Profile) -> dict[str, object] | None:
    """How thinking is asked for; None when the server is not asked."""
    if think is None or not profile.thinking:
        return None
    if profile.thinking == "template":
        wanted: dict[str, object] = {"enable_thinking": bool(think)}
        return {"chat_template_kwargs": wanted | ({"reasoning_effort": think} if isinstance(think, str) else {})}
    # Where it is an effort, models that don't think refuse to be told how much; so a mere "no" is not sent.
    return {"reasoning_effort": think if isinstance(think, str) else "medium"} if think else None
