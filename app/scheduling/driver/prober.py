"""Probes a host while it is driven: what it holds at the start, whether it lives, when it may rest.

A host that is up is asked every ``probe_every``, one that is down as often as its breaker lets.

One that scales to zero is asked nothing while nobody plays: each question would keep it awake, and cost. After its
``scaledown`` it counts as asleep. Somebody who opens a battle or is about to wakes it; what it answers until it is up
tells a start from a death: refused, held, 502, 503 and 504 are a start for as long as its earlier starts suggest,
everything else (401, 403, 404, 500) is a death at once. With its day's budget spent it is down, and nothing wakes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from app.hosts.host import Host
from app.scheduling.driver.boots import BootTimes
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.meter import Meter
from app.scheduling.driver.state import DriverState
from app.scheduling.report import BUDGET_SPENT, Health

log = structlog.get_logger(__name__)


class Prober:
    """Keeps ``state`` true; ``clock`` is monotonic, ``changed`` is called when a new plan may come out differently."""

    def __init__(
        self,
        host: Host,
        state: DriverState,
        intervals: Intervals,
        clock: Callable[[], float],
        changed: Callable[[], None],
        meter: Meter,
    ) -> None:
        self.ready = False
        """Whether the host may be given work: it is not asleep, and what it holds has been asked for."""
        self.waking_since: float | None = None
        """Since when a host that scales to zero is starting; None while it is not."""
        self.boots = BootTimes(lambda: meter.usual_boot_s)
        self._state = state
        self._intervals = intervals
        self._clock = clock
        self._changed = changed
        self._meter = meter
        self._host = host.name
        self._rests = host.scale_to_zero
        self._rest_s = (intervals.rest_after or host.scaledown).total_seconds()
        self._needed = asyncio.Event()
        self._needed_at = clock()
        self._by_visit = False
        self._turned = asyncio.Event()
        state.breaker.changed = self._health_changed

    async def run(self) -> None:
        """Probe the host until cancelled."""
        if not self._rests:
            await self._begin()
        while True:
            if not self.ready:
                await self._sleep()
            await self._probe_when_due()

    def need(self, somebody: bool, *, visit: bool = False) -> None:
        """Say whether anything waits for the host or is under way there now; ``visit``: somebody is about to play."""
        if somebody or (visit and self._rests and not self.ready):
            self._needed_at = self._clock()
            self._by_visit = not somebody
            self._needed.set()
        elif self._rests and self.ready and self._idle_s() > self._rest_s:
            self.ready = False
            self._needed.clear()

    @property
    def boot_left_s(self) -> float:
        """How long a start may still take, by earlier ones; 0 when none is under way."""
        if self.waking_since is None:
            return 0.0
        return max(self.boots.usual_s - (self._clock() - self.waking_since), 1.0)

    def _idle_s(self) -> float:
        return self._clock() - self._needed_at

    async def _sleep(self) -> None:
        """Leave the host alone until somebody needs it and its budget allows it, then wake it."""
        self._state.residency.forget()
        while True:
            if not await self._is_over_budget():
                self._state.breaker.left_alone()
                await self._needed.wait()
                if not await self._is_over_budget():
                    break
        await self._wake()

    async def _is_over_budget(self) -> bool:
        """Whether the day's budget is spent: then the host is down, and nothing wakes it, until there is another."""
        if not await self._meter.sync():
            return False
        self._state.breaker.unreachable(BUDGET_SPENT)
        await asyncio.sleep(self._intervals.down_probe.total_seconds())
        return True

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
        """Ask a host that slept until it answers; one that takes too long, or refuses, is down."""
        self._meter.woken()
        if self._by_visit:
            self._state.prewarmer.woken()
        began = self.waking_since = self._clock()
        self._changed()
        try:
            while (seen := await self._state.health.state()) == "waking":
                if self._clock() - began > self._boot_limit_s():
                    break
                await asyncio.sleep(self._intervals.recheck.total_seconds())
            if seen == "up":
                self.boots.took(self._clock() - began)
                self._meter.booted(self._clock() - began)
            else:
                log.warning("host_did_not_start", host=self._host, seen=seen, why=self._state.health.refusal[:300])
        finally:
            self.waking_since = None
        await self._begin()

    async def _probe_when_due(self) -> None:
        intervals, breaker = self._intervals, self._state.breaker
        due = self._clock() + intervals.probe_every.total_seconds()
        while self.ready:
            await self._wait_until(due)
            if self._rests and (self._meter.over_budget or self._is_unused()):
                self.ready = not self._meter.over_budget and self.ready
                continue
            if breaker.probe_due or (breaker.health != "down" and self._clock() >= due):
                if await self._probe():
                    self._fill()
                due = self._clock() + intervals.probe_every.total_seconds()
                self._changed()

    async def _wait_until(self, due: float) -> None:
        """Wait for ``due``, or a change of health; a host that is down, or may go to sleep, is looked at more often."""
        if self._rests or self._state.breaker.health == "down":
            await asyncio.sleep(min(self._intervals.ask_every, self._intervals.probe_every).total_seconds())
            return
        self._turned.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(due - self._clock(), 0.001)):
                await self._turned.wait()

    def _boot_limit_s(self) -> float:
        fixed = self._intervals.wakes_within
        return self.boots.limit_s if fixed is None else fixed.total_seconds()

    def _is_unused(self) -> bool:
        """Whether a probe would be all that keeps it awake; what is down is asked while somebody waits."""
        return self._idle_s() > 2 * self._intervals.read_every.total_seconds()

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
        self._turned.set()
        self._changed()
