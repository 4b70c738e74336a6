"""How fast things go: tokens per second, seconds of a load, and the small random parts, all from a seed."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import dataclass
from typing import Final

from app.simulator.models.cards import EIGHT_B_BYTES, Card
from app.simulator.models.catalog import Model

HEALTH_POLL_S: Final = 0.25
SPAWN_S: Final = 0.8
AFTER_READ_S: Final = 0.2
KILL_S: Final = 0.1
_JITTER_SHAPE: Final = 100.0  # a gamma distribution of shape 1 / cv^2 with cv = 0.1
_PAUSE_SHARE: Final = 0.001


@dataclass(frozen=True, slots=True)
class TokenRates:
    """Tokens per second of one model alone on one placement."""

    prefill: float
    decode: float


def rates(card: Card, model: Model, gpu_share: float) -> TokenRates:
    """Partly offloaded layers run one after the other: 1 / (f / gpu + (1 - f) / cpu)."""
    scale = EIGHT_B_BYTES / model.file_bytes * model.speed
    slow_decode = card.cpu_decode_gb_s * 1e9 / model.file_bytes * model.speed
    slow_prefill = card.cpu_prefill_tokens_s * scale
    fast_decode = card.decode_gb_s * 1e9 / model.file_bytes * model.speed
    return TokenRates(
        _blend(card.prefill_tokens_s * scale, slow_prefill, gpu_share), _blend(fast_decode, slow_decode, gpu_share)
    )


def _blend(fast: float, slow: float, share: float) -> float:
    return 1.0 / (share / fast + (1.0 - share) / slow)


def load_seconds(model: Model, disk_gb_s: float, extra_s: float = 0.0) -> float:
    """Spawn, read, warm up; the server notices at its next health poll."""
    busy = SPAWN_S + model.file_bytes / (disk_gb_s * 1e9) + AFTER_READ_S + extra_s
    return math.ceil(busy / HEALTH_POLL_S) * HEALTH_POLL_S


def warm_overhead_seconds(chance: random.Random) -> float:
    """Scheduling of a request whose model is loaded: log-normal, mostly 5 to 50 ms."""
    return min(0.1, chance.lognormvariate(math.log(0.014), 0.55))


class Jitter:
    """The times between tokens, drawn once per seed and then read from a ring (drawing them each time costs too much).

    ``_factors`` and ``_pauses`` are running sums, so that any number of tokens costs the same.
    """

    _SIZE: Final = 4096

    def __init__(self, seed: int) -> None:
        chance = random.Random(f"{seed} jitter")
        factors = [chance.gammavariate(_JITTER_SHAPE, 1 / _JITTER_SHAPE) for _ in range(self._SIZE)]
        pauses = [chance.uniform(0.1, 0.5) if chance.random() < _PAUSE_SHARE else 0.0 for _ in range(self._SIZE)]
        self._factors = [0.0, *itertools.accumulate(factors)]
        self._pauses = [0.0, *itertools.accumulate(pauses)]

    def steps(self, index: int, count: int, mean_s: float) -> float:
        """Seconds of work that ``count`` tokens from this place of the ring take."""
        return self._between(self._factors, index, count) * mean_s + self._between(self._pauses, index, count)

    def _between(self, sums: list[float], index: int, count: int) -> float:
        start = index % self._SIZE
        rounds, end = divmod(start + count, self._SIZE)
        return rounds * sums[-1] + sums[end] - sums[start]
