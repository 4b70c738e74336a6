"""One worker at a time: a lock in Redis that expires unless its holder renews it.

Every lock of the arena is one of these: a driver's lease, the sweeper's and the one for making boards. Who holds one
may begin work; it does not fence what was begun before (a process that hangs may write after its lock has ended). So
each of these works is fenced where it writes: attempts by their number, battles by the version of their document,
boards by being the same whoever makes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from time import monotonic
from typing import TypeVar

from redis.asyncio import Redis
from redis.exceptions import LockError, RedisError

from app.tasks import cancel_and_wait, last_beat_within

T = TypeVar("T")


class WorkerLock:
    """redis-py's lock under ``key``: a random token that expires after ``term``; ``clock`` is monotonic.

    Calls raise ``RedisError`` while Redis is unavailable. Those that take or keep it give up after a third of the
    term, with a ``TimeoutError``.
    """

    def __init__(self, redis: Redis, key: str, term: timedelta, clock: Callable[[], float] = monotonic) -> None:
        self.key = key
        self._term = term.total_seconds()
        self._lock = redis.lock(key, timeout=self._term, blocking=False, thread_local=False)
        self._clock = clock
        self._until = -1.0

    @property
    def held(self) -> bool:
        """Whether it is surely still ours: counted from before the command that took or renewed it was sent."""
        return self._clock() < self._until

    @property
    def token(self) -> bytes | None:
        """What the key holds while it is ours."""
        token: bytes | None = self._lock.local.token
        return token

    async def acquire(self) -> bool:
        """Try once; False while another has it."""
        asked = self._clock()
        taken = bool(await self._limited(self._lock.acquire()))
        if taken:
            self._until = asked + self._term
        return taken

    async def renew(self) -> bool:
        """Keep it for another term; False when it has expired or is another's."""
        asked = self._clock()
        try:
            await self._limited(self._lock.reacquire())
        except LockError:
            self._until = -1.0
            return False
        self._until = asked + self._term
        return True

    async def release(self) -> None:
        """Let another take it at once; nothing if it isn't ours."""
        self._until = -1.0
        with suppress(LockError):
            await self._limited(self._lock.release())

    async def expire_in(self, length: timedelta) -> None:
        """Hold it no longer, and let nobody take it for ``length``, counted from now."""
        self._until = -1.0
        with suppress(LockError):
            await self._limited(self._lock.extend(length.total_seconds(), replace_ttl=True))
        self._lock.local.token = None

    async def taken(self) -> bool:
        """Whether anybody has it now."""
        return bool(await self._lock.locked())

    @asynccontextmanager
    async def renewed(self) -> AsyncGenerator[None]:
        """Renew it in the background while the block lasts."""
        renewing = asyncio.create_task(self._renew_while_held(), name=f"renew {self.key}")
        try:
            yield
        finally:
            await cancel_and_wait(renewing)

    async def run(self, work: Coroutine[object, object, None]) -> bool:
        """Renew the lock while ``work`` runs, and cancel ``work`` when the lock is lost; False: it was."""
        working = asyncio.create_task(work, name=f"under {self.key}")
        renewing = asyncio.create_task(self._renew_while_held(), name=f"renew {self.key}")
        try:
            await asyncio.wait({working, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            await working
            return True
        finally:
            await cancel_and_wait(working, renewing)

    async def run_if_free(self, work: Callable[[], Coroutine[object, object, None]]) -> bool:
        """Acquire it, do ``work`` under it and release it; False: another has it, or it was lost meanwhile."""
        if not await self.acquire():
            return False
        try:
            return await self.run(work())
        finally:
            with suppress(RedisError, OSError):
                await self.release()

    async def _renew_while_held(self) -> None:
        """Renew every third of the term; return when it is lost, at the latest when its term has passed."""
        while self.held:
            await asyncio.sleep(last_beat_within(self._term / 3))
            if self.held:
                with suppress(RedisError, OSError):
                    await self.renew()

    async def _limited(self, call: Awaitable[T]) -> T:
        async with asyncio.timeout(self._term / 3):
            return await call
