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

#: How often a worker checks whether its parent lives.
PARENT_CHECK_S = 1.0

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
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    under_way: list[asyncio.Task[None]] = []

    def end(number: int) -> None:
        on_end()
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, None)

    async def drained(number: int) -> None:
        await drain.done()
        end(number)

    def begin(number: int) -> None:
        on_begin()
        if under_way or number == signal.SIGINT:
            end(number)
        else:
            log.info("draining")
            under_way.append(asyncio.create_task(drained(number), name="drain at SIGTERM"))

    for number in before:
        signal.signal(number, lambda number, _: loop.call_soon_threadsafe(begin, number))
    hung_up = signal.getsignal(signal.SIGHUP)
    if hung_up is signal.SIG_DFL:
        before[signal.SIGHUP] = hung_up
        is_worker = parent_process() is not None
        signal.signal(
            signal.SIGHUP,
            signal.SIG_IGN if is_worker else lambda *_: loop.call_soon_threadsafe(begin, signal.SIGTERM),
        )
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def end_with_parent() -> None:
    """End this worker when the process that started it is gone: nothing would restart or stop it."""
    parent = parent_process()
    if parent is None:
        return
    while parent.is_alive():  # noqa: ASYNC110 - a process can only be asked
        await asyncio.sleep(PARENT_CHECK_S)
    log.warning("parent_is_gone")
    os.kill(os.getpid(), signal.SIGTERM)
