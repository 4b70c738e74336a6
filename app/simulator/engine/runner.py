"""A runner: one loaded model with its options, slots, prompt cache and lease on memory."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from app.simulator.engine.clock import Clock
from app.simulator.engine.memory import Placement
from app.simulator.engine.rates import TokenRates
from app.simulator.models.catalog import Model
from app.simulator.protocol.keepalive import FOREVER

_LONGEST: Final = timedelta(microseconds=(2**63 - 1) // 1000)  # Go's largest duration, about 292 years


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """The options that make another runner: any difference reloads the model (None: not asked for)."""

    num_ctx: int | None = None
    num_batch: int | None = None
    num_gpu: int | None = None
    main_gpu: int | None = None
    use_mmap: bool | None = None
    num_thread: int | None = None
    draft_num_predict: int | None = None
    shift: bool = True

    def same_but_context(self, other: RunnerOptions) -> bool:
        """Whether the two agree in everything but num_ctx; a new num_gpu counts only when it is not negative."""
        gpu_differs = other.num_gpu is not None and other.num_gpu >= 0 and other.num_gpu != self.num_gpu
        return not gpu_differs and all(
            getattr(self, name) == getattr(other, name)
            for name in ("num_batch", "main_gpu", "use_mmap", "num_thread", "draft_num_predict", "shift")
        )


RunnerState = Literal["active", "idle", "expiring", "killed"]


@dataclass(eq=False, slots=True)
class Runner:
    """A model's process; ``refs`` counts requests from grant to their end.

    ``model`` is the name that loaded it: another name of the same weights uses the same process. ``reading`` is what
    was free on each card when it came, less what it took, ``place`` its slot in the server's map. ``dead``: the process
    is gone, and the server has not noticed; ``hung``: it is stopped, and answers nothing.
    """

    model: Model
    options: RunnerOptions
    num_ctx: int
    parallel: int
    placement: Placement
    rates: TokenRates
    clock: Clock
    keep_alive_s: float
    slots: asyncio.Semaphore = field(init=False)
    refs: int = 0
    state: RunnerState = "active"
    victim: bool = False
    dead: bool = False
    hung: bool = False
    reading: tuple[int, ...] = ()
    place: int = 0
    expires_at: datetime | None = None
    timer: asyncio.TimerHandle | None = None
    caches: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.parallel)

    @property
    def devices(self) -> tuple[object, ...]:
        """What its work runs on: its GPUs, and the CPU for what did not fit."""
        cpu: tuple[object, ...] = ("cpu",) if self.placement.gpu_share < 1 else ()
        return (*self.placement.gpus, *cpu)

    @property
    def eviction_key(self) -> tuple[float, str]:
        """Victims are chosen by the shortest keep_alive, then by the weights' digest."""
        return (self.keep_alive_s, self.model.blob_digest)

    def needs_reload(self, options: RunnerOptions, num_ctx: int) -> bool:
        """Whether a request with these options can't use this process."""
        if self.dead or not self.options.same_but_context(options):
            return True
        both_automatic = self.options.num_ctx is None and options.num_ctx is None
        return not both_automatic and num_ctx != self.num_ctx

    def expiry(self) -> datetime:
        """When it would be unloaded if it went idle now."""
        if self.keep_alive_s == FOREVER:
            return self.clock.utc() + _LONGEST
        return self.clock.utc() + timedelta(seconds=min(self.keep_alive_s, 1e9))

    def shown_expiry(self) -> datetime:
        """What /api/ps shows: during a fresh runner's first request as if it went idle now, later the value of then."""
        return self.expires_at or self.expiry()

    def cached_tokens(self, prompt: str, tokens: int) -> int:
        """How many of the prompt's tokens a slot's last conversation already has; at least one is always new."""
        if not prompt or not self.caches:
            return 0
        common = max(common_prefix(cache, prompt) for cache in self.caches)
        return min(tokens - 1, math.floor(tokens * common / len(prompt)))

    def remember(self, conversation: str) -> None:
        """Keep a slot's conversation; the oldest slot's is overwritten."""
        self.caches.append(conversation)
        del self.caches[: -self.parallel]


def first_victim(loaded: Iterable[Runner]) -> Runner:
    """Whom the server evicts: the first idle one in its order, else the first of all, for which it waits."""
    in_order = sorted(loaded, key=lambda runner: runner.eviction_key)
    return next((runner for runner in in_order if runner.refs <= 0), in_order[0])


def common_prefix(one: str, other: str) -> int:
    """Characters that both begin with, found by halving: comparing slices is much faster than characters."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
