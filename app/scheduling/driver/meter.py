"""Counts what a host costs while it is driven, and says when its budget for the day is spent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from app.hosts.host import Host
from app.scheduling.spending import WRITE_EVERY, Spending, Spent
from app.tasks import until_beat


class Meter:
    """The meter of ``host``; ``clock`` is monotonic. ``awake`` and ``busy`` are asked whether it is so now."""

    def __init__(self, host: Host, spending: Spending, clock: Callable[[], float]) -> None:
        self.awake: Callable[[], bool] = lambda: False
        self.busy: Callable[[], bool] = lambda: False
        self._price = host.price_per_hour or 0.0
        self._budget = host.budget_per_day
        self._spending = spending
        self._clock = clock
        self._read_at = clock()
        self._unwritten = Spent()
        self._today = Spent()
        self._log = structlog.get_logger("app.scheduling.driver.meter").bind(host=host.name)

    @property
    def over_budget(self) -> bool:
        """Whether as much as the budget is spent today; as of the last reading of the books."""
        spent = self._today.plus(self._unwritten).cost(self._price)
        return self._budget is not None and spent >= self._budget

    def asked(self) -> None:
        """Count a request."""
        self._unwritten = self._unwritten.plus(Spent(requests=1))

    @property
    def usual_boot_s(self) -> float | None:
        """How long the host took to start today, on average; None if it did not, or the books were not read."""
        return self._today.boot_s / self._today.boots if self._today.boots else None

    def booted(self, seconds: float) -> None:
        """Count a start that succeeded."""
        self._unwritten = self._unwritten.plus(Spent(boots=1, boot_s=seconds))

    def woken(self) -> None:
        """Count a wake."""
        self._unwritten = self._unwritten.plus(Spent(wakes=1))

    def read(self) -> None:
        """Count the time since the last reading."""
        passed, self._read_at = self._clock() - self._read_at, self._clock()
        if self.awake():
            self._unwritten = self._unwritten.plus(Spent(awake_s=passed, busy_s=passed if self.busy() else 0.0))

    async def sync(self) -> bool:
        """Write what was counted and read the books; return whether the budget is spent."""
        unwritten, self._unwritten = self._unwritten, Spent()
        try:
            async with asyncio.timeout(2.0):
                if unwritten != Spent():
                    await self._spending.add(unwritten)
                    unwritten = Spent()
                self._today = await self._spending.today()
        except Exception as error:  # no answer depends on the books
            self._unwritten = self._unwritten.plus(unwritten)
            self._log.info("spending_unwritten", why=type(error).__name__)
        return self.over_budget

    async def run(self) -> None:
        """Read and write until cancelled."""
        self._read_at = self._clock()
        written_at = self._clock()
        while True:
            await asyncio.sleep(until_beat(1.0))
            self.read()
            if self._clock() - written_at >= WRITE_EVERY.total_seconds():
                written_at = self._clock()
                await self.sync()
