"""/api/chat and /api/generate: newline-delimited JSON, a line per token, the last with ``done: true``.

Nothing is sent before the first token, so that an error until then has its own status. An error after it is one line
``{"error": text}`` and the end, or just the end.
"""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Literal

from app.simulator.api import wire
from app.simulator.api.asking import UnloadAsk, chat_ask, generate_ask
from app.simulator.api.bodies import Body, read_body
from app.simulator.api.wire import go_json, go_string
from app.simulator.engine.machine import Ask, Ended, Machine
from app.simulator.protocol.errors import Broken, ServerError
from app.simulator.protocol.http import Request, Response
from app.simulator.protocol.tools import SimulatedCall

SIMULATED: Final = ("X-Simulated: progressive-arena",)
Kind = Literal["chat", "generate"]


class Native:
    """The two calls of one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        skew: Callable[[], float] = lambda: machine.faults.clock_skew_s  # noqa: E731
        self.stamp = wire.Stamp(machine.clock.utc, skew)

    async def chat(self, request: Request, response: Response) -> None:
        """POST /api/chat."""
        body = read_body(request.body, "ChatRequest")
        await self._serve("chat", body, chat_ask(self._machine, body), response)

    async def generate(self, request: Request, response: Response) -> None:
        """POST /api/generate."""
        body = read_body(request.body, "GenerateRequest")
        await self._serve("generate", body, generate_ask(self._machine, body), response)

    async def _serve(self, kind: Kind, body: Body, ask: Ask | UnloadAsk, response: Response) -> None:
        figures = wire.odd_metrics if self._machine.faults.odd_figures else wire.metrics
        lines = Lines(kind, body, self.stamp, figures)
        if isinstance(ask, UnloadAsk):
            self._machine.scheduler.expire(ask.model)
            response.send(200, wire.JSON, lines.only("unload"), SIMULATED)
        elif not ask.prompt:
            await self._machine.answer(ask, Collected())
            response.send(200, wire.JSON, lines.only("load"), SIMULATED)
        elif body.stream:
            await self._stream(lines, ask, response)
        else:
            await self._collect(lines, ask, response)

    async def _stream(self, lines: Lines, ask: Ask, response: Response) -> None:
        sink = Collected() if ask.tool_call is not None else Streamed(lines, response)
        try:
            ended = await self._machine.answer(ask, sink)
        except ServerError as error:
            if not error.streamed:
                raise
            response.start(error.status, wire.PLAIN_JSON, SIMULATED)
            response.end(wire.error_body(error.text))
            return
        except Broken as broken:
            if not response.started:
                raise ServerError(500, broken.text or "unexpected EOF") from None
            response.end(b"" if broken.text is None else wire.error_body(broken.text) + b"\n")
            return
        if not response.started:
            response.start(200, wire.NDJSON, SIMULATED)
        if ask.tool_call is not None:
            response.write(lines.called(ask.tool_call))
        response.end(lines.last(ended, ask))

    async def _collect(self, lines: Lines, ask: Ask, response: Response) -> None:
        collected = Collected()
        try:
            ended = await self._machine.answer(ask, collected)
        except Broken as broken:
            if broken.text is not None:
                raise ServerError(500, broken.text) from None
            response.send(200, wire.JSON, lines.whole(collected, None, ask), SIMULATED)
            return
        response.send(200, wire.JSON, lines.whole(collected, ended, ask), SIMULATED)


class Collected:
    """A sink that keeps all pieces."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.thinking = ""

    @property
    def text(self) -> str:
        """The answer without its thinking."""
        return "".join(self.pieces)

    def piece(self, text: str, tokens: int, thinking: bool) -> bool:
        """Keep."""
        _ = tokens
        if thinking:
            self.thinking += text
        else:
            self.pieces.append(text)
        return True

    def when_ready(self, resume: asyncio.Event) -> None:
        """It always is."""
        resume.set()


