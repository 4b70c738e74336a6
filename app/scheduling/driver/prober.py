"""Probes a host while it is driven: what it holds at the start, whether it lives, when it may rest.

A host that is up is asked every ``probe_every``, one that is down as often as its breaker lets. One that scales to zero
is asked nothing while nobody plays; when somebody does, it gets ``wakes_within`` to answer for the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.hosts.host import Host
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.state import DriverState
from app.scheduling.report import Health


class Prober:
    """Keeps ``state`` true; ``clock`` is monotonic, ``changed`` is called when a new plan may come out differently."""

    def __init__(
        self,
        host: Host,
        state: DriverState,
        intervals: Intervals,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.ready = False
        """Whether the host may be given work: it is not asleep, and what it holds has been asked for."""
        self._state = state
        self._intervals = intervals
        self._clock = clock
        self._changed = changed
        self._rests = host.scale_to_zero
        self._needed = asyncio.Event()
        self._needed_at = clock()
        state.breaker.changed = self._health_changed

    async def run(self) -> None:
        """Probe the host until cancelled."""
        if not self._rests:
            await self._begin()
        while True:
            if not self.ready:
                self._state.residency.forget()
                self._state.breaker.left_alone()
                await self._needed.wait()
                await self._wake()
            await self._probe_when_due()

    def need(self, somebody: bool) -> None:
        """Say whether anything waits for the host or is under way there now."""
        if somebody:
            self._needed_at = self._clock()
            self._needed.set()
        elif self._rests and self.ready and self._idle_s() > self._intervals.rest_after.total_seconds():
            self.ready = False
            self._needed.clear()

    def _idle_s(self) -> float:
        return self._clock() - self._needed_at

    async def _begin(self) -> None:
        """Learn what is in memory, and how large the other models are; what is there of ours is kept."""
        residency = self._state.residency
        answered = await self._probe()
        foreign = residency.foreign
        self._state.prewarmer.begin(known.model for known in residency.residents if known.model not in foreign)
        if answered:
            self._fill()
        self.ready = True
        self._changed()

    async def _wake(self) -> None:
        """Ask a host that slept until it answers; one that takes too long is down."""
        until = self._clock() + self._intervals.wakes_within.total_seconds()
        while self._clock() < until and not await self._state.health.answers():  # noqa: ASYNC110 - it can only be asked
            await asyncio.sleep(self._intervals.second_look.total_seconds())
        await self._begin()

    async def _probe_when_due(self) -> None:
        intervals, breaker = self._intervals, self._state.breaker
        due = self._clock() + intervals.probe_every.total_seconds()
        while self.ready:
            await asyncio.sleep(min(intervals.ask_every, intervals.probe_every).total_seconds())
            if breaker.probe_due or (breaker.health != "down" and self._clock() >= due):
                if await self._probe():
                    self._fill()
                due = self._clock() + intervals.probe_every.total_seconds()
                self._changed()

    async def _probe(self) -> bool:
        """Check the host and its models' sizes, for some may be new, or it may have been down; False: no answer."""
        if not await self._state.health.check():
            return False
        await self._state.residency.predict_sizes()
        return True

    def _fill(self) -> None:
        residency = self._state.residency
        self._state.prewarmer.fill(residency.memory.budget, lambda model: residency.sizes.get(model, 0))

    def _health_changed(self, health: Health, why: str) -> None:
        if health == "down":
            self._state.events.record("host_down", detail=why)
        elif health == "up":
            self._state.events.record("host_up")
        self._changed()
