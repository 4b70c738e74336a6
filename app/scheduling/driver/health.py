"""Whether a host answers: one check asks for its version and for what it holds, and reports to the breaker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Literal

from app.backends.base import Activity, BackendError, Inventory, LoadTimedOut, ReportsActivity
from app.scheduling.driver.breaker import Breaker
from app.scheduling.driver.residency import Residency


class HealthCheck:
    """Checks one host. ``version`` and ``activity`` are as they were read last, ``refusal`` is why they were not.

    A server without an inventory can't be asked: it counts as alive, and only its answers show whether it works.
    """

    def __init__(self, inventory: Inventory | None, residency: Residency, breaker: Breaker, recheck: timedelta) -> None:
        self.version = ""
        self.activity = Activity()
        self.refusal = ""
        self._inventory = inventory
        self._residency = residency
        self._breaker = breaker
        self._recheck_s = recheck.total_seconds()
        self._checking = asyncio.Lock()

    async def answers(self) -> bool:
        """Whether the host answers at all; the breaker does not learn of it."""
        if self._inventory is None:
            return True
        try:
            self.version = await self._inventory.version()
        except BackendError:
            return False
        return True

    async def state(self) -> Literal["up", "waking", "dead"]:
        """Whether a host that scaled to zero answers, may be starting, or fails in a way that waiting does not fix."""
        if self._inventory is None:
            return "up"
        try:
            self.version = await self._inventory.version()
        except BackendError as error:
            self.refusal = str(error)
            return "waking" if error.retryable or isinstance(error, LoadTimedOut) else "dead"
        return "up"

    async def check(self) -> bool:
        """Ask the host whether it lives and what it holds, twice if need be; False: no answer."""
        async with self._checking:
            for last in (False, True):
                if await self.answers() and await self._residency.refresh():
                    break
                if last or self._breaker.health == "down":
                    self._breaker.unreachable("unavailable")
                    return False
                await asyncio.sleep(self._recheck_s)
            await self._read_activity()
            # A host that fails its answers may answer probes all the time: it still gets its pause.
            if self._breaker.health != "down" or self._breaker.probe_due:
                self._breaker.alive()
            return True

    async def _read_activity(self) -> None:
        """See what goes on there; a server that does not say it now is believed what it said before."""
        if isinstance(self._inventory, ReportsActivity):
            try:
                self.activity = await self._inventory.activity()
            except BackendError:
                return
