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
- While the host is down nothing is started; who waits goes to other hosts, and fails only if there is none for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from time import monotonic, time

import structlog

from app.backends.base import Backend, GenerationOptions
from app.metrics.counters import Counters
from app.scheduling.dispatch.queue import Queue
from app.scheduling.driver.attempt import STORE_UNAVAILABLE
from app.scheduling.driver.crew import assembled
from app.scheduling.driver.driven_host import DrivenHost
from app.scheduling.driver.executor import Executor
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.prober import Prober
from app.scheduling.driver.queue_updates import QueueUpdates
from app.scheduling.driver.reporter import Reporter
from app.scheduling.fair_share import Everything, Share
from app.scheduling.lease import Lease
from app.scheduling.planning.eta import queue_updates
from app.scheduling.planning.planner import Action, Load, Unload, View, plan
from app.scheduling.ports import AnswerSink, Reroute
from app.scheduling.report import Reports
from app.scheduling.testing.in_memory import MemoryReports
from app.tasks import cancel_and_wait

READ_LIMIT_S = 2.0
"""How long the jobs may take to be read before Redis counts as away."""


class Driver:
    """Drives ``host`` whenever it holds ``lease``; ``run`` it as a task, ``stop`` it to end.

    ``backend`` should retry what heals before the first token. ``options`` gives the options of a model's battles, for
    its loads, and must have an answer for any name. ``keep`` gives the models that the host should hold while nobody
    waits, the most wanted first; None keeps none. ``clock`` is monotonic, ``wall`` Unix time.
    """

    def __init__(
        self,
        host: DrivenHost,
        backend: Backend,
        queue: Queue,
        lease: Lease,
        desk: AnswerSink,
        *,
        options: Callable[[str], GenerationOptions],
        pace: Intervals | None = None,
        keep: Callable[[], Sequence[str]] | None = None,
        reports: Reports | None = None,
        elsewhere: Reroute | None = None,
        share: Share | None = None,
        tally: Counters | None = None,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self.host = host
        self._queue = queue
        self._lease = lease
        self._pace = pace = pace or Intervals()
        self._share = share or Everything()
        self._clock = clock
        self._crew = assembled(
            host,
            backend,
            queue,
            lease,
            desk,
            options=options,
            pace=pace,
            keep=keep,
            elsewhere=elsewhere,
            tally=tally,
            clock=clock,
            wall=wall,
        )
        self._woken = asyncio.Event()
        self._work = Executor(self._crew, self._woken.set)
        self._watch = Prober(self._crew, self._woken.set)
        self._reporter = Reporter(self._crew, reports or MemoryReports(), self._work.view, self._looked_at)
        self._notices = QueueUpdates(desk, host.name, clock)
        self._stale = asyncio.Event()
        self._lost = False
        self._blind = False
        self._deadline: float | None = None
        self._ended = asyncio.Event()
        self._log = structlog.get_logger("app.scheduling.driver.driver").bind(host=host.name)

    async def run(self) -> None:
        """Ask for the lease and drive the host while it is held, until ``stop`` or cancellation.

        It may be run again after it crashed.
        """
        self._ended.clear()
        try:
            while self._deadline is None:
                self._woken.clear()  # or what woke the driving would keep us from ever waiting here
                if self._share.may_ask(self.host.name) and await self._lease.acquire():
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
        """Be the owner until the lease is lost, given up, or the lane is stopped."""
        self._log.info("lease_taken")
        self._share.taken(self.host.name)
        self._lost = False
        self._stale.set()
        try:
            async with self._beside("lease", self._keep_lease), self._beside("nudges", self._listen):
                await self._reporter.inherit()
                self._watch.ready = False
                async with self._beside("watch", self._watch.run), self._beside("report", self._reporter.run):
                    while not self._lost and self._deadline is None and not self._given_up():
                        await self._step()
                await self._drained()
        finally:
            self._share.lost(self.host.name)
        if self._lease.held and self._deadline is None:
            self._log.info("lease_given_up")
            await self._lease.release()

    def _looked_at(self) -> bool:
        return self._watch.ready or self.host.scale_to_zero

    def _given_up(self) -> bool:
        """Leave an idle host to a process that drives fewer."""
        if not self._work.idle or not self._share.should_give_up(self.host.name):
            return False
        self._share.lost(self.host.name)
        return True

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
            view = self._work.view()
            self._watch.need(not self._work.idle or bool(view.wishes))
            if self._watch.ready:
                self._act(view)
                await asyncio.sleep(0)  # what was started goes first
                view = self._work.view()
            if self._looked_at():
                self._notices.tell(view.waiting, queue_updates(view, self._crew.history))
        if not await self._wait(self._pace.read_every):
            self._stale.set()

    def _act(self, view: View) -> None:
        """Do what the plan says; while the host is down nothing, and one thing at a time while it is tried."""
        health = self._crew.breaker.health
        if health == "down":
            self._work.shed()
            return
        try:
            actions: Sequence[Action] = plan(view)
        except Exception as failure:
            if not self._work.blame(failure):
                raise
            return
        if health == "trying":
            actions = () if view.in_flight or view.loading is not None else actions[:1]
        for action in actions:
            self._work.perform(action, wished=not view.waiting and isinstance(action, Load | Unload))

    async def _read(self) -> bool:
        """Read all jobs; False when Redis is away, which is logged once."""
        self._stale.clear()
        try:
            async with asyncio.timeout(READ_LIMIT_S), self._work.reading() as take:
                take(await self._queue.read())
                self._announce(await self._queue.wished())
        except STORE_UNAVAILABLE as error:
            if not self._blind:
                self._log.warning("jobs_unread", why=type(error).__name__)
            self._blind = True
            self._stale.set()
            return False
        self._blind = False
        return True

    def _announce(self, wished: dict[str, float]) -> None:
        for model, until in wished.items():
            self._crew.keeper.announce([self._crew.residency.spelling(model)], until)

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

    @asynccontextmanager
    async def _beside(self, name: str, work: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
        """Run ``work`` as a task for as long as the block lasts; when it ends before, the lease is given up."""

        async def watched() -> None:
            try:
                await work()
            except Exception as error:
                self._log.exception("lane_task_crashed", task=name, exc_info=error)
            self._lost = True
            self._woken.set()

        task = asyncio.create_task(watched(), name=f"lane {self.host.name} {name}")
        try:
            yield
        finally:
            await cancel_and_wait(task)

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
