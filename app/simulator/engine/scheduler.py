"""Ollama's scheduler: who gets a runner, what is loaded next, who has to leave.

One request at a time is scheduled; its load happens inside and blocks all others that need one. A request whose model
is loaded as it wants it is granted at once and never queued. All of it follows the published source
(server/sched.go, about 0.33); the comments name what is surprising.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from app.simulator.engine import memory
from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.faults import Faults
from app.simulator.engine.loading import Attempt, RunnerStarter
from app.simulator.engine.rates import KILL_S, recovery_seconds
from app.simulator.engine.runner import Runner, RunnerOptions
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
        self._recovering: list[Runner] = []
        self._config = config
        self._clock = clock
        self._faults = faults
        self._chance = random.Random(f"{config.seed} scheduler")
        self._loader = RunnerStarter(config, clock, faults, self._chance)
        self._queue: deque[_Pending] = deque()
        self._wake = asyncio.Event()
        self._idle = True
        self._unloaded = asyncio.Event()
        self._lock = asyncio.Lock()  # held while a process is killed: /api/ps and all requests stall briefly
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to serve those who need a load."""
        self._spawn(self._serve(), "simulator scheduler")

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

    def forget_all(self) -> None:
        """The machine has gone down: nothing is loaded, and the next load is a first one."""
        for runner in self.loaded.values():
            runner.state = "killed"
            if runner.timer is not None:
                runner.timer.cancel()
        self.loaded.clear()
        self._recovering.clear()
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
        self._spawn(self._unload(runner), f"simulator unload {runner.model.name}")

    async def _unload(self, runner: Runner) -> None:
        """Kill it as soon as nobody uses it: who came in between is served, and nothing takes the expiry back."""
        while not await self._killed(runner):
            await self._clock.sleep(_EXPIRY_POLL_S)
        if runner.placement.vram_bytes:
            self._recovering.append(runner)
            await self._clock.sleep(recovery_seconds(self._chance))
            if runner in self._recovering:  # not after the whole machine went down
                self._recovering.remove(runner)
        self._unloaded.set()

    async def _killed(self, runner: Runner) -> bool:
        async with self._lock:
            if runner.state == "killed":
                return True  # the whole machine went down
            if runner.refs > 0:
                return False
            runner.state = "killed"
            await self._clock.sleep(KILL_S)
            self.loaded.pop(runner.model.blob_digest, None)
            return True

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
            num_ctx = self._loader.num_ctx(pending.model, pending.options)
            runner = self.loaded.get(pending.model.blob_digest)
            if runner is not None and runner.state != "killed" and not runner.needs_reload(pending.options, num_ctx):
                self._use(runner, pending.keep_alive_s)
                return runner
            victim = runner or self._victim(pending.model, pending.options)
            if victim is None:
                return await self._load(pending)
            await self._evict(victim)

    def _victim(self, model: Model, options: RunnerOptions) -> Runner | None:
        """Whom to evict so that the model fits; None when it fits as things are."""
        if not self.loaded:
            return None
        if len(self.loaded) < self._config.loaded_limit and self._placement(model, options, full=True) is not None:
            return None
        return self._first_victim()

    def _first_victim(self) -> Runner:
        in_order = sorted(self.loaded.values(), key=lambda runner: runner.eviction_key)
        return next((runner for runner in in_order if runner.refs <= 0), in_order[0])

    async def _evict(self, runner: Runner) -> None:
        self._unloaded.clear()
        runner.victim = True
        self._expire(runner)
        await self._unloaded.wait()

    def _placement(self, model: Model, options: RunnerOptions, *, full: bool) -> memory.Placement | None:
        return self._loader.placement(model, options, self._free(), require_full=full)

    def _free(self) -> list[int]:
        """What the driver reports as free: the memory of a runner that was just killed is not, for a moment."""
        taking = (*self.loaded.values(), *self._recovering)
        return [
            total - sum(runner.placement.on_gpu(index) for runner in taking)
            for index, total in enumerate(self._config.gpu_bytes)
        ]

    async def _load(self, pending: _Pending) -> Runner | None:
        """Load in front of everybody else; the caller's leaving kills the process and nothing stays."""
        attempt: Attempt = "beside_others" if self.loaded else "alone"
        work = asyncio.ensure_future(self._loader.load(pending.model, pending.options, self._free(), attempt))
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
        self.loaded[pending.model.blob_digest] = runner
        return runner

    async def _second_try(self, pending: _Pending) -> Runner:
        """Out of memory with a context that was asked for: evict all others and try once more."""
        while self.loaded:
            await self._evict(self._first_victim())
        return await self._loader.load(pending.model, pending.options, self._free(), "after_eviction")

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
