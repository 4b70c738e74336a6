"""The end of a process: it admits nothing more, finishes what it can, and hands the rest to the others."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from multiprocessing import parent_process

import structlog

from app.scheduling.driver.driver import Driver
from app.tasks import Supervisor

log = structlog.get_logger(__name__)


def nothing_to_leave() -> None:
    """For drivers that don't share their hosts with other processes."""


@asynccontextmanager
async def drivers_running(
    drivers: Sequence[Driver], supervisor: Supervisor, drain: timedelta, leave: Callable[[], None] = nothing_to_leave
) -> AsyncIterator[Drain]:
    """Run the drivers; the yielded drain stops them early, the end of the block at the latest.

    ``leave`` is called once, when the drain begins.
    """
    for driver in drivers:
        supervisor.keep(f"driver {driver.host.name}", driver.run)
    draining = Drain(drivers, drain, leave)
    try:
        yield draining
    finally:
        await draining.done()


class Drain:
    """Stops the drivers once: they admit nothing more, finish what they can, and release their leases."""

    def __init__(
        self, drivers: Sequence[Driver], limit: timedelta, leave: Callable[[], None] = nothing_to_leave
    ) -> None:
        self._drivers = drivers
        self._limit = limit
        self._leave = leave
        self._done: asyncio.Future[list[BaseException | None]] | None = None

    def begin(self) -> None:
        """Start draining; a second call changes nothing."""
        if self._done is None:
            self._leave()
            stops = (driver.stop(self._limit) for driver in self._drivers)
            self._done = asyncio.ensure_future(asyncio.gather(*stops, return_exceptions=True))

    async def done(self) -> None:
        """Drain, if that has not begun, and wait for its end."""
        self.begin()
        if self._done is not None:
            await self._done


@contextmanager
def drained_at_sigterm(drain: Drain, on_begin: Callable[[], None], on_end: Callable[[], None]) -> Iterator[None]:
    """Drain at the signal, and pass it to uvicorn afterwards: until then load balancers are answered 503.

    At Ctrl-C, or a second signal, uvicorn has it at once; what the drivers still need follows with the lifespan's end.
    A closed terminal (SIGHUP) counts as SIGTERM, unless it is ignored as under nohup; a worker leaves it to its parent,
    whose SIGTERM follows.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _EndingBySignal(drain, on_begin, on_end)
    ending.take_signals()
    try:
        yield
    finally:
        ending.give_signals_back()


class _EndingBySignal:
    """Takes the signals that end a process, drains at the first one, and hands them on to uvicorn's own handlers."""

    def __init__(self, drain: Drain, on_begin: Callable[[], None], on_end: Callable[[], None]) -> None:
        self._drain, self._on_begin, self._on_end = drain, on_begin, on_end
        self._before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None

    def take_signals(self) -> None:
        """Handle SIGTERM and SIGINT, and SIGHUP unless it is ignored or handled by others."""
        for number in self._before:
            signal.signal(number, lambda number, _: self._soon(number))
        hung_up = signal.getsignal(signal.SIGHUP)
        if hung_up is signal.SIG_DFL:
            self._before[signal.SIGHUP] = hung_up
            is_worker = parent_process() is not None
            signal.signal(signal.SIGHUP, signal.SIG_IGN if is_worker else lambda *_: self._soon(signal.SIGTERM))

    def give_signals_back(self) -> None:
        """Restore the handlers from before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _soon(self, number: int) -> None:
        self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        self._on_begin()
        if self._draining is not None or number == signal.SIGINT:
            self._end(number)
        else:
            log.info("draining")
            self._draining = asyncio.create_task(self._drain_first(number), name="drain at SIGTERM")

    async def _drain_first(self, number: int) -> None:
        await self._drain.done()
        self._end(number)

    def _end(self, number: int) -> None:
        self._on_end()
        handler = self._before[signal.Signals(number)]
        if callable(handler):
            handler(number, None)


async def end_with_parent() -> None:
    """End this worker when the process that started it is gone: nothing would restart or stop it."""
    parent = parent_process()
    if parent is None:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(parent.sentinel, gone.set)  # a pipe, whose other end is closed when the parent ends
    try:
        await gone.wait()
    finally:
        loop.remove_reader(parent.sentinel)
    log.warning("parent_is_gone")
    os.kill(os.getpid(), signal.SIGTERM)
