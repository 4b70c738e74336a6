"""Finds battles that got stuck between two steps (a worker died, Redis was unavailable) and reconciles them.

======================= ====== =============================================== ============ ==========================
key                     type   holds                                           written by   bound
======================= ====== =============================================== ============ ==========================
``arena:sweeper``       string a lock, so that one worker sweeps at a time     ``Sweeper``  10 s, renewed
``arena:sweeper:open``  set    battles that were seen running in SQL and whose ``Sweeper``  24 h after the last sweep;
                               log was not seen to have its end                             a battle leaves at its end
======================= ====== =============================================== ============ ==========================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.arena.reconcile import Reconciler
from app.arena.states import BattleState
from app.arena.store import Store
from app.battle.battle import Side
from app.errors import Unavailable
from app.records.ledger import Ledger
from app.records.values import BEFORE_ALL, Unended
from app.redis.client import UNAVAILABLE
from app.redis.lock import WorkerLock

SWEEP_EVERY = timedelta(seconds=5)
NO_PROGRESS = timedelta(seconds=10)
LOCK_KEY = "arena:sweeper"
#: The lock is renewed while a sweep lasts; a sweep that has lost it is cut off.
LOCK_TERM = timedelta(seconds=10)
OPEN_KEY = "arena:sweeper:open"
OPEN_TTL = timedelta(hours=24)
#: How many battles one sweep checks; the next one goes on after them.
PAGE_SIZE = 1000
#: Errors that concern all battles, for as long as Redis or the database is unavailable.
STORES_UNAVAILABLE = (*UNAVAILABLE, OSError, Unavailable)
#: Stands for the last number of the log of a battle that Redis does not have.
NO_LOG = -1

log = structlog.get_logger(__name__)


class Sweeper:
    """Reconciles battles that should move and whose log did not grow for ``NO_PROGRESS``.

    Those are battles with answers outstanding, with a verdict or an end in SQL that is not in their log, and battles
    that Redis does not have. One that can't be reconciled does not hold up the others.
    """

    def __init__(
        self,
        redis: Redis,
        store: Store,
        ledger: Ledger,
        reconciler: Reconciler,
        clock: Callable[[], float] = monotonic,
        page_size: int = PAGE_SIZE,
        lock_term: timedelta = LOCK_TERM,
    ) -> None:
        self._redis = redis
        self._lock = WorkerLock(redis, LOCK_KEY, lock_term)
        self._store = store
        self._ledger = ledger
        self._reconciler = reconciler
        self._clock = clock
        self._page_size = page_size
        self._nothing_at: Hashable | None = None
        self._swept_to = BEFORE_ALL
        self._before: dict[str, tuple[int, float]] = {}
        self._seen: dict[str, tuple[int, float]] = {}
        self._failed_before: set[str] = set()
        self._failed: set[str] = set()

    async def run(self) -> None:
        """Sweep until cancelled, one worker at a time."""
        while True:
            with suppress(RedisError, *STORES_UNAVAILABLE):
                await self.sweep_alone()
            await asyncio.sleep(SWEEP_EVERY.total_seconds())

    async def sweep_alone(self) -> None:
        """Sweep, unless another worker does. A sweep that loses its lock ends where it is; the next one goes on.

        Without a battle that runs, or whose end is not logged, there is nothing to do until SQL has another one.
        """
        version = self._ledger.version()  # before the sweep: what is committed meanwhile is another version
        if version is not None and version == self._nothing_at:
            return
        self._nothing_at = None
        if await self._lock.acquire():
            try:
                if await self._lock.run(self.sweep()):
                    self._nothing_at = None if self._knows_any() else version
                else:
                    log.warning("sweep_cut")
            finally:
                await self._lock.release()

    def _knows_any(self) -> bool:
        """Whether the last sweep left a battle to look at again, or did not come to the end."""
        return bool(self._swept_to != BEFORE_ALL or self._before or self._failed_before)

    async def sweep(self) -> None:
        """Check the battles that run, the oldest first, from where the last sweep stopped.

        After the youngest come those that SQL has ended meanwhile.
        """
        page = await self._ledger.unended(timedelta(0), self._page_size, self._swept_to)
        await self._remember(page)
        for battle in page:
            await self._isolated(battle.id, self._sweep_battle(battle))
        self._swept_to = page[-1] if len(page) == self._page_size else BEFORE_ALL
        if self._swept_to is BEFORE_ALL:
            await self._sweep_ended()
            self._before, self._seen = self._seen, {}
            self._failed_before, self._failed = self._failed, set()

    async def _remember(self, battles: Iterable[Unended]) -> None:
        ids = [battle.id for battle in battles]
        if ids:
            pipeline = self._redis.pipeline()
            pipeline.sadd(OPEN_KEY, *ids)
            pipeline.expire(OPEN_KEY, OPEN_TTL)
            await pipeline.execute()

    async def _isolated(self, battle: str, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            if isinstance(error, STORES_UNAVAILABLE) and getattr(error, "code", "") != "foreign_document":
                raise
            if battle not in self._failed | self._failed_before:
                log.exception("battle_not_settled", battle=battle, exc_info=error)
            self._failed.add(battle)

    async def _sweep_battle(self, battle: Unended) -> None:
        state = await self._store.state(battle.id)
        if self._is_still(battle.id, NO_LOG if state is None else state.n) and _should_move(battle, state):
            await self._reconciler.reconcile(battle.id)
            await self._log_if_moved(battle.id, state)

    async def _sweep_ended(self) -> None:
        """Log the end of battles that were seen running and that SQL has ended since."""
        known = await cast("Awaitable[set[Any]]", self._redis.smembers(OPEN_KEY))
        for battle in {raw.decode() for raw in known} - set(self._seen):
            await self._isolated(battle, self._sweep_end(battle))

    async def _sweep_end(self, battle: str) -> None:
        state = await self._store.state(battle)
        if state is None or state.ended:
            await self._redis.srem(OPEN_KEY, battle)
        elif self._is_still(battle, state.n):
            await self._reconciler.reconcile(battle)
            await self._log_if_moved(battle, state)

    async def _log_if_moved(self, battle: str, before: BattleState | None) -> None:
        """Warn of a battle that only the sweeper moved; one whose answer simply takes long stays as it was."""
        after = await self._store.state(battle)
        if before is None or after is None or after.n != before.n:
            log.warning("battle_swept", battle=battle, gone=before is None)

    def _is_still(self, battle: str, n: int) -> bool:
        """True when the log was at ``n`` already ``NO_PROGRESS`` ago."""
        known, since = self._seen.get(battle) or self._before.get(battle) or (None, 0.0)
        if n != known:
            since = self._clock()
        self._seen[battle] = (n, since)
        return self._clock() - since >= NO_PROGRESS.total_seconds()


def _should_move(battle: Unended, state: BattleState | None) -> bool:
    """True unless the battle only waits for a verdict and has nothing left to prefetch."""
    if state is None:
        return True
    if state.ended:
        return False
    if state.document.battle.round != battle.round:
        return True
    shown = state.document.battle
    prefetched = all(state.answers[entry].finish for entry in shown.waiting[:1])
    complete = all(state.answers[shown.pair.on(side)].complete for side in Side)
    return not (shown.ready and complete and prefetched)
