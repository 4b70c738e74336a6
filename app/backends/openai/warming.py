"""For a server that loads a model on its first request, once for each of several that come together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

STAYS = timedelta(minutes=5)
"""How long a model counts as in memory after its last use: far less than the shortest such servers are set to."""


class Warming:
    """Lets one request at a time to a server until its model has answered; ``clock`` is monotonic."""

    def __init__(self, clock: Callable[[], float], stays: timedelta = STAYS) -> None:
        self._clock = clock
        self._stays_s = stays.total_seconds()
        self._used: dict[str, float] = {}
        self._turn = asyncio.Lock()

    async def enter(self, model: str) -> bool:
        """Wait for one's turn; True when it has to be left again, False when ``model`` is in memory."""
        if self._is_warm(model):
            return False
        await self._turn.acquire()
        if self._is_warm(model):
            self._turn.release()
            return False
        return True

    def leave(self) -> None:
        """Let the next one go."""
        self._turn.release()

    def used(self, model: str) -> None:
        """Note that ``model`` answers."""
        self._used[model] = self._clock()

    def _is_warm(self, model: str) -> bool:
        used = self._used.get(model)
        return used is not None and self._clock() - used < self._stays_s
