"""Looks after a host while its lane drives it: what it holds at the start, whether it lives, when it may rest.

A host that is up is asked every ``probe_every``, one that is down as often as its breaker lets. One that scales to zero
is asked nothing while nobody plays; when somebody does, it gets ``wakes_within`` to answer for the first time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.scheduling.driver.crew import Crew
from app.scheduling.report import Health


class Prober:
    """Keeps what ``crew`` knows of its host true; ``changed`` is called when a new plan may come out differently."""

    def __init__(self, crew: Crew, changed: Callable[[], None]) -> None:
        self._crew = crew
        self._changed = changed
        self._rests = crew.host.scale_to_zero
        self._needed = asyncio.Event()
        self._needed_at = crew.clock()
        crew.breaker.changed = self._health_changed
        self.ready = False
        """Whether the host may be given work: it is not asleep, and what it holds has been asked for."""

    async def run(self) -> None:
        """Look after the host until cancelled."""
        if not self._rests:
            await self._begin()
        while True:
            if not self.ready:
                self._crew.residency.forget()
                self._crew.breaker.left_alone()
                await self._needed.wait()
                await self._wake()
            await self._look_when_due()

    def need(self, somebody: bool) -> None:
        """Say whether anything waits for the host or is under way there now."""
        if somebody:
            self._needed_at = self._crew.clock()
            self._needed.set()
        elif self._rests and self.ready and self._idle_s() > self._crew.pace.rest_after.total_seconds():
            self.ready = False
            self._needed.clear()

    def _idle_s(self) -> float:
        return self._crew.clock() - self._needed_at

    async def _begin(self) -> None:
        """Learn what is in memory, and how large the other models are; what is there of ours is kept."""
        here, keeper = self._crew.residency, self._crew.keeper
        told = await self._look()
        keeper.begin(resident.model for resident in here.residents if resident.model not in here.strangers)
        if told:
            self._fill()
        self.ready = True
        self._changed()

    async def _wake(self) -> None:
        """Ask a host that slept until it answers; one that takes too long is down."""
        crew = self._crew
        until = crew.clock() + crew.pace.wakes_within.total_seconds()
        while crew.clock() < until and not await crew.answers():  # noqa: ASYNC110 - a host can only be asked
            await asyncio.sleep(crew.pace.second_look.total_seconds())
        await self._begin()

    async def _look_when_due(self) -> None:
        crew, pace = self._crew, self._crew.pace
        due = crew.clock() + pace.probe_every.total_seconds()
        while self.ready:
            await asyncio.sleep(min(pace.ask_every, pace.probe_every).total_seconds())
            down = crew.breaker.health == "down"
            if crew.breaker.probe_due or (not down and crew.clock() >= due):
                if await self._look():
                    self._fill()
                due = crew.clock() + pace.probe_every.total_seconds()
                self._changed()

    async def _look(self) -> bool:
        """Look at the host and its models' sizes, for some may be new, or it may have been away; False: no answer."""
        if not await self._crew.look():
            return False
        await self._crew.residency.predict_sizes()
        return True

    def _fill(self) -> None:
        here = self._crew.residency
        self._crew.keeper.fill(here.limits.budget, lambda model: here.sizes.get(model, 0))

    def _health_changed(self, health: Health, why: str) -> None:
        if health == "down":
            self._crew.journal.note("host_down", detail=why)
        elif health == "up":
            self._crew.journal.note("host_up")
        self._changed()
