"""A server that speaks OpenAI's chat completions and holds its models by itself: nothing is loaded or unloaded there.

What nobody can guess: vLLM, SGLang and llama-server refuse nobody by default but queue without bound, so how much is
sent at once is ours to decide. Closing the connection stops an answer on all of them, unless a request had the header
``X-Conversation-Id`` (llama-server then goes on for a client that may come back), so it is never sent. A vLLM that was
put to sleep does not answer at all until somebody wakes it: where it can sleep it is asked first.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import structlog

from app.backends.base import (
    Activity,
    BackendUnavailable,
    Chunk,
    GenerationRequest,
    InstalledModel,
)
from app.backends.following import DEFAULT_TICK, AnswerReader
from app.backends.openai.answer import ChatFold
from app.backends.openai.calls import ChatCalls
from app.backends.openai.failures import by_status
from app.backends.openai.listing import capabilities_in
from app.backends.openai.profiles import Profile
from app.backends.openai.requests import chat_body, sent_options
from app.backends.openai.warming import Warming
from app.backends.server import ModelServer
from app.backends.target import Access
from app.backends.timeouts import DEFAULT_LIMITS, Timeouts
from app.backends.values import whole
from app.network.connecting import Resolve, resolved

log = structlog.get_logger(__name__)


class ChatBackend:
    """One server of the sort that ``profile`` describes, with its API below ``api``.

    ``tick`` is as for Ollama (``app.backends.following``). Options that the server does not take are left out; the log
    names each once. Connections are kept for ``keep`` after a call.
    """

    def __init__(
        self,
        access: Access | str,
        profile: Profile,
        *,
        api: str = "/v1",
        limits: Timeouts = DEFAULT_LIMITS,
        tick: timedelta = DEFAULT_TICK,
        resolve: Resolve = resolved,
        keep: timedelta = timedelta(0),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._server = server = ModelServer(access, connect=limits.connect, resolve=resolve, keep=keep)
        self._profile = profile
        self._calls = ChatCalls(server, profile, api, limits.probe)
        self._clock = clock
        self._load_limit = limits.load
        self._path = f"{api}/chat/completions"
        self._reader = AnswerReader(server, limits, by_status, tick, clock)
        self._template_opens: set[tuple[str, bool | str | None]] = set()
        self._warned: set[tuple[str, str]] = set()
        self._warming = Warming(clock) if profile.loads_on_request else None
        self._can_sleep = False
        self._contexts: dict[str, int | None] = {}

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer as it is written; the last chunk has the ``finish_reason``.

        Raises:
            BackendError: before the first text any class; after it ``BackendBroken`` or a subclass.
        """
        self._warn_of_left_out(request)
        if self._can_sleep:
            await self._refuse_asleep()
        asked = (request.model, request.options.think)
        answer = ChatFold(
            template_opens=asked in self._template_opens,
            drops_nameless_reasoning=self._profile.drops_nameless_reasoning,
        )
        waits = self._warming is not None and await self._warming.enter(request.model)
        try:
            body = chat_body(request, self._profile, self._contexts.get(request.model))
            async with aclosing(self._reader.stream(self._path, body, answer)) as chunks:
                async for chunk in chunks:
                    waits = self._answers(request.model, waits=waits)
                    yield chunk
            self._template_opens.discard(asked)
        finally:
            if waits and self._warming is not None:
                self._warming.leave()
            if answer.template_opens:
                self._template_opens.add(asked)

    async def installed(self) -> tuple[InstalledModel, ...]:
        """The models that the server lists."""
        models = tuple(row.model for row in await self._calls.models())
        if self._profile.reports_capabilities:
            reported = capabilities_in(await self._calls.find("/props"))
            models = tuple(replace(model, capabilities=model.capabilities or reported) for model in models)
        known = [model for model in models if model.context_length]
        self._contexts = {name: model.context_length for model in known for name in (model.name, *model.aliases)}
        return models

    async def version(self) -> str:
        """The server's version, empty when it has none; raises unless it lives, and is awake."""
        await self._calls.lives()
        if self._profile.sleeps:
            self._can_sleep = await self._calls.find("/is_sleeping") is not None
            await self._refuse_asleep()
        return await self._calls.version()

    async def activity(self) -> Activity:
        """How many answers run, wait, and may run at once there, as far as the server reports it."""
        slots = None
        if self._profile.reports_slots:
            properties = await self._calls.find("/props")
            slots = whole(properties.get("total_slots")) if isinstance(properties, dict) else None
        seen = await self._calls.gauges()
        return Activity(slots or None, seen.running, seen.waiting)

    async def aclose(self) -> None:
        """Close the connections that are kept for the next call."""
        self._server.close()

    def _answers(self, model: str, *, waits: bool) -> bool:
        """Note that ``model`` is in memory; who was first to ask for it lets the others go. Always False."""
        if self._warming is not None:
            self._warming.used(model)
            if waits:
                self._warming.leave()
        return False

    async def _refuse_asleep(self) -> None:
        if not self._can_sleep:
            return
        found = await self._calls.find("/is_sleeping")
        if isinstance(found, dict) and found.get("is_sleeping") is True:
            raise BackendUnavailable("the server was put to sleep and answers nothing: wake it with POST /wake_up")

    def _warn_of_left_out(self, request: GenerationRequest) -> None:
        for name in sent_options(request.options, self._profile).left_out:
            if (request.model, name) not in self._warned:
                self._warned.add((request.model, name))
                log.warning("option_left_out", option=name, model=request.model, server=self._profile.name)
