"""What each host costs: how long it was awake and at work, and how often it was asked and woken, by day (UTC).

======================================== ==== ================================== ===================== =======
key                                      type holds                              written by            bound
======================================== ==== ================================== ===================== =======
``arena:host:{<host>}:spent:<day>``      hash ``awake_s``, ``busy_s``,           the host's driver     40 days
                                              ``requests``, ``wakes``,
                                              ``boots``, ``boot_s``
======================================== ==== ================================== ===================== =======

What a driver has not written yet when it dies is lost: at most ``WRITE_EVERY``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from time import time
from typing import Protocol

from redis.asyncio import Redis

KEEP = timedelta(days=40)
WRITE_EVERY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one host on one day: seconds awake, seconds in which it wrote at least one answer, requests and wakes.

    ``boots`` are the wakes after which it came up, ``boot_s`` what they took together.
    """

    awake_s: float = 0.0
    busy_s: float = 0.0
    requests: float = 0.0
    wakes: float = 0.0
    boots: float = 0.0
    boot_s: float = 0.0

    def plus(self, other: Spent) -> Spent:
        """Both together."""
        return Spent(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Spent)))

    def cost(self, price_per_hour: float) -> float:
        """What that costs, in the currency of the price."""
        return self.awake_s / 3600 * price_per_hour

    @property
    def idle_share(self) -> float | None:
        """The share of its time awake in which it wrote nothing; None if it was never awake."""
        return max(1 - self.busy_s / self.awake_s, 0.0) if self.awake_s > 0 else None


class Spending(Protocol):
    """The books of one host; ``NoSpending`` keeps none."""

    async def add(self, spent: Spent) -> None:
        """Add to today's."""
        ...

    async def today(self) -> Spent:
        """Today's so far."""
        ...


class NoSpending:
    """Keeps no books."""

    async def add(self, spent: Spent) -> None:
        """Nothing to write."""

    async def today(self) -> Spent:
        """Nothing is known."""
        return Spent()


class HostSpending:
    """The books of ``host`` in Redis; ``now`` is Unix time.

    Raises, in each call, redis.exceptions.RedisError: Redis is unavailable.
    """

    def __init__(self, redis: Redis, host: str, now: Callable[[], float] = time) -> None:
        self._redis = redis
        self._host = host
        self._now = now

    async def add(self, spent: Spent) -> None:
        """Add to today's."""
        key = self._key()
        pipeline = self._redis.pipeline()
        for name, value in asdict(spent).items():
            if value:
                pipeline.hincrbyfloat(key, name, value)
        pipeline.pexpire(key, KEEP)
        await pipeline.execute()

    async def today(self) -> Spent:
        """Today's so far; a figure that is none counts as 0."""
        stored = {str(_text(name)): value for name, value in (await self._redis.hgetall(self._key())).items()}
        return Spent(**{field.name: _figure(stored.get(field.name)) for field in fields(Spent)})

    def _key(self) -> str:
        day = datetime.fromtimestamp(self._now(), UTC).date().isoformat()
        return f"arena:host:{{{self._host}}}:spent:{day}"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _figure(value: bytes | str | None) -> float:
    try:
        return float(value or 0)
    except ValueError:
        return 0.0
