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
    """What a run waits for that can't be noted while it lasts; ``clock`` is monotonic.

    ``unstored`` is set while an answer of the run can't be stored here: that lasts though steps may succeed.
    """

    records: RunRecords
    clock: Callable[[], float]
    unstored: bool = False
    _why: str = ""
    _since: float = 0.0

    @property
    def lasts(self) -> bool:
        """Whether there is something that will have to be noted."""
        return self._why != ""

    def seen(self, error: Exception) -> str:
        """A step, or storing an answer, has failed by ``error``; what it means."""
        why = store_words(error)
        if not self._why:
            self._why, self._since = why, self.clock()
        return why

    async def over(self, run: str, *, ended: bool) -> None:
        """A step was made: note what the run waited for, unless that lasts; a run that has ended waits no more."""
        if self._why and (ended or not self.unstored):
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
