"""The figures that everybody may read: a copy that is held back until a single answer can't be told from it.

Whoever reads a sum before and after one side of a battle was complete learns how long that side took, and so which
model wrote it. So the public copy is made anew only after ``EVERY`` has passed and ``LEAST_ANSWERS`` more answers have
ended; until there are so many, it is empty.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from app.metrics.counters import SUMS_TTL
from app.metrics.families import ANSWERS, Series

EVERY = timedelta(minutes=10)
LEAST_ANSWERS = 20

HELD_KEY = "arena:{metrics}:public"
TURN_KEY = "arena:{metrics}:public:turn"


@dataclass(frozen=True, slots=True)
class Figures:
    """What all workers counted, and how many answers wait and run and battles run."""

    sums: Mapping[Series, float] = field(default_factory=dict)
    waiting: int = 0
    running: int = 0
    open_battles: int = 0

    @property
    def answers(self) -> float:
        """Answers that have ended."""
        return sum(value for series, value in self.sums.items() if series[0] == ANSWERS.name)


class HeldFigures:
    """The public copy, the same from every worker; ``now`` gives the figures of this moment.

    ================================ ====== ================================== ======================
    key                              type   holds                              bound
    ================================ ====== ================================== ======================
    ``arena:{metrics}:public``       string the copy, as JSON                  30 d after it was made
    ``arena:{metrics}:public:turn``  string whose turn it was to look          ``EVERY``
    ================================ ====== ================================== ======================
    """

    def __init__(self, redis: Redis, now: Callable[[], Awaitable[Figures]]) -> None:
        self._redis = redis
        self._now = now

    async def read(self) -> Figures:
        """The copy as it is, made anew if that is due.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        stored = await cast(Any, self._redis).get(HELD_KEY)
        held = Figures() if stored is None else _read(stored)
        if not await cast(Any, self._redis).set(TURN_KEY, b"1", nx=True, px=EVERY):
            return held
        fresh = await self._now()
        if 0 <= fresh.answers - held.answers < LEAST_ANSWERS:
            return held
        await cast(Any, self._redis).set(HELD_KEY, _written(fresh), px=SUMS_TTL)
        return fresh


def _written(figures: Figures) -> bytes:
    rows = [[list(series), value] for series, value in figures.sums.items()]
    return orjson.dumps([rows, figures.waiting, figures.running, figures.open_battles])


def _read(stored: bytes) -> Figures:
    rows, waiting, running, open_battles = orjson.loads(stored)
    return Figures({tuple(series): value for series, value in rows}, waiting, running, open_battles)
