"""Work that is done for one battle at a time, and once for all who ask while it waits for its turn.

Two answers of a battle often end in the same moment, and each asks for the battle to be reconciled. What begins after
the second has asked covers both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Turn:
    """The work of one key; ``begun`` and ``ended`` count, ``waiting`` are the callers inside."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    begun: int = 0
    ended: int = 0
    failure: Exception | None = None
    waiting: int = 0


class Turns:
    """Runs work key by key; it forgets a key that nobody waits for."""

    def __init__(self) -> None:
        self._turns: dict[str, _Turn] = {}

    async def take(self, key: str, work: Callable[[], Awaitable[object]]) -> None:
        """Return when ``work`` was done for ``key`` by a run that began after this call.

        Raises:
            Exception: what that run raised. A run whose caller is cancelled counts for nobody else.
        """
        turn = self._turns.setdefault(key, _Turn())
        asked = turn.begun
        turn.waiting += 1
        try:
            async with turn.lock:
                if turn.ended <= asked:
                    await self._run(turn, work)
                elif turn.failure is not None:
                    raise turn.failure
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key]

    def waiting(self, key: str) -> int:
        """How many callers wait for ``key`` or are in its work: all whom a run that begins now counts for."""
        return self._turns[key].waiting if key in self._turns else 0

    async def _run(self, turn: _Turn, work: Callable[[], Awaitable[object]]) -> None:
        await asyncio.sleep(0)  # whoever asks in this turn of the event loop, too, is covered
        turn.begun += 1
        try:
            await work()
        except Exception as failure:
            turn.ended, turn.failure = turn.begun, failure
            raise
        turn.ended, turn.failure = turn.begun, None
