"""Ollama's native API: a chat is newline-delimited JSON, one line per token, the last with ``done: true``.

What nobody can guess: not even the response's headers are sent before the first token, so the first wait covers
the server's queue, a cold load and the prompt. The only way to stop an answer is to close its connection. A stream
without ``done: true`` has failed. A client that stalls until the network's buffers are full and then leaves costs
the server a slot for good, so what it sends is always taken promptly.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from datetime import timedelta

import orjson

from app.backends.base import (
    Chunk,
    GenerationOptions,
    GenerationRequest,
    InstalledModel,
    LoadedModel,
    LoadTimedOut,
    Overlong,
    Stalled,
    UpstreamFailed,
)
from app.backends.exchange import Exchange
from app.backends.ollama.calls import (
    InstalledReply,
    OllamaCalls,
    OrderReply,
    VersionReply,
    chat_body,
    keep_alive_form,
)
from app.backends.ollama.failures import by_status
from app.backends.ollama.lines import AnswerFold
from app.backends.ollama.ticks import Ticks
from app.backends.server import LARGEST_ERROR, ModelServer, body_of, refuse_compressed
from app.backends.timeouts import DEFAULT_LIMITS, Timeouts
from app.network.connecting import Resolve, resolved

_CHAT = "/api/chat"


class OllamaBackend:
    """One Ollama server at ``url`` (see ``app.hosts.address``).

    After the first token an answer is read once a ``tick``, everything that has gathered as one chunk; zero reads
    it as it comes. ``keep_alive`` goes with loads only. Once the installed models are listed, it is known which of them
    can't think; they are not asked to, because the server would refuse. ``resolve`` finds the addresses of the server.
    """

    def __init__(
        self,
        url: str,
        *,
        keep_alive: timedelta = timedelta(hours=72),
        limits: Timeouts = DEFAULT_LIMITS,
        tick: timedelta = timedelta(milliseconds=50),
        resolve: Resolve = resolved,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._server = ModelServer(url, connect=limits.connect, resolve=resolve)
        self._calls = OllamaCalls(self._server)
        self._keep_alive = keep_alive
        self._limits = limits
        self._stall_s, self._total_s = limits.stall.total_seconds(), limits.total.total_seconds()
        self._ticks = Ticks(tick) if tick else None
        self._clock = clock
        self._without_thinking: frozenset[str] = frozenset()
        self._template_opens: set[tuple[str, bool | str | None]] = set()

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer as it is written; the last chunk has the ``finish_reason``.

        Raises:
            BackendError: before the first text any class; after it ``BackendBroken`` or a subclass.
        """
        asked = (request.model, request.options.think)
        answer = AnswerFold(template_opens=asked in self._template_opens)
        exchange: Exchange | None = None
        try:
            exchange, chunk = await self._begin(request, answer)
            began = self._clock()
            yield chunk
            while chunk.finish_reason is None:
                chunk = await self._following(exchange, answer, began)
                yield chunk
            self._template_opens.discard(asked)
        finally:
            if answer.template_opens:
                self._template_opens.add(asked)
            if exchange is not None:
                exchange.close()

    async def load(self, model: str, options: GenerationOptions) -> float:
        """Load ``model`` with the options of its battles and the configured keep_alive; return the seconds it took."""
        body = chat_body(model, (), options, stream=False)
        body["keep_alive"] = keep_alive_form(self._keep_alive)
        started = self._clock()
        reply = await self._calls.post(_CHAT, body, OrderReply, self._limits.load, late=LoadTimedOut)
        if not reply.done or reply.done_reason != "load":
            raise UpstreamFailed(f"a load was answered with done_reason {reply.done_reason!r}")
        return self._clock() - started

    async def unload(self, model: str) -> None:
        """Ask the server to drop ``model``; returns before it is gone (poll ``loaded``)."""
        body: dict[str, object] = {"model": model, "messages": [], "stream": False, "keep_alive": 0}
        await self._calls.post(_CHAT, body, OrderReply, self._limits.probe)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory now; a model that is still being loaded is not listed by Ollama."""
        return await self._calls.loaded(self._limits.probe)

    async def installed(self) -> tuple[InstalledModel, ...]:
        """What could be loaded, newest first."""
        models = (await self._calls.get("/api/tags", InstalledReply, self._limits.probe)).values()
        self._without_thinking = frozenset(
            _key(model.name) for model in models if model.capabilities and "thinking" not in model.capabilities
        )
        return models

    async def version(self) -> str:
        """The server's version; a build from source calls itself 0.0.0."""
        return (await self._calls.get("/api/version", VersionReply, self._limits.probe)).version

    async def aclose(self) -> None:
        """Nothing is kept: each call closes its own connection."""

    async def _begin(self, request: GenerationRequest, answer: AnswerFold) -> tuple[Exchange, Chunk]:
        """Connect, ask, and wait for the first chunk; what fails here leaves no connection."""
        options = request.options
        if options.think and _key(request.model) in self._without_thinking:
            options = replace(options, think=False)
        body = orjson.dumps(chat_body(request.model, request.messages, options, stream=True))
        limit_s = self._limits.first_token.total_seconds()
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(limit_s):
                exchange = await self._server.send("POST", _CHAT, body)
                await exchange.headers()
                await _expect_ok(exchange)
                return exchange, await _next(exchange, answer)
        except BaseException as error:
            if exchange is not None:
                exchange.close()
            if isinstance(error, TimeoutError):
                raise LoadTimedOut(f"no first token within {limit_s:g} s") from None
            raise

    async def _following(self, exchange: Exchange, answer: AnswerFold, began: float) -> Chunk:
        """The next chunk within the limits; once text has come, whatever gathered in a tick."""
        if answer.failure is not None:
            raise answer.failure
        stall_s, total_s = self._stall_s, self._total_s
        heard = now = self._clock()
        while True:
            if now - began >= total_s:
                raise Overlong(f"not finished within {total_s:g} s")
            if now - heard >= stall_s:
                raise Stalled(f"silent for {stall_s:g} s")
            if answer.started and self._ticks is not None:
                exchange.pace()
                await self._ticks.next()
                data = exchange.take()
            else:
                data = await _soon(exchange, min(stall_s, began + total_s - now))
            chunk = _fold(exchange, answer, data)
            if chunk is not None:
                return chunk
            now = self._clock()
            heard = now if data else heard


