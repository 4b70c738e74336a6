"""The driver of a host: the one place from which its model server is driven.

Every worker has a driver for every host; the one that holds the lease drives, the others ask for it twice a second. The
driver knows the host's jobs (read whole at first and every second, and nudged in between), lets the pure planner
decide, and executes the plan: answers are started, models loaded and unloaded, each in a task of its own. A crash of
one stays alone.

What holds when things go wrong:

- Nothing is started without the lease. Its loss stops new work only: answers in progress go on, and if another
  driver has begun them anew, their writes are refused and they close their sockets.
- A job stays in the queue until its battle is reconciled; whatever fails before leaves it to be started again, by this
  driver after a pause or by the next owner, which starts all that it finds. The sink refuses what is finished.
- A job that vanished from the queue is cancelled: its socket is closed.
- While the host is down nothing is started; who waits goes to other hosts, and fails only if there is none for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta

import structlog

from app.backends.base import GenerationRequest
from app.hosts.host import Host
from app.scheduling.driver.executor import Executor
from app.scheduling.driver.meter import Meter
from app.scheduling.driver.policy import Policy
from app.scheduling.driver.prober import Prober
from app.scheduling.driver.queue_updates import QueueUpdates
from app.scheduling.driver.reporter import Reporter
from app.scheduling.driver.state import DriverState
from app.scheduling.driver.store_retries import STORE_UNAVAILABLE
from app.scheduling.job import Job, Removed
from app.scheduling.planning.eta import QueueUpdate, boot_updates, queue_updates
from app.scheduling.planning.planner import Action, View, closing, plan
from app.scheduling.ports import Ports
from app.tasks import cancel_and_wait, until_beat
from app.timing.time import Time

READ_LIMIT_S = 2.0
"""How long the jobs may take to be read before Redis counts as unavailable."""


class Driver:
    """Drives ``host`` whenever it holds its lease; ``run`` it as a task, ``stop`` it to end."""

    def __init__(self, host: Host, ports: Ports, policy: Policy, time: Time | None = None) -> None:
        self.host = host
        time = time or Time()
        self._ports = ports
        self._intervals = policy.intervals
        self._clock = time.monotonic
        self._now = time.now
        self._woken = asyncio.Event()
        self._state = DriverState.of(host, ports, policy, time)
        self._executor = Executor(host, ports, policy, self._state, time, self._woken.set)
        self._meter = Meter(host, ports.spending, time.monotonic)
        self._prober = Prober(host, self._state, policy.intervals, time.monotonic, self._woken.set, self._meter)
        self._meter.awake = self._is_awake
        self._executor.asked = self._meter.asked
        self._meter.busy = lambda: self._executor.writing
        self._reporter = Reporter(host, ports, self._state, time, view=self._executor.view, known=self._is_known)
        self._queue_updates = QueueUpdates(ports.sink, host.name, time.monotonic)
        self._stale = asyncio.Event()
        self._lost = False
        self._unread = False
        self._read_at = 0.0
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
                self._woken.clear()  # or the event that woke the driving would end every wait at once
                if self._ports.share.may_ask(self.host.name) and await self._ports.lease.acquire():
                    await self._drive()
                else:
                    await self._wait(self._intervals.ask_every)
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

    def begin_early(self, job: Job, request: GenerationRequest) -> None:
        """Send a request before its job is enqueued; nothing unless this driver could begin the answer right now."""
        ready = self._prober.ready and self._state.breaker.health == "up" and not self.host.scale_to_zero
        if ready and self._ports.lease.held and self._deadline is None:
            self._executor.begin_early(job, request)

    def drop_early(self, job_id: str) -> None:
        """Close the socket of an answer that was not begun; nothing if it was."""
        self._executor.early.drop(job_id)

    @property
    def driving(self) -> bool:
        """Whether this driver holds the lease now."""
        return self._ports.lease.held

    async def _drive(self) -> None:
        """Be the owner until the lease is lost, given up, or the driver is stopped."""
        self._log.info("lease_taken")
        self._ports.share.taken(self.host.name)
        self._lost = False
        self._stale.set()
        try:
            async with self._beside("lease", self._keep_lease), self._beside("nudges", self._listen):
                await self._reporter.inherit()
                self._prober.ready = False
                async with (
                    self._beside("prober", self._prober.run),
                    self._beside("report", self._reporter.run),
                    self._beside("meter", self._meter.run),
                ):
                    while not self._lost and self._deadline is None and not self._given_up():
                        await self._step()
                await self._drained()
            await self._meter.sync()  # what was counted since the last time is written
        finally:
            self._executor.early.drop_all()
            self._ports.share.lost(self.host.name)
        if self._ports.lease.held and self._deadline is None:
            self._log.info("lease_given_up")
            await self._ports.lease.release()

    def _is_known(self) -> bool:
        return self._prober.ready or self.host.scale_to_zero

    def _updates(self, view: View) -> dict[str, QueueUpdate]:
        if self._prober.waking_since is not None:
            return boot_updates(view, self._state.history, self._prober.boot_left_s)
        return queue_updates(view, self._state.history)

    def _is_awake(self) -> bool:
        """Whether the host costs money now."""
        if self.host.scale_to_zero:
            return self._prober.ready or self._prober.waking_since is not None
        return self._state.breaker.health != "down"

    def _given_up(self) -> bool:
        """Leave an idle host to a process that drives fewer."""
        if not self._executor.idle or not self._ports.share.should_give_up(self.host.name):
            return False
        self._ports.share.lost(self.host.name)
        return True

    async def _drained(self) -> None:
        """Once stopped, let what is under way end while the lease is still renewed."""
        if self._deadline is not None:
            await self._executor.drained(timedelta(seconds=max(self._deadline - self._clock(), 0.0)))

    async def _step(self) -> None:
        """Read the jobs if they may have changed, execute the plan, update who waits, wait for a change."""
        self._woken.clear()
        if self._stale.is_set() and not await self._read():
            await self._wait(self._intervals.ask_every)
            return
        if self._ports.lease.held:
            self._state.prewarmer.follow(self._state.rotation())
            view = self._executor.view()
            wanted = bool(view.prewarm or set(view.to_load) - view.present)
            self._prober.need(not self._executor.idle or wanted, visit=self._state.prewarmer.visited())
            if self._prober.ready or self._state.breaker.health == "down":
                if self._prober.ready:
                    self._executor.tend()
                if self._act(view):
                    view = self._executor.view()  # at once: when a load ends later, its answers start in the next step
            if self._is_known():
                if updates := self._updates(view):
                    await asyncio.sleep(0)  # what was started goes first
                self._queue_updates.publish(view.waiting, updates)
        self._reporter.news.set()
        every_s = self._intervals.read_every.total_seconds()
        if not await self._wait(timedelta(seconds=until_beat(every_s))) or self._clock() - self._read_at >= every_s:
            self._stale.set()

    def _act(self, view: View) -> bool:
        """Do what the plan says (host down: nothing; while it is tried: one thing); whether ``view`` is outdated."""
        health = self._state.breaker.health
        if health == "down":
            self._executor.reroute_waiting()
            return False
        try:
            actions: Sequence[Action] = plan(view)
        except Exception as failure:
            if not self._executor.fail_unplannable(failure):
                raise
            return True
        # Resident models get no new answers so that this one can come: from now on that costs time.
        self._state.costs.closing(closing(view)[1])
        if health == "trying":
            actions = () if view.in_flight or view.loading is not None else actions[:1]
        for action in actions:
            self._executor.perform(action)
        return bool(actions)

    async def _read(self) -> bool:
        """Read all jobs; False when Redis is unavailable, which is logged once."""
        self._stale.clear()
        self._read_at = self._clock()
        try:
            async with asyncio.timeout(READ_LIMIT_S), self._executor.reading() as take:
                kept = self._ports.queue
                jobs, visits, asked = await asyncio.gather(kept.read(), kept.prewarm_requests(), kept.memory_requests())
                take(jobs)
                self._state.take(visits, asked, self._now())
        except STORE_UNAVAILABLE as error:
            if not self._unread:
                self._log.warning("jobs_unread", why=type(error).__name__)
            self._unread = True
            self._stale.set()
            return False
        self._unread = False
        return True

    async def _keep_lease(self) -> None:
        """Renew the lease; if it expired meanwhile and nobody took it, take it again and go on."""
        while True:
            await asyncio.sleep(until_beat(self._intervals.renew_every.total_seconds()))
            held = self._ports.lease.held
            if not await self._ports.lease.renew():
                if not await self._ports.lease.acquire():
                    self._log.warning("lease_lost")
                    return
                self._log.warning("lease_regained")
            if not held and self._ports.lease.held:
                self._stale.set()
                self._woken.set()

    async def _listen(self) -> None:
        async with aclosing(self._ports.queue.nudges()) as nudges:
            async for change in nudges:
                if change is None:
                    self._stale.set()
                elif isinstance(change, Removed):
                    self._executor.remove(change.ids)
                else:
                    self._executor.add(change)
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

        task = asyncio.create_task(watched(), name=f"driver {self.host.name} {name}")
        try:
            yield
        finally:
            await cancel_and_wait(task)

    async def _wait(self, limit: timedelta) -> bool:
        """Wait for a change, at most ``limit``; whether there was one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit.total_seconds()):
                return await self._woken.wait()
        return False

    async def _close(self) -> None:
        """Cut what is left and let another driver take over at once."""
        try:
            await self._queue_updates.aclose()
            await self._executor.aclose()
        finally:
            held = self._ports.lease.held
            await self._ports.lease.release()
            self._ended.set()
            self._log.info("lane_closed", released=held)
