"""Several hosts with a driver each, a router that they share, and one sink; all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from app.backends.base import Backend
from app.backends.scripted import ScriptedBackend
from app.metrics.counters import Counters
from app.scheduling.dispatch.assignments import MemoryAssignments
from app.scheduling.dispatch.router import Router
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.policy import Policy
from app.scheduling.job import Job
from app.scheduling.ports import Ports
from app.scheduling.report import HostReport
from app.scheduling.spending import NoSpending, Spending
from app.scheduling.testing.in_memory import MemoryLease, MemoryQueue, MemoryReports, MemorySink
from tests.scheduling.conftest import LOOP_TIME, OPTIONS, SHORT_INTERVALS, TERM, a_host, loop_monotonic

MODELS = ("a", "b")


class SharedCounterLease(MemoryLease):
    """A lease whose attempts are counted for all hosts together, as in Redis."""

    def __init__(self, numbers: Iterator[int]) -> None:
        super().__init__(term=TERM, clock=loop_monotonic)
        self._numbers = numbers

    async def next_token(self) -> int | None:
        return next(self._numbers) if self.held else None


class OneBattleSink(MemorySink):
    """A sink whose answers are all of one battle that needs ``standing`` of them."""

    def __init__(self, jobs: Sequence[Job], standing: int) -> None:
        super().__init__()
        self.jobs, self.standing = jobs, standing

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:
        await asyncio.sleep(0.05)  # long enough for the other side to ask, too
        failed = {one.answer for one in self.jobs if (end := self.answer(one).finish) and end.reason == "error"}
        return len(self.jobs) - len({*failed, *condemned, job.answer}) < self.standing


@dataclass
class SeveralHosts:
    """The hosts ``names``, all with the models a and b; those in ``fallbacks`` are asked last."""

    names: Sequence[str] = ("one", "two")
    fallbacks: Sequence[str] = ()
    sink: MemorySink = field(default_factory=MemorySink)
    reports: MemoryReports = field(default_factory=MemoryReports)
    assignments: MemoryAssignments = field(default_factory=MemoryAssignments)
    counters: Counters = field(default_factory=Counters)
    drivers: dict[str, tuple[Driver, asyncio.Task[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queues = {name: MemoryQueue() for name in self.names}
        self._numbers = count(1)
        self.router = Router(
            [a_host(name, fallback=name in self.fallbacks) for name in self.names],
            self.queues,
            dict.fromkeys(self.names, MODELS),
            50,
            self.reports,
            assignments=self.assignments,
            counters=self.counters,
            time=LOOP_TIME,
        )

    def open(
        self,
        host: str,
        backend: Backend | None = None,
        *,
        keep: Callable[[], Sequence[str]] | None = None,
        intervals: Intervals = SHORT_INTERVALS,
        spending: Spending | None = None,
        **more: object,
    ) -> Driver:
        """Drive ``host``; ``more`` are fields of its ``Host``."""
        driver = Driver(
            a_host(host, fallback=host in self.fallbacks, **more),
            Ports(
                backend=backend or ScriptedBackend(models=MODELS, resident=list(MODELS)),
                queue=self.queues[host],
                lease=SharedCounterLease(self._numbers),
                sink=self.sink,
                reports=self.reports,
                reroute=self.router,
                counters=self.counters,
                spending=spending or NoSpending(),
            ),
            Policy(lambda _: OPTIONS, keep, intervals=intervals),
            LOOP_TIME,
        )
        self.drivers[host] = (driver, asyncio.create_task(driver.run(), name=f"driver of {host}"))
        return driver

    async def put(self, host: str, *jobs: Job) -> None:
        """Let ``host`` have ``jobs``, as if the router had chosen it."""
        await self.assignments.assign({one.id: host for one in jobs})
        await self.queues[host].enqueue(jobs, 50)

    async def where(self, one: Job) -> list[str]:
        """The hosts in whose queues a job is."""
        return [host for host, queue in self.queues.items() if one.id in {kept.id for kept in await queue.read()}]

    def ended(self, *jobs: Job) -> Callable[[], bool]:
        """Whether all ``jobs`` are settled."""
        return lambda: all(self.sink.answer(one).reconciled for one in jobs)

    def writers(self, one: Job) -> list[str]:
        """The hosts that began an answer, in order."""
        return [attempt.host for attempt in self.sink.answer(one).attempts]

    async def report(self, host: str) -> HostReport | None:
        """The newest report of ``host``."""
        return (await self.reports.read()).get(host)

    async def health(self, host: str) -> str:
        """What is told of the health of ``host``; empty when nothing is."""
        report = await self.report(host)
        return "" if report is None else report.health

    async def close(self) -> None:
        """End all drivers; a driver that crashed fails the test."""
        for _, task in self.drivers.values():
            task.cancel()
        results = await asyncio.gather(*(task for _, task in self.drivers.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