def _key(name: str) -> str:
    """A model's name as Ollama compares it."""
    return name.casefold().removesuffix(":latest")


async def _soon(exchange: Exchange, limit_s: float) -> bytes:
    """The next bytes as they come; ``b""`` at the end or after ``limit_s`` seconds."""
    try:
        async with asyncio.timeout(limit_s):
            return await exchange.read()
    except TimeoutError:
        return b""


async def _expect_ok(exchange: Exchange) -> None:
    """Raise what a response other than a plain 200 means."""
    refuse_compressed(exchange)
    if exchange.status not in (0, 200):
        raise by_status(exchange.status, await body_of(exchange, LARGEST_ERROR), exchange.location)


async def _next(exchange: Exchange, answer: AnswerFold) -> Chunk:
    """Read until there is something to yield."""
    while True:
        chunk = _fold(exchange, answer, await exchange.read())
        if chunk is not None:
            return chunk


def _fold(exchange: Exchange, answer: AnswerFold, data: bytes) -> Chunk | None:
    """Fold ``data`` in; raise the answer's failure when nothing can be yielded before it."""
    chunk = answer.feed(data) if data else None
    if chunk is None and exchange.ended and not data and answer.failure is None:
        chunk = answer.end(exchange.error)
    if chunk is None and answer.failure is not None:
        raise answer.failure
    return chunk
