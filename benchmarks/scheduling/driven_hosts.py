"""The drivers in one process and in virtual time: simulated servers, queues, leases and a sink in memory, one router.

Planner, driver, prewarmer and router are the ones that serve real hosts. Only what they stand on is another
implementation of their own Protocols.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.backends.retrying import RetryingManagedBackend
from app.battle.battle import Battle, Side
from app.battle.rules import lost_without
from app.errors import Unavailable
from app.hosts.host import Host
from app.scheduling.dispatch.router import Router
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.policy import Policy
from app.scheduling.job import Job, Priority
from app.scheduling.ports import Finish, Ports
from app.scheduling.testing.in_memory import (
    Attempts,
    MemoryAttempt,
    MemoryLease,
    MemoryLeases,
    MemoryQueue,
    MemoryReports,
    MemorySink,
)
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from app.simulator.engine.runner import Runner
from app.tasks import cancel_and_wait
from app.timing.time import Time
from benchmarks.scheduling.playing import GIVE_UP_S, Stuck

BOUND = 256
"""Jobs that a host's queue takes (ARENA_QUEUE's default)."""

GRAIN = 64
"""Tokens that come as one chunk."""

PREFETCH = 1
"""Challengers whose answers are written before they are on stage (ARENA_PREFETCH's default)."""


class Loads(dict[str, Runner]):
    """The models in a server's memory, which counts how often one came."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __setitem__(self, blob: str, runner: Runner) -> None:
        self.count[runner.model.name] += 1
        super().__setitem__(blob, runner)


def count_loads(machine: Machine) -> Loads:
    """Count the loads of ``machine`` from now on."""
    machine.scheduler.loaded = loads = Loads()
    return loads


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to run the drivers, on ``hosts`` that are all alike.

    ``keep_alive`` goes with loads; None leaves it to the server. ``memory_unknown``: memory_gb is not configured.
    """

    config: SimulatorConfig
    options: GenerationOptions
    hosts: tuple[str, ...] = ("one",)
    prewarm: bool = True
    keep_alive: timedelta | None = timedelta(hours=72)
    intervals: Intervals = field(default_factory=Intervals)
    memory_unknown: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the installed models."""
        return tuple(model.name for model in self.config.catalogue)


class BattleSink(MemorySink):
    """The answers of ``battles`` as they stand; ``changed`` has an event for each that is set when an answer has ended.

    ``begun`` has every job with the time (as its ``enqueued_at``) at which an attempt at it was begun.
    """

    def __init__(self, options: GenerationOptions, wall: Callable[[], float]) -> None:
        super().__init__(self._request)
        self.begun: list[tuple[Job, float]] = []
        self._wall = wall
        self.changed: dict[str, asyncio.Event] = {}
        self.battles: dict[str, Battle] = {}
        self._options = options

    def _request(self, job: Job) -> GenerationRequest:
        return GenerationRequest(job.model, (Message("user", self.battles[job.battle].message),), self._options)

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:
        """Whether the battle would end without a verdict if this answer failed, beside the ``condemned`` ones."""
        battle = self.battles[job.battle]
        failed = {entry for entry in range(len(battle.contestants)) if self.has_failed(battle, entry)}
        return lost_without(battle, {*failed, *condemned, job.answer})

    def finish(self, battle: Battle, entry: int) -> Finish | None:
        """How an answer ended; None while it has not."""
        answer = self.answers.get(f"{battle.id}:{entry}")
        return None if answer is None else answer.finish

    def has_failed(self, battle: Battle, entry: int) -> bool:
        """Whether an answer ended with an error."""
        finish = self.finish(battle, entry)
        return finish is not None and finish.reason == "error"

    async def begin(self, job: Job, token: int, host: str) -> MemoryAttempt | None:
        """Open an attempt and note when."""
        attempt = await super().begin(job, token, host)
        if attempt is not None:
            self.begun.append((job, self._wall()))
        return attempt

    async def ended(self, job: Job) -> None:
        """Tell the battle."""
        await super().ended(job)
        if job.battle in self.changed:
            self.changed[job.battle].set()


class DrivenHosts:
    """``Writers`` that are drivers. ``running`` makes and ends it."""

    def __init__(self, setup: Setup, machines: Mapping[str, Machine]) -> None:
        self.setup = setup
        self.machines = machines
        self.loads = {name: count_loads(machine) for name, machine in machines.items()}
        self.clock = next(iter(machines.values())).clock
        self.sink = BattleSink(setup.options, self.wall)
        self.refused = 0
        self.reports = MemoryReports()
        self._attempts = Attempts()
        self.rotation: Mapping[str, Sequence[str]] = {}
        config = setup.config
        self.hosts = [
            Host(
                name,
                f"http://{name}",
                memory_bytes=None
                if setup.memory_unknown
                else sum(config.gpu_bytes) - config.gpus * config.others_bytes,
                num_parallel=config.num_parallel,
                max_loaded=config.loaded_limit,
                models=setup.models,
            )
            for name in machines
        ]
        self._queues = {name: MemoryQueue() for name in machines}
        self.router = Router(
            self.hosts,
            self._queues,
            dict.fromkeys(machines, setup.models),
            BOUND,
            self.reports,
            time=Time(self.wall, self.clock.now),
        )
        self.drivers = [self._driver(host) for host in self.hosts]

    @classmethod
    @asynccontextmanager
    async def running(cls, setup: Setup) -> AsyncGenerator[DrivenHosts]:
        """Servers and drivers, until the end of the block."""
        async with AsyncExitStack() as stack:
            clock = Clock()
            machines = {
                name: await stack.enter_async_context(Machine.running(setup.config, clock)) for name in setup.hosts
            }
            driven = cls(setup, machines)
            tasks = [asyncio.create_task(driver.run(), name=f"driver {driver.host.name}") for driver in driven.drivers]
            try:
                yield driven
            finally:
                await cancel_and_wait(*tasks)
                await asyncio.sleep(1)  # the servers notice who left

    def _driver(self, host: Host) -> Driver:
        config = self.setup.config
        jitter = random.Random(f"{config.seed} retries of {host.name}")
        wire = SimulatedBackend(self.machines[host.name], grain=GRAIN, keep_alive=self.setup.keep_alive)
        ports = Ports(
            backend=RetryingManagedBackend(wire, jitter=jitter.random),
            queue=self._queues[host.name],
            lease=MemoryLease(MemoryLeases(attempts=self._attempts), clock=self.clock.now),
            sink=self.sink,
            reports=self.reports,
            reroute=self.router,
        )
        keep = (lambda: self.setup.models) if self.setup.prewarm else None
        policy = Policy(
            lambda _model: self.setup.options,
            keep,
            rotation=lambda: self.rotation.get(host.name, ()),
            intervals=self.setup.intervals,
        )
        return Driver(host, ports, policy, Time(self.wall, self.clock.now))

    def wall(self) -> float:
        """Unix time of the simulated world."""
        return self.clock.utc().timestamp()

    async def open(self, battle: Battle) -> None:
        """Wait until the battle is taken, as a client that is told Retry-After.

        Raises:
            Stuck: it was refused for ``GIVE_UP_S``.
        """
        self.sink.changed[battle.id] = asyncio.Event()
        self.sink.battles[battle.id] = battle
        began = self.clock.now()
        while self.clock.now() - began < GIVE_UP_S:
            try:
                await self.router.room([contestant.model for contestant in battle.contestants])
            except Unavailable as unavailable:
                self.refused += 1
                why = unavailable
                await self.clock.sleep(unavailable.retry_after_s)
            else:
                return
        raise Stuck(f"{battle.id} was never accepted: {why.sentence}")

    async def ask(self, battle: Battle) -> None:
        """Enqueue what the battle needs, as the arena's reconciler does: the pair, and the next challenger early."""
        self.sink.battles[battle.id] = battle
        wanted = [(battle.pair.on(side), Priority.INTERACTIVE) for side in Side]
        wanted += [(entry, Priority.PREFETCH) for entry in battle.waiting[:PREFETCH]]
        jobs = [
            Job(battle.id, entry, battle.contestants[entry].model, priority, self.wall())
            for entry, priority in wanted
            if self.finish(battle, entry) is None
        ]
        if not await self._enqueued(jobs):
            await self._enqueued([job for job in jobs if job.priority is not Priority.PREFETCH])

    async def _enqueued(self, jobs: list[Job]) -> bool:
        try:
            await self.router.enqueue(jobs)
        except Unavailable:
            return False
        return True

    async def news(self, battle: Battle, limit_s: float) -> None:
        """Wait for the sink."""
        changed = self.sink.changed[battle.id]
        try:
            async with asyncio.timeout(limit_s):
                await changed.wait()
        except TimeoutError:
            return
        changed.clear()

    def finish(self, battle: Battle, entry: int) -> Finish | None:
        """How the answer ended."""
        return self.sink.finish(battle, entry)

    def forget(self, battle: Battle) -> None:
        """Drop its answers."""
        for entry in range(len(battle.contestants)):
            self.sink.answers.pop(f"{battle.id}:{entry}", None)
        del self.sink.changed[battle.id], self.sink.battles[battle.id]
