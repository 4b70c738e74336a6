"""Finds battles that got stuck between two steps (a worker died there, Redis was unavailable) and settles them.

======================= ====== =============================================== ============ ==========================
key                     type   holds                                           written by   bound
======================= ====== =============================================== ============ ==========================
``arena:sweeper``       string a lock, so that one worker sweeps at a time     here         10 s
``arena:sweeper:open``  set    battles that were seen running in SQL and whose here         24 h after the last sweep;
                               end Redis has not been seen to tell                          a battle leaves at its end
======================= ====== =============================================== ============ ==========================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import LockError, RedisError

from app.arena.reconcile import Reconciler
from app.arena.store import BattleState, Store
from app.battle.battle import Side
from app.errors import Unavailable
from app.records.ledger import Ledger
from app.records.values import BEFORE_ALL, Unended
from app.redis.client import AWAY

SWEEP_EVERY = timedelta(seconds=5)
NO_PROGRESS = timedelta(seconds=10)
LOCK_TTL_S = 10.0
OPEN_KEY = "arena:sweeper:open"
OPEN_TTL = timedelta(hours=24)
#: How many battles one sweep looks at; the next one goes on behind them.
AT_ONCE = 1000
#: What goes for all battles, and for no longer than Redis or the database is unavailable.
AWAY_NOW = (*AWAY, OSError, Unavailable)
#: The place in the log of a battle that Redis does not have.
NOWHERE = -1

log = structlog.get_logger(__name__)


class Sweeper:
    """Settles battles that should move and whose log did not grow for ``NO_PROGRESS``.

    Those are battles with answers outstanding, with a verdict in SQL that was not told, with an end in SQL that was
    not told, and battles that Redis does not have. One that can't be settled holds up no other.
    """

    def __init__(
        self,
        redis: Redis,
        store: Store,
        ledger: Ledger,
        reconciler: Reconciler,
        clock: Callable[[], float] = monotonic,
        at_once: int = AT_ONCE,
    ) -> None:
        self._redis = redis
        self._lock = redis.lock("arena:sweeper", timeout=LOCK_TTL_S, blocking=False)
        self._store = store
        self._ledger = ledger
        self._reconciler = reconciler
        self._clock = clock
        self._at_once = at_once
        self._reached = BEFORE_ALL
        self._before: dict[str, tuple[int, float]] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        self._troubled: set[str] = set()

    async def run(self) -> None:
        """Sweep until cancelled; whoever gets the lock sweeps."""
        while True:
            with suppress(RedisError, *AWAY_NOW):
                if await self._lock.acquire():
                    try:
                        await self.sweep()
                    finally:
                        with suppress(LockError):
                            await self._lock.release()
            await asyncio.sleep(SWEEP_EVERY.total_seconds())

    async def sweep(self) -> None:
        """Look at the battles that run, the oldest first, from where the last sweep came to.

        After the youngest come those that SQL has ended meanwhile.
        """
        page = await self._ledger.unended(timedelta(0), self._at_once, self._reached)
        await self._remember(page)
        for battle in page:
            await self._alone(battle.id, self._look_after(battle))
        self._reached = page[-1] if len(page) == self._at_once else BEFORE_ALL
        if self._reached is BEFORE_ALL:
            await self._look_after_ended()
            self._before, self._seen = self._seen, {}

    async def _remember(self, battles: Iterable[Unended]) -> None:
        ids = [battle.id for battle in battles]
        if ids:
            pipeline = self._redis.pipeline()
            pipeline.sadd(OPEN_KEY, *ids)
            pipeline.expire(OPEN_KEY, OPEN_TTL)
            await pipeline.execute()

    async def _alone(self, battle: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            if isinstance(error, AWAY_NOW) and getattr(error, "code", "") != "foreign_document":
                raise
            if battle not in self._troubled:
                log.exception("battle_not_settled", battle=battle, exc_info=error)
            self._troubled.add(battle)

    async def _look_after(self, battle: Unended) -> None:
        look = await self._store.look(battle.id)
        if self._is_still(battle.id, NOWHERE if look is None else look.n) and _should_move(battle, look):
            log.warning("battle_swept", battle=battle.id, gone=look is None)
            await self._reconciler.reconcile(battle.id)

    async def _look_after_ended(self) -> None:
        """See to it that the end is told of those that were seen running and run no more, in SQL."""
        known = await cast("Awaitable[set[Any]]", self._redis.smembers(OPEN_KEY))
        for battle in {raw.decode() for raw in known} - set(self._seen):
            await self._alone(battle, self._look_after_end(battle))

    async def _look_after_end(self, battle: str) -> None:
        look = await self._store.look(battle)
        if look is None or look.ended:
            await self._redis.srem(OPEN_KEY, battle)
        elif self._is_still(battle, look.n):
            log.warning("battle_swept", battle=battle, gone=False)
            await self._reconciler.reconcile(battle)

    def _is_still(self, battle: str, n: int) -> bool:
        """True when the log was at ``n`` already ``NO_PROGRESS`` ago."""
        known, since = self._seen.get(battle) or self._before.get(battle) or (None, 0.0)
        if n != known:
            since = self._clock()
        self._seen[battle] = (n, since)
        return self._clock() - since >= NO_PROGRESS.total_seconds()


def _should_move(battle: Unended, look: BattleState | None) -> bool:
    """True unless the battle only waits for a verdict and has nothing left to prefetch."""
    if look is None:
        return True
    if look.ended:
        return False
    if look.document.battle.round != battle.round:
        return True
    told = look.document.battle
    prefetched = all(look.answers[entry].finish for entry in told.waiting[:1])
    complete = all(look.answers[told.pair.on(side)].complete for side in Side)
    return not (told.ready and complete and prefetched)
