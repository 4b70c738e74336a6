"""Several hosts with a lane each, a router that they share, and one desk; all in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from app.backends.base import Backend
from app.backends.scripted import ScriptedBackend
from app.lanes.assignments import MemoryAssignments
from app.lanes.host import LaneHost
from app.lanes.job import Job
from app.lanes.lane import Lane
from app.lanes.memory import MemoryDesk, MemoryLease, MemoryQueue, MemoryReports
from app.lanes.pace import Pace
from app.lanes.report import HostReport
from app.lanes.router import Destination, Router
from app.metrics.tally import Tally
from tests.lanes.conftest import BRISK, OPTIONS, TERM

MODELS = ("a", "b")


class TownLease(MemoryLease):
    """A lease whose attempts are counted for all hosts together, as in Redis."""

    def __init__(self, numbers: Iterator[int]) -> None:
        super().__init__(term=TERM)
        self._numbers = numbers

    async def next_token(self) -> int | None:
        return next(self._numbers) if self.held else None


@dataclass
class Town:
    """The hosts ``names``, all with the models a and b; those in ``fallbacks`` are asked last."""

    names: Sequence[str] = ("one", "two")
    fallbacks: Sequence[str] = ()
    desk: MemoryDesk = field(default_factory=MemoryDesk)
    reports: MemoryReports = field(default_factory=MemoryReports)
    assignments: MemoryAssignments = field(default_factory=MemoryAssignments)
    tally: Tally = field(default_factory=Tally)
    lanes: dict[str, tuple[Lane, asyncio.Task[None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queues = {name: MemoryQueue() for name in self.names}
        self._numbers = count(1)
        self.router = Router(
            [Destination(name, fallback=name in self.fallbacks) for name in self.names],
            self.queues,
            dict.fromkeys(self.names, MODELS),
            50,
            self.reports,
            assignments=self.assignments,
            tally=self.tally,
        )

    def open(
        self,
        host: str,
        backend: Backend | None = None,
        *,
        keep: Callable[[], Sequence[str]] | None = None,
        pace: Pace = BRISK,
        **more: object,
    ) -> Lane:
        """Drive ``host``; ``more`` are fields of its ``LaneHost``."""
        lane = Lane(
            LaneHost(host, fallback=host in self.fallbacks, **more),  # type: ignore[arg-type]
            backend or ScriptedBackend(models=MODELS, resident=list(MODELS)),
            self.queues[host],
            TownLease(self._numbers),
            self.desk,
            options=lambda _: OPTIONS,
            pace=pace,
            keep=keep,
            reports=self.reports,
            elsewhere=self.router,
            tally=self.tally,
        )
        self.lanes[host] = (lane, asyncio.create_task(lane.run(), name=f"lane of {host}"))
        return lane

    async def put(self, host: str, *jobs: Job) -> None:
        """Let ``host`` have ``jobs``, as if the router had chosen it."""
        await self.assignments.assign({one.id: host for one in jobs})
        await self.queues[host].enqueue(jobs, 50)

    async def where(self, one: Job) -> list[str]:
        """The hosts in whose queues a job is."""
        return [host for host, queue in self.queues.items() if one.id in {kept.id for kept in await queue.read()}]

    def ended(self, *jobs: Job) -> Callable[[], bool]:
        """Whether all ``jobs`` are settled."""
        return lambda: all(self.desk.answer(one).settled for one in jobs)

    def writers(self, one: Job) -> list[str]:
        """The hosts that began an answer, in order."""
        return [attempt.host for attempt in self.desk.answer(one).attempts]

    async def report(self, host: str) -> HostReport | None:
        """The newest report of ``host``."""
        return (await self.reports.read()).get(host)

    async def health(self, host: str) -> str:
        """What is told of the health of ``host``; empty when nothing is."""
        report = await self.report(host)
        return "" if report is None else report.health

    async def close(self) -> None:
        """End all lanes; a lane that crashed fails the test."""
        for _, task in self.lanes.values():
            task.cancel()
        results = await asyncio.gather(*(task for _, task in self.lanes.values()), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result
