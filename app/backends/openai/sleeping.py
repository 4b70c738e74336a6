"""A vLLM that may be put to sleep: its only model leaves the card for the CPU's memory, and comes back in seconds.

``POST /sleep``, ``POST /wake_up`` and ``GET /is_sleeping`` are there with VLLM_SERVER_DEV_MODE=1, and free memory with
``--enable-sleep-mode``. Asleep it is not in memory, as the driver sees it: to load is to wake, to unload is to put to
sleep. ``/health`` goes on saying 200 meanwhile, and a request hangs without a word until somebody wakes the server, so
it is asked before each. Only level 1 is used: after level 2 the weights are gone, and what is written is nonsense
(vllm#16889); the gauge ``vllm:engine_sleep_state`` tells which it is, and such a server is not woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta

from app.backends.base import (
    BackendUnavailable,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    LoadedModel,
    LoadTimedOut,
    UpstreamFailed,
)
from app.backends.openai.backend import ChatBackend
from app.backends.openai.metrics import weights_are_gone

POLL = timedelta(milliseconds=100)
_SLEEP = "/sleep?level=1&mode=wait"  # the default mode would abort what is being written
_WAKE = "/wake_up"


class SleepingBackend(ChatBackend):
    """A vLLM with sleep mode; all names that it serves are one model."""

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer as it is written; a server that somebody put to sleep is woken first.

        Raises:
            BackendError: before the first text any class; after it ``BackendBroken`` or a subclass.
        """
        await self._wake()
        async with aclosing(super().stream(request)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def version(self) -> str:
        """The server's version; it lives while it sleeps."""
        await self._calls.lives()
        return await self._calls.version()

    async def load(self, model: str, options: GenerationOptions) -> float:  # noqa: ARG002 - its start decided them
        """Wake the server; return the seconds it took."""
        began = self._clock()
        await self._wake()
        return self._clock() - began

    async def unload(self, model: str) -> None:  # noqa: ARG002 - it has one
        """Put the server to sleep once it writes nothing."""
        if not await self._sleeps():
            await self._calls.post(_SLEEP, {}, self._load_limit)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """Every name that the server has, or none while it sleeps."""
        if await self._sleeps():
            return ()
        return tuple(LoadedModel(row.model.name, 0, 0) for row in await self._calls.models())

    async def _wake(self) -> None:
        """Wake the server, if it sleeps.

        Raises:
            LoadTimedOut: it did not wake in time.
            UpstreamFailed: its weights are gone.
        """
        if not await self._sleeps():
            return
        if weights_are_gone(await self._calls.metrics()):
            raise UpstreamFailed(
                "the server sleeps at level 2, without its weights: reload them and wake it, or start it again"
            )
        deadline = self._clock() + self._load_limit.total_seconds()
        await self._calls.post(_WAKE, {}, self._load_limit, LoadTimedOut)
        while await self._sleeps():
            if self._clock() > deadline:
                raise LoadTimedOut(f"not awake within {self._load_limit.total_seconds():g} s")
            await asyncio.sleep(POLL.total_seconds())

    async def _sleeps(self) -> bool:
        found = await self._calls.get("/is_sleeping")
        sleeps = found.get("is_sleeping") if isinstance(found, dict) else None
        if not isinstance(sleeps, bool):
            raise BackendUnavailable("the server does not say whether it sleeps (GET /is_sleeping)")
        return sleeps
