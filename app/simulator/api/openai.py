"""/v1/chat/completions and /v1/models: the OpenAI face of the same machine, with its own errors and lacks.

No keep_alive and no num_ctx, temperature 1.0 when absent, ids that repeat. An error in mid-stream is an empty delta and
the end: no error, no ``[DONE]``.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.simulator.api import wire
from app.simulator.api.asking import UnloadAsk, chat_ask
from app.simulator.api.bodies import Body, ChatMessage, read_think
from app.simulator.api.library import Library
from app.simulator.api.native import SIMULATED, Collected
from app.simulator.api.wire import go_json, go_string
from app.simulator.engine.machine import Ask, Ended, Machine
from app.simulator.protocol.errors import Broken, ServerError
from app.simulator.protocol.gojson import Fields, GoJsonError, go_loads
from app.simulator.protocol.http import Request, Response
from app.simulator.protocol.names import ModelName, NameInvalid
from app.simulator.protocol.tools import SimulatedCall, read_tools

_SSE: Final = "text/event-stream"
_OPTIONS: Final = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "top_p",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}


def error_body(status: int, text: str) -> bytes:
    """An error as OpenAI's clients know it."""
    kinds = {400: "invalid_request_error", 404: "not_found_error"}
    error = {"message": text, "type": kinds.get(status, "api_error"), "param": None, "code": None}
    return go_json({"error": error}).encode()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A completion that is asked for."""

    body: Body
    include_usage: bool


class OpenAi:
    """The calls of one machine."""

    def __init__(self, machine: Machine, library: Library) -> None:
        self._machine = machine
        self._library = library
        self._chance = random.Random(f"{machine.config.seed} ids")

    async def models(self, _request: Request, response: Response) -> None:
        """GET /v1/models; ``data`` is null when there is none."""
        data = [_listed(model.name, modified_at) for model, modified_at in self._library.dated()] or None
        self._send(response, {"object": "list", "data": data})

    async def model(self, request: Request, response: Response) -> None:
        """GET /v1/models/{name}."""
        called = request.path.removeprefix("/v1/models/")
        try:
            found = self._machine.find(ModelName.parse(called))
        except NameInvalid:
            found = None
        if found is None:
            response.send(404, wire.PLAIN_JSON, error_body(404, f"model '{called}' not found") + b"\n", SIMULATED)
            return
        when = next(modified_at for model, modified_at in self._library.dated() if model is found)
        self._send(response, _listed(called, when))

    async def completions(self, request: Request, response: Response) -> None:
        """POST /v1/chat/completions."""
        try:
            wanted = _read(request.body)
        except (GoJsonError, ServerError) as error:
            response.send(400, wire.JSON, error_body(400, str(error)), SIMULATED)
            return
        try:
            ask = chat_ask(self._machine, wanted.body)
            assert not isinstance(ask, UnloadAsk)  # this API has no keep_alive
            await (self._stream if wanted.body.stream else self._collect)(wanted, ask, response)
        except ServerError as error:
            response.send(error.status, wire.PLAIN_JSON, error_body(error.status, error.text) + b"\n", SIMULATED)

    async def _collect(self, wanted: _Wanted, ask: Ask, response: Response) -> None:
        collected = Collected()
        try:
            ended = await self._machine.answer(ask, collected)
        except Broken as broken:
            raise ServerError(500, broken.text or "unexpected EOF") from None
        message: dict[str, object] = {"role": "assistant", "content": collected.text}
        if collected.thinking:
            message["reasoning"] = collected.thinking
        if ask.tool_call is not None:
            message |= {"content": "", "tool_calls": [_called(ask.tool_call)]}
        choice = {"index": 0, "message": message, "finish_reason": _reason(ended, ask)}
        head = _Frames(wanted.body.model, self._id(), self._machine.clock.utc()).head("chat.completion")
        self._send(response, head | {"choices": [choice], "usage": _usage(ended)})

    async def _stream(self, wanted: _Wanted, ask: Ask, response: Response) -> None:
        frames = _Frames(wanted.body.model, self._id(), self._machine.clock.utc())
        sink = Collected() if ask.tool_call is not None else _Sse(frames, response)
        try:
            ended = await self._machine.answer(ask, sink)
        except Broken as broken:
            if not response.started:
                raise ServerError(500, broken.text or "unexpected EOF") from None
            response.end(b"" if broken.text is None else frames.piece("", thinking=False))
            return
        if not response.started:
            response.start(200, _SSE, SIMULATED)
        if ask.tool_call is not None:
            response.write(frames.called(ask.tool_call))
        response.end(frames.last(ended, _reason(ended, ask), usage=wanted.include_usage))

    def _id(self) -> str:
        return f"chatcmpl-{self._chance.randrange(999)}"

    @staticmethod
    def _send(response: Response, value: object) -> None:
        response.send(200, wire.PLAIN_JSON, go_json(value).encode() + b"\n", SIMULATED)


def _listed(name: str, modified_at: str) -> dict[str, object]:
    created = int(datetime.fromisoformat(modified_at[:19] + "+00:00").timestamp())
    return {"id": name, "object": "model", "created": created, "owned_by": "library"}


def _usage(ended: Ended) -> dict[str, int]:
    together = ended.prompt_tokens + ended.tokens
    return {"prompt_tokens": ended.prompt_tokens, "completion_tokens": ended.tokens, "total_tokens": together}


def _reason(ended: Ended, ask: Ask) -> str:
    return "tool_calls" if ask.tool_call is not None else ended.done_reason


def _called(call: SimulatedCall) -> dict[str, object]:
    """A call as OpenAI's clients know it: arguments are a text."""
    function = {"name": call.name, "arguments": go_json(dict(call.arguments))}
    return {"id": call.id, "index": 0, "type": "function", "function": function}


