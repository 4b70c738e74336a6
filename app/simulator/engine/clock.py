"""The simulator's time: real, N times faster, or virtual (as fast as events allow).

All three run the same code, because a ``Clock`` only ever asks its event loop. Real time is a clock of speed 1 on any
loop; N times is a clock of speed N; virtual time is a clock of speed 1 on a ``VirtualTimeLoop``, which jumps to the
next timer instead of waiting for it, so that ``asyncio.sleep`` of the code under test is virtual too. A virtual
loop is for one process without sockets and threads: what an outside event takes is not on its clock.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When virtual time starts: the same in every run, so that runs can be compared byte by byte."""


class Clock:
    """Simulated seconds of one server: ``speed`` of them pass in a second of the event loop.

    Args:
        speed: simulated seconds per second of the loop; above 0.
        started_at: simulated wall-clock time at the clock's first moment; default now.
    """

    def __init__(self, speed: float = 1.0, started_at: datetime | None = None) -> None:
        self.speed = speed
        self._loop = asyncio.get_running_loop()
        self.is_virtual = isinstance(self._loop, VirtualTimeLoop)
        # uvloop's own time is in whole milliseconds, too coarse for measured durations
        self._time = self._loop.time if self.is_virtual else time.monotonic
        self._zero = self._time()
        self._started_at = started_at or (EPOCH if self.is_virtual else datetime.now(UTC))

    def now(self) -> float:
        """Simulated seconds since the clock was made."""
        return (self._time() - self._zero) * self.speed

    def utc(self, at: float | None = None) -> datetime:
        """The simulated wall-clock time of ``at`` (default: now)."""
        return self._started_at + timedelta(seconds=self.now() if at is None else at)

    async def sleep(self, seconds: float) -> None:
        """Wait for that many simulated seconds."""
        await asyncio.sleep(max(0.0, seconds) / self.speed)

    def call_at(self, when: float, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        """Call back when ``now()`` has reached ``when``."""
        delay = max(0.0, self._zero + when / self.speed - self._time())
        return self._loop.call_later(delay, callback, *args)

    def call_later(self, seconds: float, callback: Callable[..., object], *args: object) -> asyncio.TimerHandle:
        """Call back in that many simulated seconds."""
        return self._loop.call_later(max(0.0, seconds) / self.speed, callback, *args)


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that never waits for a timer: it adds the wait to ``elapsed`` instead."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; if nothing is, jump over ``timeout``; without timers wait for real."""
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.elapsed += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose ``time()`` stands still while code runs and jumps to the next timer when all wait."""

    def __init__(self) -> None:
        self._jumps = _JumpingSelector()
        super().__init__(self._jumps)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumps.elapsed


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in virtual time, as ``asyncio.run`` does in real time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


_second_of_prefix: tuple[int, str] = (-1, "")


def rfc3339(moment: datetime, extra_ns: int = 0) -> str:
    """Go's RFC3339Nano in UTC: up to nine fractional digits, trailing zeros trimmed, ``Z`` at the end."""
    global _second_of_prefix
    second = int(moment.timestamp())
    if second != _second_of_prefix[0]:
        _second_of_prefix = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    fraction = f"{moment.microsecond * 1000 + extra_ns:09d}".rstrip("0")
    return f"{_second_of_prefix[1]}.{fraction}Z" if fraction else f"{_second_of_prefix[1]}Z"
