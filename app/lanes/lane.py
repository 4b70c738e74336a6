"""The lane of a host: the one place from which its model server is driven.

Every worker has a lane for every host; the one that holds the lease drives, the others ask for it twice a second.
The driver knows the host's jobs (read whole at first and every second, and told by nudges), lets the pure planner
decide, and sees to it: answers are started, models loaded and unloaded, each in a task of its own. A crash of one
stays alone.

What holds when things go wrong:

- Nothing is started without the lease. Its loss stops new work only: answers in progress go on, and if another
  lane has begun them anew, their writes are refused and they close their sockets.
- A job stays in the queue until its battle is settled; whatever fails before leaves it to be started again, here
  after a pause or by the next owner, which starts all that it finds. The desk refuses what is finished.
- A job that vanished from the queue is cancelled: its socket is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog

from app.backends.base import Backend, GenerationOptions
from app.lanes.desk import Desk
from app.lanes.estimate import outlooks
from app.lanes.lease import RENEW_EVERY, Lease
from app.lanes.notices import Notices
from app.lanes.planner import plan
from app.lanes.queue import Queue
from app.lanes.residency import RECOVERY, Residency
from app.lanes.runner import AWAY, Crew
from app.lanes.work import LaneHost, Work
from app.timing.history import History

READ_LIMIT_S = 2.0
"""How long the jobs may take to be read before Redis counts as away."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a lane does what nobody tells it to do."""

    ask_every: timedelta = timedelta(milliseconds=400)
    """Another lane asks for the lease this often: after its 3 s, a host is driven again within 3.5 s."""
    renew_every: timedelta = RENEW_EVERY
    read_every: timedelta = timedelta(seconds=1)
    probe_every: timedelta = timedelta(seconds=30)
    """What is in memory is read this often, beside after every change."""
    recovery: timedelta = RECOVERY
    """After a model left a card, this long nothing is loaded there."""
    patience: timedelta = timedelta(seconds=30)
    """See ``app.lanes.planner``: how long resident models may be served first."""


class Lane:
    """Drives ``host`` whenever it holds ``lease``; ``run`` it as a task, ``stop`` it to end.

    ``backend`` should retry what heals before the first token. ``options`` gives the options of a model's battles, for
    its loads, and must have an answer for any name. ``clock`` is monotonic.
    """

    def __init__(
        self,
        host: LaneHost,
        backend: Backend,
        queue: Queue,
        lease: Lease,
        desk: Desk,
        *,
        options: Callable[[str], GenerationOptions],
        pace: Pace = Pace(),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.host = host
        self._queue = queue
        self._lease = lease
        self._pace = pace
        self._clock = clock
        self._history = History()
        self._residency = Residency(
            host.name, backend, options, self._history, models=host.models, recovery=pace.recovery
        )
        self._woken = asyncio.Event()
        crew = Crew(host.name, backend, desk, lease, queue)
        self._work = Work(host, crew, self._residency, self._history, self._woken.set, patience=pace.patience)
        self._notices = Notices(desk, host.name, clock)
        self._stale = asyncio.Event()
        self._lost = False
        self._blind = False
        self._deadline: float | None = None
        self._ended = asyncio.Event()
        self._log = structlog.get_logger("app.lanes.lane").bind(host=host.name)

    async def run(self) -> None:
        """Ask for the lease and drive the host while it is held, until ``stop`` or cancellation.

        It may be run again after it crashed.
        """
        self._ended.clear()
        try:
            while self._deadline is None:
                if await self._lease.acquire():
                    await self._drive()
                else:
                    await self._wait(self._pace.ask_every)
            await self._drained()
        finally:
            await self._close()

    async def stop(self, drain: timedelta) -> None:
        """Start nothing more, let answers in progress end for up to ``drain``, cut the rest, release the lease.

        What is cut gets no end: the next owner of the lease writes it again.
        """
        self._deadline = self._clock() + drain.total_seconds()
        self._woken.set()
        async with asyncio.timeout(drain.total_seconds() + 10):
            await self._ended.wait()

    @property
    def driving(self) -> bool:
        """Whether this lane holds the lease now."""
        return self._lease.held

    async def _drive(self) -> None:
        """Be the owner until the lease is lost or the lane is stopped."""
        self._log.info("lease_taken")
        self._lost = False
        self._stale.set()
        async with self._beside("lease", self._keep_lease()), self._beside("nudges", self._listen()):
            await self._look()
            async with self._beside("probe", self._probe()):
                while not self._lost and self._deadline is None:
                    await self._step()
            await self._drained()

    async def _drained(self) -> None:
        """Once stopped, let what is under way end while the lease is still renewed."""
        if self._deadline is not None:
            await self._work.drained(timedelta(seconds=max(self._deadline - self._clock(), 0.0)))

    async def _step(self) -> None:
        """Read the jobs if they may have changed, do what the plan says, tell who waits, wait for a change."""
        self._woken.clear()
        if self._stale.is_set() and not await self._read():
            await self._wait(self._pace.ask_every)
            return
        if self._lease.held:
            for action in plan(self._work.view()):
                self._work.perform(action)
            await asyncio.sleep(0)  # what was started goes first
            view = self._work.view()
            self._notices.tell(view.waiting, outlooks(view, self._history))
        if not await self._wait(self._pace.read_every):
            self._stale.set()

    async def _read(self) -> bool:
        """Read all jobs; False when Redis is away, which is logged once."""
        self._stale.clear()
        try:
            async with asyncio.timeout(READ_LIMIT_S), self._work.reading() as take:
                take(await self._queue.read())
        except AWAY as error:
            if not self._blind:
                self._log.warning("jobs_unread", why=type(error).__name__)
            self._blind = True
            self._stale.set()
            return False
        self._blind = False
        return True

    async def _look(self) -> None:
        """Read what is in memory, and how large the other models are."""
        if await self._residency.refresh():
            await self._residency.predict_sizes()

    async def _keep_lease(self) -> None:
        """Renew the lease; if it expired meanwhile and nobody took it, take it again and go on."""
        while True:
            await asyncio.sleep(self._pace.renew_every.total_seconds())
            held = self._lease.held
            if not await self._lease.renew():
                if not await self._lease.acquire():
                    self._log.warning("lease_lost")
                    return
                self._log.warning("lease_regained")
            if not held and self._lease.held:
                self._stale.set()
                self._woken.set()

    async def _listen(self) -> None:
        async with aclosing(self._queue.nudges()) as nudges:
            async for news in nudges:
                if news is None:
                    self._stale.set()
                else:
                    self._work.add(news)
                self._woken.set()

    async def _probe(self) -> None:
        while True:
            await asyncio.sleep(self._pace.probe_every.total_seconds())
            await self._look()
            self._woken.set()

    @asynccontextmanager
    async def _beside(self, name: str, work: Awaitable[None]) -> AsyncGenerator[None]:
        """Run ``work`` as a task for as long as the block lasts; when it ends before, the lease is given up."""

        async def watched() -> None:
            try:
                await work
            except Exception as error:
                self._log.exception("lane_task_crashed", task=name, exc_info=error)
            self._lost = True
            self._woken.set()

        task = asyncio.create_task(watched(), name=f"lane {self.host.name} {name}")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _wait(self, limit: timedelta) -> bool:
        """Wait for a change; False when ``limit`` passed without one."""
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return False
        return True

    async def _close(self) -> None:
        """Cut what is left and let another lane drive at once."""
        try:
            await self._notices.aclose()
            await self._work.aclose()
        finally:
            held = self._lease.held
            await self._lease.release()
            self._ended.set()
            self._log.info("lane_closed", released=held)
