"""Drivers without Redis and without a network, for the tests of this room.

Tests whose parts are all in memory run in virtual time: nothing waits for real, and however slow the machine is, what
is to happen after 50 ms happens before what is to happen after 100.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, time
from typing import Any

import pytest

from app.backends.base import Backend, GenerationOptions
from app.backends.scripted import ScriptedBackend
from app.hosts.host import Host
from app.metrics.counters import Counters
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.policy import Policy
from app.scheduling.fair_share import AllHosts, Share
from app.scheduling.job import Job, Priority
from app.scheduling.lease import Lease
from app.scheduling.ports import Ports, Queue
from app.scheduling.testing.in_memory import MemoryLease, MemoryLeases, MemoryQueue, MemoryReports, MemorySink
from app.simulator.engine.clock import VirtualTimeLoop
from app.timing.time import Time

OPTIONS = GenerationOptions(num_ctx=4096)
TERM = timedelta(milliseconds=300)
VIRTUAL = frozenset(
    {
        "test_breaker",
        "test_crashes",
        "test_driver",
        "test_early",
        "test_generating_only",
        "test_idle",
        "test_keeping_warm",
        "test_load_limit",
        "test_memory_budget",
        "test_model_memory",
        "test_prewarmer",
        "test_queue_updates",
        "test_residency",
        "test_two_hosts",
    }
)
"""The files whose tests run in virtual time: they have no sockets and no threads."""

VIRTUAL_EPOCH = 1_795_226_400.0
"""The Unix time at which virtual time starts."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run the tests of ``VIRTUAL`` in virtual time."""
    return {"virtual": VirtualTimeLoop} if item.path.stem in VIRTUAL else {"real": asyncio.new_event_loop}


def loop_now() -> float:
    """Unix time in seconds; in virtual time, that of the loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return time()
    return VIRTUAL_EPOCH + loop.time() if isinstance(loop, VirtualTimeLoop) else time()


def loop_monotonic() -> float:
    """Seconds that only grow; in virtual time, those of the loop."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return monotonic()
    return loop.time() if isinstance(loop, VirtualTimeLoop) else monotonic()


LOOP_TIME = Time(loop_now, loop_monotonic)

SHORT_INTERVALS = Intervals(
    ask_every=timedelta(milliseconds=40),
    renew_every=timedelta(milliseconds=100),
    read_every=timedelta(seconds=0.2),
    recheck=timedelta(milliseconds=20),
    down_probe=timedelta(milliseconds=50),
    down_patience=timedelta(milliseconds=900),
)


def a_host(name: str, **more: object) -> Host:
    return Host(name, f"http://{name}", **more)  # type: ignore[arg-type]


def job(number: int, model: str = "a", priority: Priority = Priority.INTERACTIVE, at: float | None = None) -> Job:
    return Job(f"battle{number}", number, model, priority, loop_now() if at is None else at)


@dataclass
class Clock:
    """A clock that stands still until somebody moves it."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class DeadSink:
    """The sink of a process that has died: it can't even say that it leaves its answers."""

    def __init__(self, sink: MemorySink) -> None:
        self._sink = sink

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    async def leave(self, job: Job, token: int) -> None:
        """Nothing is said."""


@dataclass
class SharedHost:
    """A queue, a sink and leases, and the drivers that share them."""

    queue: Queue = field(default_factory=MemoryQueue)
    sink: MemorySink = field(default_factory=MemorySink)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    drivers: list[tuple[Driver, asyncio.Task[None]]] = field(default_factory=list)

    def open(
        self,
        backend: Backend | None = None,
        *,
        slots: int = 1,
        lease: Lease | None = None,
        intervals: Intervals = SHORT_INTERVALS,
        share: Share | None = None,
        counters: Counters | None = None,
        **room: int,
    ) -> Driver:
        """Drive the host with another ``backend`` or ``lease``; ``room`` has fields of the host."""
        driver = Driver(
            a_host("gpu", num_parallel=slots, **room),
            Ports(
                backend=backend or ScriptedBackend(),
                queue=self.queue,
                lease=lease or MemoryLease(self.leases, term=TERM, clock=loop_monotonic),
                sink=self.sink,
                reports=MemoryReports(),
                share=share or AllHosts(),
                counters=counters or Counters(),
            ),
            Policy(lambda _: OPTIONS, intervals=intervals),
            LOOP_TIME,
        )
        self.drivers.append((driver, asyncio.create_task(driver.run(), name=f"driver {len(self.drivers)}")))
        return driver

    def kill(self, driver: Driver) -> None:
        """End a driver as a dying process does: nothing is finished, nothing released."""
        index = next(n for n, (known, _) in enumerate(self.drivers) if known is driver)
        driver._ports.lease.release = _nothing  # type: ignore[method-assign]
        object.__setattr__(driver._ports, "sink", DeadSink(self.sink))
        self.drivers[index][1].cancel()

    async def put(self, *jobs: Job) -> None:
        await self.queue.enqueue(jobs, 256)

    def text(self, one: Job) -> str:
        return self.sink.answer(one).text

    def ended(self, one: Job) -> Callable[[], bool]:
        return lambda: self.sink.answer(one).reconciled > 0

    async def close(self) -> None:
        for _, task in self.drivers:
            task.cancel()
        results = await asyncio.gather(*(task for _, task in self.drivers), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result


async def _nothing() -> None:
    return None


@pytest.fixture
async def shared() -> AsyncIterator[SharedHost]:
    shared = SharedHost()
    yield shared
    await shared.close()
