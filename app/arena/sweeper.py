"""Finds battles that got stuck between two steps (a worker died there) and settles them.

Key ``arena:sweeper``: a lock with a TTL of ten seconds, so that one worker sweeps at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from time import monotonic

import structlog
from redis.asyncio import Redis
from redis.exceptions import LockError, RedisError

from app.arena.settle import Settler
from app.arena.store import Look, Store
from app.battle.battle import Side
from app.errors import Unavailable
from app.records.ledger import Ledger

SWEEP_EVERY = timedelta(seconds=5)
NO_PROGRESS = timedelta(seconds=10)
LOCK_TTL_S = 10.0
AT_ONCE = 1000

log = structlog.get_logger(__name__)


class Sweeper:
    """Settles unended battles with work outstanding whose log did not grow for ``NO_PROGRESS``."""

    def __init__(
        self, redis: Redis, store: Store, ledger: Ledger, settler: Settler, clock: Callable[[], float] = monotonic
    ) -> None:
        self._lock = redis.lock("arena:sweeper", timeout=LOCK_TTL_S, blocking=False)
        self._store = store
        self._ledger = ledger
        self._settler = settler
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Sweep until cancelled; whoever gets the lock sweeps."""
        while True:
            with suppress(RedisError, OSError, Unavailable):
                if await self._lock.acquire():
                    try:
                        await self.sweep()
                    finally:
                        with suppress(LockError):
                            await self._lock.release()
            await asyncio.sleep(SWEEP_EVERY.total_seconds())

    async def sweep(self) -> None:
        """Look at every unended battle once."""
        battles = await self._ledger.unended(NO_PROGRESS, AT_ONCE)
        self._seen = {battle: seen for battle, seen in self._seen.items() if battle in set(battles)}
        for battle in battles:
            look = await self._store.look(battle)
            if look is None or self._is_stuck(battle, look):
                log.warning("battle_swept", battle=battle, gone=look is None)
                await self._settler.settle(battle)

    def _is_stuck(self, battle: str, look: Look) -> bool:
        n, since = self._seen.get(battle, (-1, 0.0))
        if n != look.n:
            self._seen[battle] = (look.n, self._clock())
            return False
        return _work_outstanding(look) and self._clock() - since >= NO_PROGRESS.total_seconds()


def _work_outstanding(look: Look) -> bool:
    """True unless the battle only waits for a verdict and has nothing left to prefetch."""
    battle = look.document.battle
    prefetched = all(look.answers[entry].finish for entry in battle.waiting[:1])
    complete = all(look.answers[battle.pair.on(side)].complete for side in Side)
    return not (battle.ready and complete and prefetched)
