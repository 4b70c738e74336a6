"""One beat for all streams of a backend: they wake together, so that a turn of the event loop serves them all."""

from __future__ import annotations

import asyncio
from datetime import timedelta


class Ticks:
    """``await ticks.next()`` returns at the next beat, at most ``every`` from now; without waiters nothing beats."""

    def __init__(self, every: timedelta) -> None:
        self._every_s = every.total_seconds()
        self._waiting: list[asyncio.Future[None]] = []

    def next(self) -> asyncio.Future[None]:
        """A future of the caller's own (to cancel it disturbs nobody) that is done at the next beat."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        if not self._waiting:
            loop.call_later(self._every_s, self._beat)
        self._waiting.append(waiter)
        return waiter

    def _beat(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
