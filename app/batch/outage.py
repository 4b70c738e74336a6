"""Stores that are unavailable while a run works: it waits, and notes afterwards for what and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from redis.exceptions import RedisError

from app.batch.runs import RunRecords
from app.errors import Unavailable
from app.store_errors import StoreLost, redis_trouble

STORES_UNAVAILABLE = (Unavailable, RedisError, OSError)


@dataclass(slots=True)
class Outage:
    """What a run waits for that could not be noted while it lasted; ``clock`` is monotonic."""

    records: RunRecords
    clock: Callable[[], float]
    _why: str = ""
    _since: float = 0.0

    def seen(self, error: Exception) -> str:
        """A step has failed by ``error``; what it means."""
        why = store_words(error)
        if not self._why:
            self._why, self._since = why, self.clock()
        return why

    async def over(self, run: str) -> None:
        """A step was made: note what the run waited for before, if it did."""
        if self._why:
            await self.records.waited(run, f"waits: {self._why}", self.clock() - self._since)
            self._why = ""


def store_words(error: Exception) -> str:
    """Which store it was and what was wrong; its own words stay in the log."""
    if isinstance(error, StoreLost):
        name, trouble = ("Redis" if error.code == "redis_away" else "the database"), error.trouble
    elif isinstance(error, RedisError):
        name, trouble = "Redis", redis_trouble(error)
    else:
        return "a store was unavailable"
    return f"{name} took no writes ({trouble.kind})" if trouble.refuses_writes else f"{name} was unavailable"
