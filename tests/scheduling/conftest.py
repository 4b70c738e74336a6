"""A lane without Redis and without a network, for the tests of this room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import time

import pytest

from app.backends.base import Backend, GenerationOptions
from app.backends.scripted import ScriptedBackend
from app.scheduling.dispatch.queue import Queue
from app.scheduling.driver.driven_host import DrivenHost
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.intervals import Intervals
from app.scheduling.fair_share import Share
from app.scheduling.job import Job, Priority
from app.scheduling.lease import Lease
from app.scheduling.planning.planner import Budget
from app.scheduling.testing.in_memory import MemoryLease, MemoryLeases, MemoryQueue, MemorySink

OPTIONS = GenerationOptions(num_ctx=4096)
TERM = timedelta(milliseconds=300)
BRISK = Intervals(
    recovery=timedelta(milliseconds=5),
    ask_every=timedelta(milliseconds=40),
    renew_every=timedelta(milliseconds=100),
    read_every=timedelta(seconds=0.2),
    second_look=timedelta(milliseconds=20),
    down_probe=timedelta(milliseconds=50),
    down_patience=timedelta(milliseconds=900),
)


def job(number: int, model: str = "a", priority: Priority = Priority.INTERACTIVE, at: float | None = None) -> Job:
    return Job(f"battle{number}", number, model, priority, time() if at is None else at)


@dataclass
class Clock:
    """A clock that stands still until somebody moves it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@dataclass
class House:
    """A queue, a desk and a board of leases, and the lanes that were opened on them."""

    queue: Queue = field(default_factory=MemoryQueue)
    desk: MemorySink = field(default_factory=MemorySink)
    board: MemoryLeases = field(default_factory=MemoryLeases)
    lanes: list[tuple[Driver, asyncio.Task[None]]] = field(default_factory=list)

    def open(
        self,
        backend: Backend | None = None,
        *,
        slots: int = 1,
        budget: Budget | None = None,
        lease: Lease | None = None,
        pace: Intervals = BRISK,
        share: Share | None = None,
    ) -> Driver:
        lane = Driver(
            DrivenHost("gpu", slots, budget or Budget()),
            backend or ScriptedBackend(),
            self.queue,
            lease or MemoryLease(self.board, term=TERM),
            self.desk,
            options=lambda _: OPTIONS,
            pace=pace,
            share=share,
        )
        self.lanes.append((lane, asyncio.create_task(lane.run(), name=f"lane {len(self.lanes)}")))
        return lane

    def kill(self, lane: Driver) -> None:
        """End a lane as a dying process does: nothing is finished, nothing released."""
        index = next(n for n, (known, _) in enumerate(self.lanes) if known is lane)
        lane._lease.release = _nothing  # type: ignore[method-assign]
        self.lanes[index][1].cancel()

    async def put(self, *jobs: Job) -> None:
        await self.queue.enqueue(jobs, 256)

    def text(self, one: Job) -> str:
        return self.desk.answer(one).text

    def ended(self, one: Job) -> Callable[[], bool]:
        return lambda: self.desk.answer(one).settled > 0

    async def close(self) -> None:
        for _, task in self.lanes:
            task.cancel()
        results = await asyncio.gather(*(task for _, task in self.lanes), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _nothing() -> None:
    return None


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.close()
