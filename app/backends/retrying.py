"""A backend that tries again what can heal, as long as nothing of the answer was given out."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, stop_after_delay

from app.backends.base import (
    Activity,
    Backend,
    BackendError,
    BackendUnavailable,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    InstalledModel,
    Inventory,
    ListedBackend,
    LoadedModel,
    ManagedBackend,
    ReportsActivity,
    ResidencyControl,
)

repeated: ContextVar[Callable[[BackendError], None] | None] = ContextVar("repeated", default=None)
"""Called in the context of whoever asks, with the error for which an attempt is begun anew."""


def _can_heal(error: BaseException) -> bool:
    return isinstance(error, BackendError) and error.retryable


class RetryingBackend:
    """``inner``, with answers begun again after a ``retryable`` failure.

    At most ``attempts`` in all, none begun later than ``patience`` after the first. Before the n-th repetition it
    waits between nothing and ``first_wait`` * 2**(n-1), at most ``longest_wait``: waiters that failed together
    don't come back together.
    """

    def __init__(
        self,
        inner: Backend,
        *,
        attempts: int = 3,
        patience: timedelta = timedelta(seconds=30),
        first_wait: timedelta = timedelta(milliseconds=500),
        longest_wait: timedelta = timedelta(seconds=5),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._inner = inner
        self._attempts = attempts
        self._patience = patience
        self._first_s = first_wait.total_seconds()
        self._longest_s = longest_wait.total_seconds()
        self._sleep = sleep
        self._jitter = jitter

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer of the first attempt that gives a chunk.

        Raises:
            BackendError: that of the last attempt.
        """
        begun: tuple[AsyncGenerator[Chunk], Chunk] = await self._retrying()(self._begin, request)
        chunks, first = begun
        async with aclosing(chunks):
            yield first
            async for chunk in chunks:
                yield chunk

    async def aclose(self) -> None:
        """Close the inner backend."""
        await self._inner.aclose()

    async def _begin(self, request: GenerationRequest) -> tuple[AsyncGenerator[Chunk], Chunk]:
        chunks = self._inner.stream(request)
        try:
            first = await anext(chunks, None)
        except BaseException:
            await chunks.aclose()
            raise
        if first is None:
            raise BackendUnavailable("the answer ended before it began")
        return chunks, first

    def _retrying(self) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception(_can_heal),
            stop=stop_after_attempt(self._attempts) | stop_after_delay(self._patience),
            wait=self._wait_s,
            before_sleep=_report,
            sleep=self._sleep,
            reraise=True,
        )

    def _wait_s(self, state: RetryCallState) -> float:
        return min(self._longest_s, self._first_s * 2.0 ** (state.attempt_number - 1)) * self._jitter()


def _report(state: RetryCallState) -> None:
    """Say that what has failed is begun anew."""
    note, outcome = repeated.get(), state.outcome
    error = None if outcome is None else outcome.exception()
    if note is not None and isinstance(error, BackendError):
        note(error)


class RetryingListedBackend(RetryingBackend):
    """The same for an ``inner`` that can be probed. Questions are not repeated: their answer is how things are now."""

    def __init__(self, inner: ListedBackend, **limits: Any) -> None:
        super().__init__(inner, **limits)
        self._inventory: Inventory = inner

    async def installed(self) -> tuple[InstalledModel, ...]:
        """What could be loaded."""
        return await self._inventory.installed()

    async def version(self) -> str:
        """The server's version."""
        return await self._inventory.version()

    async def activity(self) -> Activity:
        """What runs there; nothing is known of a server that does not report it."""
        return await self._inventory.activity() if isinstance(self._inventory, ReportsActivity) else Activity()


class RetryingManagedBackend(RetryingListedBackend):
    """The same for an ``inner`` whose memory is managed, with loads and unloads begun again, too."""

    def __init__(self, inner: ManagedBackend, **limits: Any) -> None:
        super().__init__(inner, **limits)
        self._memory: ResidencyControl = inner

    async def load(self, model: str, options: GenerationOptions) -> float:
        """Load; return the seconds of the attempt that succeeded."""
        return await self._retrying()(self._memory.load, model, options)

    async def unload(self, model: str) -> None:
        """Unload."""
        await self._retrying()(self._memory.unload, model)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory now."""
        return await self._memory.loaded()


def retrying(inner: Backend) -> Backend:
    """``inner`` with retries; what it offers beside generating, it offers still."""
    if isinstance(inner, ManagedBackend):
        return RetryingManagedBackend(inner)
    if isinstance(inner, ListedBackend):
        return RetryingListedBackend(inner)
    return RetryingBackend(inner)
