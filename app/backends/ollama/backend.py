"""Ollama's native API: a chat is newline-delimited JSON, one line per token, the last with ``done: true``.

What nobody can guess: not even the response's headers are sent before the first token, so the first wait covers
the server's queue, a cold load and the prompt. The only way to stop an answer is to close its connection. A stream
without ``done: true`` has failed. A client that stalls until the network's buffers are full and then leaves costs
the server a slot for good, so what it sends is always taken promptly.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
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
    UpstreamFailed,
)
from app.backends.following import DEFAULT_TICK, AnswerReader
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
from app.backends.server import ModelServer
from app.backends.target import Access
from app.backends.timeouts import DEFAULT_LIMITS, Timeouts
from app.network.connecting import Resolve, resolved

_CHAT = "/api/chat"


class OllamaBackend:
    """One Ollama server, at a URL (see ``app.hosts.address``) or where ``access`` leads.

    After the first token an answer is read once a ``tick``, everything that has gathered as one chunk; zero reads
    it as it comes. ``keep_alive`` goes with loads only. Once the installed models are listed, it is known which of them
    can't think; they are not asked to, because the server would refuse. ``resolve`` finds the addresses of the server.
    Connections are kept for ``keep`` after a call.
    """

    def __init__(
        self,
        access: Access | str,
        *,
        keep_alive: timedelta = timedelta(hours=72),
        limits: Timeouts = DEFAULT_LIMITS,
        tick: timedelta = DEFAULT_TICK,
        resolve: Resolve = resolved,
        keep: timedelta = timedelta(0),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._server = ModelServer(access, connect=limits.connect, resolve=resolve, keep=keep)
        self._calls = OllamaCalls(self._server)
        self._keep_alive = keep_alive
        self._limits = limits
        self._reader = AnswerReader(self._server, limits, by_status, tick, clock)
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
        try:
            async with aclosing(self._reader.stream(_CHAT, self._chat(request), answer)) as chunks:
                async for chunk in chunks:
                    yield chunk
            self._template_opens.discard(asked)
        finally:
            if answer.template_opens:
                self._template_opens.add(asked)

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
        """Close the connections that are kept for the next call."""
        self._server.close()

    def _chat(self, request: GenerationRequest) -> bytes:
        options = request.options
        if options.think and _key(request.model) in self._without_thinking:
            options = replace(options, think=False)
        question = chat_body(request.model, request.messages, options, stream=True)
        if request.output is not None:
            question["format"] = request.output
        if request.tools is not None and request.tools.choice != "none":  # it has no word for the choice
            question["tools"] = list(request.tools.offered)
        return orjson.dumps(question)


def _key(name: str) -> str:
    """A model's name as Ollama compares it."""
    return name.casefold().removesuffix(":latest")
