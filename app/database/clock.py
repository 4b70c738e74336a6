"""The one clock of all machines: the database's.

Whatever one process dates and another compares (an undo's window, a battle's age, since when a job waits, a host's
report) must not depend on whose clock was asked: machines differ by minutes where nobody keeps their time. So every
process asks PostgreSQL for the time now and then, and counts on from there with its own monotonic clock, which steps of
the machine's clock do not move. SQLite's processes are on one machine, whose clock they share already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from app.database.database import Database
from app.errors import Unavailable

ASK_EVERY = timedelta(seconds=10)
"""A monotonic clock drifts by far less than a millisecond in this time."""

ASK_AGAIN = timedelta(seconds=1)
"""While the database has not been asked at all."""

SLOW_S = 1.0
"""An answer that took longer is too inexact to replace one that is known."""

REPORTED_FROM_S = 5.0
"""A clock of this machine that differs by more is worth a line in the log."""

log = structlog.get_logger(__name__)


class DatabaseClock:
    """The time by the clock of ``database``; this machine's own until ``sync`` has succeeded once.

    ``wall`` is Unix time in seconds, ``monotonic`` measures durations.
    """

    def __init__(
        self,
        database: Database,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._wall = wall
        self._monotonic = monotonic
        self._ahead_s: float | None = None
        self._reported = False

    def time(self) -> float:
        """Unix time in seconds."""
        return self._wall() if self._ahead_s is None else self._monotonic() + self._ahead_s

    def now(self) -> datetime:
        """The same as a date in UTC."""
        return datetime.fromtimestamp(self.time(), UTC)

    async def sync(self) -> None:
        """Ask the database once.

        Raises:
            Unavailable: it does not answer; the clock goes on as it is.
        """
        began = self._monotonic()
        theirs = await self._database.time()
        took_s = self._monotonic() - began
        if theirs is None or (took_s > SLOW_S and self._ahead_s is not None):
            return
        self._ahead_s = theirs - (began + took_s / 2)
        self._report_once(theirs - (self._wall() - took_s / 2))

    async def run(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            try:
                await self.sync()
            except Unavailable:  # the log has it from others
                pause = ASK_AGAIN if self._ahead_s is None else ASK_EVERY
            else:
                pause = ASK_EVERY
            await asyncio.sleep(pause.total_seconds())

    def _report_once(self, ahead_s: float) -> None:
        differs = abs(ahead_s) > REPORTED_FROM_S
        if differs and not self._reported:
            log.warning(
                "clock_differs",
                ahead_s=round(-ahead_s, 1),
                remedy="the database's clock is used; let NTP set this machine's",
            )
        self._reported = differs
