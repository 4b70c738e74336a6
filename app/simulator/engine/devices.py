"""The machine's devices and the work on them: who slows down whom, and one ticker for all streams.

A job is a sequence of steps of work, in seconds that it would take alone. Rules: ``b`` streams of one model batch at
1 + 0.23 * (b - 1) times the step; ``k`` models that decode on one device get 1 / k each (time slicing); a prefill
stalls whatever decodes on its device and shares it with other prefills.

All steps' ends are in one heap with one timer of the event loop. In real time the timer fires on a grid of a few
milliseconds, so that 200 streams cost one wake-up and not 200; the steps' nominal times do not move with the grid.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable
from typing import Final

from app.simulator.engine.clock import Clock

BATCH_PENALTY: Final = 0.23
_GRID_S: Final = 0.002


class DeviceJob:
    """One request's work on a runner's devices; ``step`` is called at each step's end and returns the next one's work.

    ``step`` gets the nominal time and returns None when nothing is left, or ``math.inf`` to pause until ``resume``.
    """

    __slots__ = ("devices", "due", "id", "owner", "prefill", "slowdown", "step", "updated", "work")

    def __init__(
        self, owner: object, devices: tuple[object, ...], step: Callable[[float], float | None], *, prefill: bool
    ) -> None:
        self.owner = owner
        self.devices = devices
        self.step = step
        self.prefill = prefill
        self.work = 0.0
        self.slowdown = 1.0
        self.updated = 0.0
        self.due = math.inf
        self.id = 0


class Engine:
    """Runs the jobs of one simulated server."""

    def __init__(self, clock: Clock, batch_penalty: float = BATCH_PENALTY) -> None:
        self._clock = clock
        self._penalty = batch_penalty
        self._grid = 0.0 if clock.is_virtual else _GRID_S * clock.speed
        self._jobs: dict[int, DeviceJob] = {}
        self._heap: list[tuple[float, int]] = []
        self._ids = itertools.count(1)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    def __len__(self) -> int:
        return len(self._jobs)

    def start(self, job: DeviceJob, work: float) -> None:
        """Begin with a first step of that much work."""
        job.id = next(self._ids)
        job.work = work
        job.updated = self._clock.now()
        self._jobs[job.id] = job
        self._share_again()

    def stop(self, job: DeviceJob) -> None:
        """Remove a job; safe to call twice."""
        if self._jobs.pop(job.id, None) is not None:
            self._share_again()

    def resume(self, job: DeviceJob, work: float) -> None:
        """Go on with a job that had paused."""
        if job.id in self._jobs:
            job.work = work
            job.updated = self._clock.now()
            self._share_again()

    def hold(self, owner: object) -> None:
        """A runner's process is stopped: nothing of its work goes on."""
        for job in self._jobs.values():
            if job.owner is owner:
                job.work = math.inf
                job.due = math.inf
        self._share_again()

    def busy(self, owner: object) -> int:
        """How many jobs a runner has on the devices."""
        return sum(1 for job in self._jobs.values() if job.owner is owner)

    def _share_again(self) -> None:
        """Everybody's share of the devices has changed: account for what is done and set the new due times."""
        now = self._clock.now()
        shares = _Shares(self._jobs.values(), self._penalty)
        for job in self._jobs.values():
            self._settle(job, now)
            slowdown = shares.slowdown(job)
            if slowdown != job.slowdown or job.due == math.inf:
                job.slowdown = slowdown
                self._schedule(job)
        self._arm()

    def _settle(self, job: DeviceJob, now: float) -> None:
        if job.slowdown != math.inf and job.work != math.inf:
            job.work -= (now - job.updated) / job.slowdown
        job.updated = now

    def _schedule(self, job: DeviceJob) -> None:
        if job.slowdown == math.inf or job.work == math.inf:
            job.due = math.inf
            return
        job.due = job.updated + job.work * job.slowdown
        heapq.heappush(self._heap, (job.due, job.id))

    def _arm(self) -> None:
        """Set the one timer for the earliest step that is still valid."""
        while self._heap and not self._valid(self._heap[0]):
            heapq.heappop(self._heap)
        if not self._heap:
            return
        when = self._heap[0][0]
        if self._grid:
            when = math.ceil(when / self._grid) * self._grid
        if self._timer is not None:
            if self._timer_at == when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._clock.call_at(when, self._fire)

    def _valid(self, entry: tuple[float, int]) -> bool:
        job = self._jobs.get(entry[1])
        return job is not None and job.due == entry[0]

    def _fire(self) -> None:
        """End every step that is due."""
        self._timer = None
        now = max(self._clock.now(), self._timer_at)
        while self._heap and self._heap[0][0] <= now:
            entry = heapq.heappop(self._heap)
            if self._valid(entry):
                self._end_step(self._jobs[entry[1]])
        self._arm()

    def _end_step(self, job: DeviceJob) -> None:
        due = job.due
        job.due = math.inf
        work = job.step(due)
        if job.id not in self._jobs:
            return
        if work is None:
            self.stop(job)
            return
        job.work = work
        job.updated = due
        self._schedule(job)
        if work == math.inf:
            self._share_again()  # a paused job leaves its share to the others


class _Shares:
    """Who is on which device at this moment."""

    def __init__(self, jobs: object, penalty: float) -> None:
        self._penalty = penalty
        self._prefills: dict[object, int] = {}
        self._owners: dict[object, set[object]] = {}
        self._batch: dict[object, int] = {}
        for job in jobs:  # type: ignore[attr-defined]
            self._count(job)

    def _count(self, job: DeviceJob) -> None:
        if job.work == math.inf:
            return  # a paused job computes nothing
        if job.prefill:
            for device in job.devices:
                self._prefills[device] = self._prefills.get(device, 0) + 1
            return
        self._batch[job.owner] = self._batch.get(job.owner, 0) + 1
        for device in job.devices:
            self._owners.setdefault(device, set()).add(job.owner)

    def slowdown(self, job: DeviceJob) -> float:
        """How many times longer than alone its step takes; infinite while it is stalled."""
        if job.prefill:
            return float(max(self._prefills.get(device, 1) for device in job.devices))
        if any(device in self._prefills for device in job.devices):
            return math.inf
        models = max((len(self._owners.get(device, ())) for device in job.devices), default=1)
        return max(1, models) * (1 + self._penalty * (self._batch.get(job.owner, 1) - 1))
