"""Ollama's short questions and orders: one JSON object each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict

from app.backends.base import (
    BackendError,
    BackendUnavailable,
    GenerationOptions,
    InstalledModel,
    LoadedModel,
    Message,
    ToolCall,
    UpstreamFailed,
)
from app.backends.ollama.failures import by_status, by_text, error_text
from app.backends.ollama.rows import OddRow, installed_models, loaded_models
from app.backends.server import ModelServer, Reply
from app.backends.values import decoded

_FOREVER = timedelta(days=365 * 100)


class _Reply(BaseModel):
    model_config = ConfigDict(extra="ignore")


def _a_string(value: object) -> object:
    return value if isinstance(value, str) else ""


_Words = Annotated[str, BeforeValidator(_a_string)]
"""A string; another server's null, number or list counts as empty."""


class VersionReply(_Reply):
    """``GET /api/version``; the ``version`` is empty when it is there and no string."""

    version: _Words


class OrderReply(_Reply):
    """What a load or an unload is answered with."""

    done: Annotated[bool, BeforeValidator(lambda value: value is True)]
    done_reason: _Words = ""


class LoadedReply(_Reply):
    """``GET /api/ps``."""

    models: list[object] | None = None

    def values(self) -> tuple[LoadedModel, ...]:
        """The models as plain values."""
        return loaded_models(self.models or ())[0]

    def odd(self) -> tuple[OddRow, ...]:
        """The rows that are not as Ollama writes them."""
        return loaded_models(self.models or ())[1]


class InstalledReply(_Reply):
    """``GET /api/tags``."""

    models: list[object] | None = None

    def values(self) -> tuple[InstalledModel, ...]:
        """The models as plain values."""
        return installed_models(self.models or ())[0]

    def odd(self) -> tuple[OddRow, ...]:
        """The rows that are not as Ollama writes them."""
        return installed_models(self.models or ())[1]


_R = TypeVar("_R", bound=_Reply)


def chat_body(
    model: str, messages: tuple[Message, ...], options: GenerationOptions, *, stream: bool
) -> dict[str, object]:
    """The body of ``POST /api/chat``, the same for warm-up and battle: another num_ctx would load the model again.

    It never has a keep_alive: on a chat it would change how long the model stays.
    """
    body: dict[str, object] = {
        "model": model,
        "messages": _turns(messages),
        "stream": stream,
        "options": _options(options),
    }
    if options.think is False or (options.think and messages):  # a load that asks for thinking may be refused
        body["think"] = options.think
    return body


def _turns(messages: tuple[Message, ...]) -> list[dict[str, object]]:
    names = {call.id: call.name for message in messages for call in message.calls}
    return [_turn(message, names) for message in messages]


def _turn(message: Message, names: Mapping[str, str]) -> dict[str, object]:
    """A turn; what a function gave bears its name, for Ollama's templates know no ids."""
    turn: dict[str, object] = {"role": message.role, "content": message.content}
    if message.images:
        turn["images"] = list(message.images)
    if message.calls:
        turn["tool_calls"] = [_call(call) for call in message.calls]
    if message.role == "tool":
        turn |= {"tool_name": names.get(message.call_id, ""), "tool_call_id": message.call_id}
    return turn


def _call(call: ToolCall) -> dict[str, object]:
    """The call of a function; its arguments are an object, whatever the model wrote."""
    try:
        arguments = orjson.loads(call.arguments)
    except ValueError:
        arguments = None
    return {
        "id": call.id,
        "function": {"name": call.name, "arguments": arguments if isinstance(arguments, dict) else {}},
    }


def _options(options: GenerationOptions) -> dict[str, object]:
    named: dict[str, object] = {
        "num_ctx": options.num_ctx,
        "num_predict": options.num_predict,
        "temperature": options.temperature,
    }
    if options.seed is not None:
        named["seed"] = options.seed
    return {**options.extra, **named}


def keep_alive_form(duration: timedelta) -> str | int:
    """Ollama's form of a duration: Go's, in milliseconds where needed; negative or over a century is for ever."""
    if duration < timedelta(0) or duration > _FOREVER:
        return -1
    milliseconds = round(duration / timedelta(milliseconds=1))
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


class OllamaCalls:
    """Asks one server one thing at a time; every call ends within its own limit."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    async def loaded(self, limit: timedelta) -> tuple[LoadedModel, ...]:
        """What is in memory; BackendError when that is not told within ``limit``."""
        answer = await self._server.ask("GET", "/api/ps", None, limit)
        models = _understood(answer, LoadedReply).values()
        return tuple(replace(model, listed_at=answer.at) for model in models)

    async def get(self, path: str, reply: type[_R], limit: timedelta) -> _R:
        """GET ``path``; BackendError when the answer is not a ``reply`` within ``limit``."""
        return _understood(await self._server.ask("GET", path, None, limit), reply)

    async def post(
        self,
        path: str,
        body: dict[str, object],
        reply: type[_R],
        limit: timedelta,
        late: type[BackendError] = BackendUnavailable,
    ) -> _R:
        """POST ``body`` to ``path``; BackendError when the answer is not a ``reply``, ``late`` after ``limit``."""
        return _understood(await self._server.ask("POST", path, orjson.dumps(body), limit, late), reply)


def _understood(answer: Reply, reply: type[_R]) -> _R:
    if answer.status != 200:
        raise by_status(answer.status, answer.body, answer.location)
    try:
        return reply.model_validate(decoded(answer.body))
    except ValueError:
        raise _not_understood(answer.body) from None


def _not_understood(body: bytes) -> BackendError:
    text = error_text(body)
    if text is not None:
        return by_text(text)
    return UpstreamFailed("HTTP 200, but not with Ollama's JSON: is this the address of an Ollama server?")
