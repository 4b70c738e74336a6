"""While a host is down: what waits there goes to other hosts; what nobody else can write fails after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.backends.base import BackendUnavailable
from app.scheduling.driver.answer_story import AnswerStory
from app.scheduling.driver.answers import RunningAnswers
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.jobs import JobTable
from app.scheduling.driver.state import DriverState
from app.scheduling.driver.store_retries import STORE_UNAVAILABLE
from app.scheduling.job import Job
from app.scheduling.ports import Ports
from app.timing.time import Time


class Rerouter:
    """Moves the waiting jobs of ``host``; ``fail`` ends the answer of a job that nobody can write."""

    def __init__(
        self,
        host: str,
        ports: Ports,
        jobs: JobTable,
        running: RunningAnswers,
        state: DriverState,
        intervals: Intervals,
        time: Time,
        fail: Callable[[Job, Exception], None],
    ) -> None:
        self.moving: str | None = None
        """The job that is being rerouted: the host may come back meanwhile, and must not begin it."""
        self._host = host
        self._ports = ports
        self._jobs = jobs
        self._running = running
        self._breaker = state.breaker
        self._intervals = intervals
        self._time = time
        self._fail = fail

    def waits(self, job_id: str) -> bool:
        """Whether a job is still in this queue, and nobody has begun it or is rerouting it."""
        return job_id in self._jobs and job_id not in self._running and job_id != self.moving

    async def reroute_all(self) -> None:
        """Move all that waits; a job that can't be moved fails when it has waited long enough."""
        for job in [job for job in self._jobs.all() if job.id not in self._running]:
            if self._breaker.health == "down" and self.waits(job.id):
                await self._reroute_or_fail(job)
        await asyncio.sleep(self._intervals.ask_every.total_seconds())

    async def _reroute_or_fail(self, job: Job) -> None:
        """One job that can't be moved for a bug holds up no other."""
        try:
            await self._reroute_one(job)
        except Exception as failure:
            self._fail(job, failure)

    async def _reroute_one(self, job: Job) -> None:
        waited_s = min(self._breaker.down_s, self._time.now() - job.enqueued_at)
        self.moving = job.id
        try:
            moved = await self._moved(job)
        finally:
            self.moving = None
        if moved:
            self._jobs.forget(job.id)
        elif waited_s >= self._intervals.down_patience.total_seconds() and self.waits(job.id):
            self._fail(job, BackendUnavailable(f"the host is down ({self._breaker.why})"))

    async def _moved(self, job: Job) -> bool:
        try:
            target = await self._ports.reroute.move(job, self._host, begun=False)
        except STORE_UNAVAILABLE:
            return False
        if target is None:
            return False
        await AnswerStory(job, self._host, self._ports.sink, self._time).keep("moved", cause="host_down", target=target)
        return True
