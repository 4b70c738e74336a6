"""Works runs off: in a service one after the other, the oldest first; in a command the one that it was given.

=============================== ====== ============================================ ======
key                             type   holds                                        bound
=============================== ====== ============================================ ======
``arena:batch:turn``            string a lock: one process works on background runs 10 s
``arena:batch:{<run>}:runner``  string a lock: one process works on this run        10 s
=============================== ====== ============================================ ======

The locks only save work: two runners of one run would do no harm (``runs``).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog
from redis.asyncio import Redis

from app.batch.hours import is_open
from app.batch.outage import STORES_UNAVAILABLE
from app.batch.parts import RunnerParts
from app.batch.runner import BatchRunner
from app.batch.runs import ACTIVE, Run
from app.redis.lock import WorkerLock
from app.tasks import until_beat

TERM = timedelta(seconds=10)
CHECK_EVERY_S = 1.0

log = structlog.get_logger(__name__)


class BatchWorker:
    """The runners of one process."""

    def __init__(self, redis: Redis, parts: RunnerParts) -> None:
        self._redis = redis
        self._parts = parts
        self._runners: dict[str, BatchRunner] = {}

    def news(self, run: str) -> None:
        """An answer of this run was stored here."""
        runner = self._runners.get(run)
        if runner is not None:
            runner.answer_stored()

    def not_stored(self, run: str, error: Exception) -> None:
        """An answer of this run can't be stored here now; it is tried again."""
        runner = self._runners.get(run)
        if runner is not None:
            runner.answer_not_stored(error)

    async def run(self) -> None:
        """Work off what is handed in, until cancelled."""
        while True:
            with suppress(*STORES_UNAVAILABLE):
                if await self._next() is not None:
                    await self._in_turn()
            await asyncio.sleep(until_beat(CHECK_EVERY_S))

    async def _in_turn(self) -> None:
        await WorkerLock(self._redis, "arena:batch:turn", TERM).run_if_free(self._work_on_all)

    async def _work_on_all(self) -> None:
        """Work on the oldest run that may work now, one after the other, for as long as there is one."""
        while (run := await self._next()) is not None:
            if not await self.work_on(run, waits=False):
                await asyncio.sleep(CHECK_EVERY_S)

    async def _next(self) -> Run | None:
        now = self._parts.time.now()
        return next((run for run in await self._parts.records.active() if is_open(run.between, now)), None)

    async def work_on(self, run: Run, *, waits: bool) -> bool:
        """Work on a run until it ends or stops; False when another process does, or the lock was lost.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """

        async def work() -> None:
            runner = self._runners[run.id] = BatchRunner(self._parts, run, waits=waits)
            log.info("batch_begun", run=run.id, jobs=run.jobs, ended=run.jobs_ended)
            try:
                await runner.work()
            finally:
                self._runners.pop(run.id, None)

        return await WorkerLock(self._redis, f"arena:batch:{{{run.id}}}:runner", TERM).run_if_free(work)

    async def see_through(self, run_id: str) -> Run:
        """Work on a run, or wait while another process does, until it ends or stops."""
        while True:
            try:
                run = await self._parts.records.run(run_id)
                if run.status not in ACTIVE:
                    return run
                await self.work_on(run, waits=True)
            except STORES_UNAVAILABLE as error:
                log.warning("batch_waits", run=run_id, why=str(error) or type(error).__name__)
            await asyncio.sleep(CHECK_EVERY_S)
