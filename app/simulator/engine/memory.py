"""What fits: Ollama's pre-flight prediction, what a runner really takes, and where it is placed.

Prediction (f16, whatever the cache's type): file + 2 * layers * kv_heads * head_dim * num_ctx * parallel * 2 bytes. It
must be at most 80 % of what is free: on the one GPU that has most, else on all together. Listed once it is there: 0.9 *
file + the same cache + 0.4 GiB for computing (recorded: 6.28 GiB for a file of 4.34 with a cache of 2).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.simulator.models.cards import GIB
from app.simulator.models.catalog import Model

SHARE_OF_FREE: Final = 0.8
_COMPUTE: Final = int(0.4 * GIB)


def cache_bytes(model: Model, num_ctx: int, parallel: int) -> int:
    """Keys and values of every layer for every position of every slot, two bytes each."""
    return 2 * model.layers * model.kv_heads * model.head_dim * num_ctx * parallel * 2


def predicted_bytes(model: Model, num_ctx: int, parallel: int) -> int:
    """What the scheduler believes a model will take at least.

    A larger batch than 512 (from 4,097 positions of all slots on: 768 MiB more, from 32,769 on 2 GiB) is tried before
    and given up where it would not fit.
    """
    return model.file_bytes + cache_bytes(model, num_ctx, parallel)


def taken_bytes(model: Model, num_ctx: int, parallel: int) -> int:
    """What its buffers take, which is what is listed."""
    return int(0.9 * model.file_bytes) + cache_bytes(model, num_ctx, parallel) + _COMPUTE


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a runner sits: bytes on each of these GPUs, and the rest in the host's memory."""

    size_bytes: int
    gpus: tuple[int, ...] = ()
    parts: tuple[int, ...] = ()

    @property
    def vram_bytes(self) -> int:
        """Bytes on all its GPUs."""
        return sum(self.parts)

    @property
    def gpu_share(self) -> float:
        """1 when it is wholly on GPUs, 0 when wholly on the CPU."""
        return self.vram_bytes / self.size_bytes

    def on_gpu(self, index: int) -> int:
        """Bytes on one GPU."""
        return self.parts[self.gpus.index(index)] if index in self.gpus else 0


def place(free: Sequence[int], predicted: int, taken: int, *, require_full: bool, spread: bool) -> Placement | None:
    """Choose GPUs, or None when a full placement is required and the prediction fails the test.

    Without that requirement (nothing else is loaded) what does not fit stays on the CPU.
    """
    if not free:
        return Placement(taken)
    order = sorted(range(len(free)), key=lambda index: -free[index])
    if not spread and predicted <= SHARE_OF_FREE * free[order[0]]:
        return _filled(free, (order[0],), taken)
    if require_full and predicted > SHARE_OF_FREE * sum(free):
        return None
    single = not spread and taken <= free[order[0]]
    return _filled(free, (order[0],) if single else tuple(sorted(order)), taken)


def _filled(free: Sequence[int], gpus: tuple[int, ...], taken: int) -> Placement:
    """A runner that is spread is split as memory is free."""
    room = sum(free[index] for index in gpus)
    vram = min(taken, room)
    if vram <= 0:
        return Placement(taken)
    ends = [vram * end // room for end in itertools.accumulate(free[index] for index in gpus)]
    return Placement(taken, gpus, tuple(end - start for start, end in zip([0, *ends], ends, strict=False)))


def default_num_ctx(vram_bytes: int) -> int:
    """The context length when nobody asks for one, from the sum of all GPUs' memory."""
    if vram_bytes >= 47 * GIB:
        return 262144
    return 32768 if vram_bytes >= 23 * GIB else 4096