class _Frames:
    """The frames of one streamed answer."""

    def __init__(self, model: str, name: str, created: datetime) -> None:
        self._model = model
        self._id = name
        self._created = int(created.timestamp())
        self._first = True
        head = go_json(self.head("chat.completion.chunk"))
        self._open = f"data: {head[:-1]},"

    def head(self, kind: str) -> dict[str, object]:
        """What every object begins with."""
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._model,
            "system_fingerprint": "fp_ollama",
        }

    def piece(self, text: str, *, thinking: bool) -> bytes:
        """A delta; the first also has the role."""
        role = '"role":"assistant",' if self._first else ""
        self._first = False
        said = f'"content":"","reasoning":{go_string(text)}' if thinking else f'"content":{go_string(text)}'
        return f'{self._open}"choices":[{{"index":0,"delta":{{{role}{said}}},"finish_reason":null}}]}}\n\n'.encode()

    def called(self, call: SimulatedCall) -> bytes:
        """A delta that calls a tool."""
        delta = {"role": "assistant", "content": "", "tool_calls": [_called(call)]}
        return f'{self._open}"choices":[{{"index":0,"delta":{go_json(delta)},"finish_reason":null}}]}}\n\n'.encode()

    def last(self, ended: Ended, reason: str, *, usage: bool) -> bytes:
        """The finish, the usage if it was asked for, and ``[DONE]``, all at once."""
        finish = f'{self._open}"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}\n\n'
        counts = f'{self._open}"choices":[],"usage":{go_json(_usage(ended))}}}\n\n' if usage else ""
        return f"{finish}{counts}data: [DONE]\n\n".encode()


class _Sse:
    """A sink that writes a frame per piece."""

    def __init__(self, frames: _Frames, response: Response) -> None:
        self._frames = frames
        self._response = response

    def piece(self, text: str, tokens: int, thinking: bool) -> bool:
        """Write."""
        _ = tokens
        if not self._response.started:
            self._response.start(200, _SSE, SIMULATED)
        return self._response.write(self._frames.piece(text, thinking=thinking))

    def when_ready(self, resume: asyncio.Event) -> None:
        """When the connection is."""
        self._response.when_ready(resume)


def _read(body: bytes) -> _Wanted:
    fields = Fields(go_loads(body), "ChatCompletionRequest")
    messages = tuple(_message(message) for message in fields.objects("messages", "openai.Message"))
    if not messages:
        raise ServerError(400, "[] is too short - 'messages'")
    options: dict[str, object] = {"temperature": 1.0, "top_p": 1.0}
    options |= {ours: fields.number(name) for name, ours in _OPTIONS.items() if fields.raw(name) is not None}
    stop = fields.raw("stop")
    if stop is not None:
        options["stop"] = [stop] if isinstance(stop, str) else stop
    effort = fields.raw("reasoning_effort")
    made = Body(
        model=fields.text("model"),
        stream=fields.flag("stream", False),
        messages=messages,
        options=options,
        json_format=fields.mapping("response_format").get("type") in ("json_object", "json_schema"),
        think=read_think(False if effort == "none" else effort),
        tools=read_tools(fields.objects("tools", "api.Tool")),
    )
    return _Wanted(made, bool(fields.mapping("stream_options").get("include_usage")))


def _message(fields: Fields) -> ChatMessage:
    content = fields.raw("content")
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, dict)]
        text = "\n".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
        return ChatMessage(fields.text("role").lower(), text, sum(part.get("type") == "image_url" for part in parts))
    if content is not None and not isinstance(content, str):
        raise GoJsonError("invalid message content type: " + type(content).__name__)
    return ChatMessage(fields.text("role").lower(), content or "")
