"""Loading a model: how much context, where it goes, how long it takes, and how it can fail."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

from app.simulator.engine import memory, rates
from app.simulator.engine.clock import Clock
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.faults import Faults
from app.simulator.engine.runner import Runner, RunnerOptions
from app.simulator.models.catalog import Model
from app.simulator.protocol.errors import LoadFailed

Attempt = Literal["alone", "beside_others", "after_eviction"]
"""Whether anything else is loaded, and whether all others were just evicted for this load."""


class RunnerStarter:
    """Starts runners on one machine."""

    def __init__(self, config: SimulatorConfig, clock: Clock, faults: Faults) -> None:
        self._config = config
        self._clock = clock
        self._faults = faults
        self._first_extra_s = config.gpu.first_use_s if config.cold_boot else 0.0

    def reboot(self) -> None:
        """The machine has started again: the next load is a first one."""
        self._first_extra_s = self._config.gpu.first_use_s

    def num_ctx(self, model: Model, options: RunnerOptions) -> int:
        """The context of each slot: asked for, else the server's setting, else by memory; 4 to the trained one."""
        automatic = self._config.context_length or memory.default_num_ctx(sum(self._config.gpu_bytes))
        return min(max(4, options.num_ctx or automatic), model.context_length)

    def placement(
        self, model: Model, options: RunnerOptions, free: Sequence[int], *, require_full: bool
    ) -> memory.Placement | None:
        """Where it would go; None when it must fit and does not."""
        num_ctx, parallel = self.num_ctx(model, options), model.slots(self._config.num_parallel)
        predicted = memory.predicted_bytes(model, num_ctx, parallel)
        taken = memory.taken_bytes(model, num_ctx, parallel)
        gpus = () if self._faults.cpu_fallback or options.num_gpu == 0 else free
        return memory.place(gpus, predicted, taken, require_full=require_full, spread=self._config.spread)

    async def load(self, model: Model, options: RunnerOptions, free: Sequence[int], attempt: Attempt) -> Runner:
        """Wait as long as a load takes and return the runner.

        Raises:
            LoadFailed: a fault wants it so.
            MemoryError: out of memory beside other models, and the context was asked for.
        """
        wait_s = self._seconds(model)
        self._first_extra_s = 0.0
        if self._faults.load_hang:
            await self._clock.sleep(self._config.load_timeout_s)
            raise LoadFailed.timed_out()
        await self._clock.sleep(wait_s)
        if self._faults.load_fail is not None:
            raise LoadFailed.process_died(self._faults.load_fail)
        num_ctx = await self._context_that_fits(model, options, wait_s, attempt)
        return self._runner(model, options, num_ctx, free)

    def _seconds(self, model: Model) -> float:
        if self._config.load_s is not None:
            return self._config.load_s
        return rates.load_seconds(model, self._config.disk_gb_s, self._first_extra_s)

    async def _context_that_fits(self, model: Model, options: RunnerOptions, wait_s: float, attempt: Attempt) -> int:
        """With the fault, an automatic context is tried again smaller; one that was asked for needs others' room."""
        num_ctx = self.num_ctx(model, options)
        if not self._faults.load_oom or attempt == "after_eviction":
            return num_ctx
        if options.num_ctx is None:
            await self._clock.sleep(wait_s)
            return 32768 if num_ctx > 32768 else min(num_ctx, 4096)
        if attempt == "alone":
            raise LoadFailed.process_died("CUDA error: out of memory")
        raise MemoryError

    def _runner(self, model: Model, options: RunnerOptions, num_ctx: int, free: Sequence[int]) -> Runner:
        asked = dataclasses.replace(options, num_ctx=num_ctx)
        place = self.placement(model, asked, free, require_full=False)
        assert place is not None  # it is only None when a full placement is required
        speed = rates.rates(self._config.gpu, model, place.gpu_share)
        if self._config.tokens_per_s is not None:
            speed = rates.TokenRates(speed.prefill, self._config.tokens_per_s)
        slots = model.slots(self._config.num_parallel)
        return Runner(model, options, num_ctx, slots, place, speed, self._clock, keep_alive_s=0.0)
