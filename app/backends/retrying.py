"""A backend that tries again what can heal, as long as nothing of the answer was given out."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar

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

T = TypeVar("T")

repeated: ContextVar[Callable[[BackendError], None] | None] = ContextVar("repeated", default=None)
"""Called in the context of whoever asks, with the error for which an attempt is begun anew."""


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
        self._patience_s = patience.total_seconds()
        self._first_s = first_wait.total_seconds()
        self._longest_s = longest_wait.total_seconds()
        self._sleep = sleep
        self._jitter = jitter

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk]:
        """Yield the answer of the first attempt that gives a chunk.

        Raises:
            BackendError: that of the last attempt.
        """
        chunks, first = await self._retried(lambda: self._begin(request))
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

    async def _retried(self, call: Callable[[], Awaitable[T]]) -> T:
        attempt, began = 1, time.monotonic()
        while True:
            try:
                return await call()
            except BackendError as error:
                tired = attempt >= self._attempts or time.monotonic() - began >= self._patience_s
                if tired or not error.retryable:
                    raise
                if (note := repeated.get()) is not None:
                    note(error)
            await self._sleep(self._wait_s(attempt))
            attempt += 1

    def _wait_s(self, attempt: int) -> float:
        return min(self._longest_s, self._first_s * 2.0 ** (attempt - 1)) * self._jitter()


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
        return await self._retried(lambda: self._memory.load(model, options))

    async def unload(self, model: str) -> None:
        """Unload."""
        await self._retried(lambda: self._memory.unload(model))

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