class Streamed:
    """A sink that writes a line per piece; the head goes out with the first."""

    def __init__(self, lines: Lines, response: Response) -> None:
        self._lines = lines
        self._response = response

    def piece(self, text: str, tokens: int, thinking: bool) -> bool:
        """Write."""
        _ = tokens
        if not self._response.started:
            self._response.start(200, wire.NDJSON, SIMULATED)
        return self._response.write(self._lines.piece(text, thinking))

    def when_ready(self, resume: asyncio.Event) -> None:
        """When the connection is."""
        self._response.when_ready(resume)


class Lines:
    """The lines of one answer."""

    def __init__(self, kind: Kind, body: Body, stamp: wire.Stamp, figures: Callable[[Ended], str]) -> None:
        self._kind = kind
        self._body = body
        self._figures = figures
        self._stamp = stamp
        self._head = f'{{"model":{go_string(body.model)},"created_at":"'

    def piece(self, text: str, thinking: bool) -> bytes:
        """A line in mid-stream."""
        said = self._said("", text) if thinking else self._said(text, "")
        probabilities = "" if thinking else self._probabilities((text,))
        return f'{self._head}{self._stamp()}",{said},"done":false{probabilities}}}\n'.encode()

    def called(self, call: SimulatedCall) -> bytes:
        """A line that calls a tool."""
        return f'{self._head}{self._stamp()}",{_calling(call)},"done":false}}\n'.encode()

    def only(self, reason: str) -> bytes:
        """The one object that answers a load or an unload."""
        return f'{self._head}{self._stamp()}",{self._said("", "")},"done":true,"done_reason":"{reason}"}}'.encode()

    def last(self, ended: Ended, ask: Ask) -> bytes:
        """The last line."""
        return (self._final(self._said("", ""), ended, ask) + "\n").encode()

    def whole(self, collected: Collected, ended: Ended | None, ask: Ask) -> bytes:
        """The object that answers ``stream: false``; without an end it says ``done: false`` and no more."""
        if ended is None:
            said = self._said(collected.text, collected.thinking)
            return f'{self._head}{self._stamp()}",{said},"done":false}}'.encode()
        if ask.tool_call is not None:
            return self._final(_calling(ask.tool_call), ended, ask).encode()
        probabilities = self._probabilities(collected.pieces)
        return self._final(self._said(collected.text, collected.thinking), ended, ask, probabilities).encode()

    def _probabilities(self, tokens: Sequence[str]) -> str:
        """``logprobs`` of these tokens, if they were asked for."""
        if not self._body.logprobs or not tokens:
            return ""
        return f',"logprobs":{wire.logprobs(tokens, self._body.top_logprobs)}'

    def _said(self, text: str, thinking: str) -> str:
        thought = f',"thinking":{go_string(thinking)}' if thinking else ""
        if self._kind == "generate":
            return f'"response":{go_string(text)}{thought}'
        return f'"message":{{"role":"assistant","content":{go_string(text)}{thought}}}'

    def _final(self, said: str, ended: Ended, ask: Ask, probabilities: str = "") -> str:
        end = f'"done":true,"done_reason":"{ended.done_reason}"{self._context(ended, ask)}'
        return f'{self._head}{self._stamp()}",{said},{end}{probabilities}{self._figures(ended)}}}'

    def _context(self, ended: Ended, ask: Ask) -> str:
        """A generate's token ids: made up, as many as there are, the same for the same prompt."""
        if self._kind == "chat" or self._body.raw:
            return ""
        chance = random.Random(zlib.crc32(ask.prompt.encode()))
        ids = [chance.randrange(100, 32_000) for _ in range(ended.prompt_tokens + ended.tokens)]
        return f',"context":{json.dumps(ids, separators=(",", ":"))}'


def _calling(call: SimulatedCall) -> str:
    """The message that calls a tool; it has no text."""
    return f'"message":{{"role":"assistant","content":"","tool_calls":{go_json([call.native()])}}}'
