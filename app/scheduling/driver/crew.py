"""All that those who work on one host share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter, time
from typing import Protocol

from app.backends.base import Backend, BackendError, GenerationOptions
from app.metrics.counters import Counters
from app.scheduling.dispatch.queue import Queue
from app.scheduling.driver.breaker import Breaker
from app.scheduling.driver.driven_host import DrivenHost
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.loader import Loader
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.driver.prewarmer import Prewarmer
from app.scheduling.driver.residency import Residency
from app.scheduling.job import Job
from app.scheduling.ports import AnswerSink, Reroute
from app.timing.history import History


class Tokens(Protocol):
    """The part of a lease that a runner needs."""

    async def next_token(self) -> int | None:
        """Return the next attempt's number; None when the lease isn't ours."""
        ...


@dataclass(slots=True)
class Crew:
    """What works together for ``host``; ``wall`` is Unix time, ``clock`` measures durations.

    ``version`` is the server's as it was read last, empty before.
    """

    host: DrivenHost
    backend: Backend
    desk: AnswerSink
    tokens: Tokens
    queue: Queue
    residency: Residency
    loader: Loader
    history: History
    breaker: Breaker
    keeper: Prewarmer
    journal: HostEvents
    pace: Intervals
    elsewhere: Reroute | None = None
    tally: Counters | None = None
    clock: Callable[[], float] = perf_counter
    wall: Callable[[], float] = time
    version: str = ""
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _dooming: asyncio.Lock = field(default_factory=asyncio.Lock)
    _doomed: dict[str, set[int]] = field(default_factory=dict)

    async def answers(self) -> bool:
        """Whether the host answers at all; what it says tells the breaker nothing."""
        try:
            self.version = await self.backend.version()
        except BackendError:
            return False
        return True

    async def look(self) -> bool:
        """Ask the host whether it lives and what it holds, twice if need be; tell the breaker; False: no answer."""
        async with self._looking:
            for last in (False, True):
                if await self.answers() and await self.residency.refresh():
                    break
                if last or self.breaker.health == "down":
                    self.breaker.unreachable("unavailable")
                    return False
                await asyncio.sleep(self.pace.second_look.total_seconds())
            # A host that fails its answers may answer probes all the time: it still gets its pause.
            if self.breaker.health != "down" or self.breaker.probe_due:
                self.breaker.alive()
            return True

    async def doom(self, job: Job) -> bool:
        """Decide whether an answer that was cut off may fail; False: its battle would end without a verdict.

        One after the other, so that of two answers of a battle that are cut at once the second knows of the first.
        """
        async with self._dooming:
            doomed = self._doomed.setdefault(job.battle, set())
            if await self.desk.needed(job, frozenset(doomed)):
                return False
            doomed.add(job.answer)
            return True

    def over(self, job: Job) -> None:
        """Forget an answer that has been handed in or given away."""
        doomed = self._doomed.get(job.battle, set())
        doomed.discard(job.answer)
        if not doomed:
            self._doomed.pop(job.battle, None)


def assembled(
    host: DrivenHost,
    backend: Backend,
    queue: Queue,
    tokens: Tokens,
    desk: AnswerSink,
    *,
    options: Callable[[str], GenerationOptions],
    pace: Intervals,
    keep: Callable[[], Sequence[str]] | None,
    elsewhere: Reroute | None,
    tally: Counters | None,
    clock: Callable[[], float],
    wall: Callable[[], float],
) -> Crew:
    """Make the crew of ``host``; see ``app.scheduling.driver.driver.Driver`` for the arguments."""
    journal, history = HostEvents(host.name, tally, wall), History()
    configured = (*host.models, *host.pins)
    residency = Residency(
        host.name,
        backend,
        options,
        limits=MemoryBudget(host.budget, wall),
        journal=journal,
        models=configured,
        wall=wall,
    )

    def kept() -> Sequence[str]:
        return () if keep is None else [residency.spelling(model) for model in keep()]

    return Crew(
        host=host,
        backend=backend,
        desk=desk,
        tokens=tokens,
        queue=queue,
        residency=residency,
        loader=Loader(host.name, backend, residency, options, history, journal, wall=wall, recovery=pace.recovery),
        history=history,
        breaker=Breaker(first_pause=pace.down_probe, clock=clock),
        keeper=Prewarmer(
            kept,
            enabled=keep is not None,
            scale_to_zero=host.scale_to_zero,
            warm_per_hour=host.warm_per_hour,
            wall=wall,
        ),
        journal=journal,
        pace=pace,
        elsewhere=elsewhere,
        tally=tally,
        clock=clock,
        wall=wall,
    )
