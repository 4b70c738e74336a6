"""Ollama's scheduler: who gets a runner, what is loaded next, who has to leave (server/sched.go, about 0.33).

One request at a time is scheduled; its load happens inside and blocks all others that need one. A request whose model
is loaded as it wants it is granted at once and never queued.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from app.simulator.engine.card_memory import CardMemory
from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.faults import Faults
from app.simulator.engine.loading import Attempt, RunnerStarter
from app.simulator.engine.rates import KILL_S
from app.simulator.engine.runner import Runner, RunnerOptions, first_victim
from app.simulator.models.catalog import Model
from app.simulator.protocol.errors import LoadFailed, ServerBusy
from app.tasks import cancel_and_wait

_EXPIRY_POLL_S: Final = 0.01


@dataclass(eq=False, slots=True)
class _Pending:
    """A request that needs a load."""

    model: Model
    options: RunnerOptions
    keep_alive_s: float | None
    granted: asyncio.Future[Runner]
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Scheduler:
    """The runners of one server. ``start`` before use, ``aclose`` after it."""

    def __init__(self, config: SimulatorConfig, clock: Clock, faults: Faults) -> None:
        self.loaded: dict[str, Runner] = {}
        self._config = config
        self._clock = clock
        self._faults = faults
        self._chance = random.Random(f"{config.seed} scheduler")
        self.memory = CardMemory(config, clock, self._chance)
        self._loader = RunnerStarter(config, clock, faults)
        self._expired: asyncio.Queue[Runner] = asyncio.Queue()
        self._queue: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._idle = True
        self._unloaded = asyncio.Event()
        self._lock = asyncio.Lock()  # held while a process is killed: /api/ps and all requests stall briefly
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to serve those who need a load."""
        self._spawn(self._serve(), "simulator scheduler")
        self._spawn(self._complete(), "simulator unloads")

    async def aclose(self) -> None:
        """End all tasks."""
        for runner in self.loaded.values():
            if runner.timer is not None:
                runner.timer.cancel()
        await cancel_and_wait(*self._tasks)

    @property
    def waiting(self) -> int:
        """How many requests are in the queue; those whose caller has left still count until it is their turn."""
        return len(self._queue)

    async def listed(self) -> list[Runner]:
        """What /api/ps shows, longest expiry first; a model that is loading is not there yet."""
        async with self._lock:
            return sorted(self.loaded.values(), key=lambda runner: runner.shown_expiry(), reverse=True)

    @asynccontextmanager
    async def runner(self, model: Model, options: RunnerOptions, keep_alive_s: float | None) -> AsyncGenerator[Runner]:
        """A runner for the length of one request.

        Raises:
            ServerBusy: it needs a load and the queue is full.
            LoadFailed: the load failed.
        """
        runner = await self._grant(model, options, keep_alive_s)
        try:
            yield runner
        finally:
            self._release(runner)

    async def _grant(self, model: Model, options: RunnerOptions, keep_alive_s: float | None) -> Runner:
        async with self._lock:
            runner = self.loaded.get(model.blob_digest)
            if runner is not None and not runner.needs_reload(options, self._loader.num_ctx(model, options)):
                self._use(runner, keep_alive_s)
                return runner
        # An idle scheduler takes one off the queue at once: that one needs no place in it.
        if len(self._queue) >= self._config.max_queue + self._idle:
            raise ServerBusy
        pending = _Pending(model, options, keep_alive_s, asyncio.get_running_loop().create_future())
        self._queue.append(pending)
        self._wake.set()
        try:
            return await asyncio.shield(pending.granted)
        except asyncio.CancelledError:
            self._left(pending)
            raise

    def _left(self, pending: _Pending) -> None:
        """The caller is gone: a load in progress is aborted; a place in the queue stays taken until its turn."""
        pending.gone.set()
        if pending.granted.done() and not pending.granted.cancelled() and pending.granted.exception() is None:
            self._release(pending.granted.result())

    def _use(self, runner: Runner, keep_alive_s: float | None) -> None:
        runner.refs += 1
        if runner.state == "idle":
            runner.state = "active"
        if runner.timer is not None:
            runner.timer.cancel()
            runner.timer = None
        if keep_alive_s is None or (runner.victim and not self._faults.evict_deadlock):
            return
        # With the published bug, this takes back an eviction that the scheduler is waiting for.
        runner.victim = False
        runner.keep_alive_s = keep_alive_s

    def _release(self, runner: Runner) -> None:
        runner.refs -= 1
        if runner.refs > 0 or runner.state in ("expiring", "killed"):
            return
        runner.expires_at = runner.expiry()
        if runner.keep_alive_s <= 0:
            self._begin_unload(runner)
            return
        runner.state = "idle"
        if runner.keep_alive_s < 1e9:
            runner.timer = self._clock.call_later(runner.keep_alive_s, self._begin_unload, runner)

    def expire(self, model: Model) -> None:
        """``keep_alive: 0`` without a prompt: unload when idle, at once if it is."""
        runner = self.loaded.get(model.blob_digest)
        if runner is not None:
            self._expire(runner)

    def expire_all(self) -> None:
        """What the server does after a CUDA out-of-memory in mid-answer."""
        for runner in tuple(self.loaded.values()):
            self._expire(runner)

    def forget_all(self, *, children_stay: bool = False) -> None:
        """The machine has gone down: nothing is loaded, and the next load is a first one.

        When only the server was killed, its children stay (``children_stay``) and keep their memory.
        """
        self.memory.left_behind = [r.placement for r in self.loaded.values() if not r.dead] if children_stay else []
        for runner in self.loaded.values():
            runner.state = "killed"
            if runner.timer is not None:
                runner.timer.cancel()
        self.loaded.clear()
        if not children_stay:
            self._loader.reboot()
        self._unloaded.set()

    def _expire(self, runner: Runner) -> None:
        runner.keep_alive_s = 0
        runner.expires_at = self._clock.utc()
        if runner.refs <= 0:
            self._begin_unload(runner)

    def _begin_unload(self, runner: Runner) -> None:
        if runner.state in ("expiring", "killed"):
            return
        if runner.timer is not None:
            runner.timer.cancel()
        runner.state = "expiring"
        self._expired.put_nowait(runner)

    async def _complete(self) -> None:
        """Unload what has expired, one after the other: each waits until those before it have left the card."""
        while True:
            runner = await self._expired.get()
            async with self._lock:
                if runner.state == "killed":
                    continue  # the whole machine went down
                if runner.refs > 0:
                    # Who came in between is served, and nothing takes the expiry back.
                    self._clock.call_later(_EXPIRY_POLL_S, self._expired.put_nowait, runner)
                    continue
                order = self.memory.any_order(tuple(self.loaded.values()))
                before = sum(self.memory.believed(order))
                runner.state = "killed"
                await self._clock.sleep(KILL_S)
                self.loaded.pop(runner.model.blob_digest, None)
            await self.memory.recovered(runner, order, before)
            self._unloaded.set()

    async def _serve(self) -> None:
        while True:
            while not self._queue:
                self._idle = True
                self._wake.clear()
                await self._wake.wait()
            self._idle = False
            pending = self._queue.popleft()
            if not pending.gone.is_set():
                await self._schedule(pending)

    async def _schedule(self, pending: _Pending) -> None:
        """Make room until the model is loaded; while waiting for a victim only "an unload happened" is watched."""
        try:
            runner = await self._place(pending)
        except LoadFailed as failure:
            if not pending.granted.done():
                pending.granted.set_exception(failure)
                pending.granted.exception()  # its caller may have left: nobody else reads it
            return
        if runner is not None:
            pending.granted.set_result(runner)
            if pending.gone.is_set():
                self._release(runner)

    async def _place(self, pending: _Pending) -> Runner | None:
        """The runner, used once; None when the caller has left."""
        while True:
            async with self._lock:  # whose turn it is to be killed is gone by then
                runner = self.loaded.get(pending.model.blob_digest)
            num_ctx = self._loader.num_ctx(pending.model, pending.options)
            if runner is not None and runner.state != "killed" and not runner.needs_reload(pending.options, num_ctx):
                self._use(runner, pending.keep_alive_s)
                return runner
            victim = runner or self._outdated(pending.model) or await self._victim(pending.model, pending.options)
            if victim is None:
                return await self._load(pending)
            await self._evict(victim)

    def _outdated(self, model: Model) -> Runner | None:
        """The process of a tag that was created anew since; until now it was listed as if nothing had happened."""
        return next((old for old in self.loaded.values() if old.model.name == model.name and old.model != model), None)

    async def _victim(self, model: Model, options: RunnerOptions) -> Runner | None:
        """Whom to evict so that the model fits; None when it fits as things are believed to be."""
        if len(self.loaded) >= self._config.loaded_limit:
            return first_victim(self.loaded.values())
        await self.memory.asked(tuple(self.loaded.values()))
        if not self.loaded:
            return None
        free = self.memory.believed(self.memory.any_order(tuple(self.loaded.values())))
        fits = self._loader.placement(model, options, free, require_full=True) is not None
        return None if fits else first_victim(self.loaded.values())

    async def _evict(self, runner: Runner) -> None:
        self._unloaded.clear()
        runner.victim = True
        self._expire(runner)
        await self._unloaded.wait()

    async def _load(self, pending: _Pending) -> Runner | None:
        """Load in front of everybody else; the caller's leaving kills the process and nothing stays."""
        attempt: Attempt = "beside_others" if self.loaded else "alone"
        work = asyncio.ensure_future(self._started(pending, attempt))
        leaving = asyncio.ensure_future(pending.gone.wait())
        try:
            await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                return None
            runner = await self._second_try(pending) if isinstance(work.exception(), MemoryError) else work.result()
        finally:
            await cancel_and_wait(work, leaving)
        runner.keep_alive_s = self._config.keep_alive_s if pending.keep_alive_s is None else pending.keep_alive_s
        runner.refs = 1
        runner.place = self.memory.free_place(tuple(self.loaded.values()))
        self.loaded[pending.model.blob_digest] = runner
        return runner

    async def _second_try(self, pending: _Pending) -> Runner:
        """Out of memory with a context that was asked for: evict all others and try once more."""
        while self.loaded:
            await self._evict(first_victim(self.loaded.values()))
        return await self._started(pending, "after_eviction")

    async def _started(self, pending: _Pending, attempt: Attempt) -> Runner:
        """Its process places itself by what it finds free, not by what the server believes."""
        free = self.memory.measured(tuple(self.loaded.values()))
        runner = await self._loader.load(pending.model, pending.options, free, attempt)
        runner.reading = tuple(found - runner.placement.on_gpu(index) for index, found in enumerate(free))
        return runner

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
