"""Whose turn it is to make the boards: one worker's at a time, and nobody's for a while after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from redis.asyncio import Redis
from redis.exceptions import LockError, RedisError

from app.tasks import cancel_and_wait

KEY = "arena:board:turn"
TERM = timedelta(seconds=10)


class RefitTurn:
    """redis-py's lock under ``arena:board:turn``; it expires after 10 s unless its holder renews it.

    It is not given back, but left to expire after a pause, so that no worker begins before. A turn that was lost
    (Redis was emptied) does no harm: two snapshots of the same votes are the same.
    """

    def __init__(self, redis: Redis, term: timedelta = TERM) -> None:
        self._term = term.total_seconds()
        self._lock = redis.lock(KEY, timeout=self._term, blocking=False, thread_local=False)

    async def take(self) -> bool:
        """Try once; False while another has the turn or the pause lasts.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        return bool(await self._lock.acquire())

    @asynccontextmanager
    async def kept(self) -> AsyncGenerator[None]:
        """Renew the turn while the work lasts."""
        renewing = asyncio.create_task(self._renew(), name="board-turn")
        try:
            yield
        finally:
            await cancel_and_wait(renewing)

    async def pause(self, length: timedelta) -> None:
        """Let nobody begin for ``length``, counted from now."""
        with suppress(LockError):
            await self._lock.extend(length.total_seconds(), replace_ttl=True)
        self._lock.local.token = None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._term / 3)
            with suppress(LockError, RedisError, OSError):
                await self._lock.reacquire()
