"""How much time this machine lost while it probed: then a limit that passed says little about who was asked."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from app.doctor.probing.observation import Observation, ObservedDatabase, ObservedHost, ObservedRedis
from app.tasks import cancel_and_wait

STEP_S = 0.02

BUSY_S = 0.5
"""A machine that loses this much is too busy for limits of about a second."""

BUSY_SHARE = 0.25
"""So is one that loses this much of the time, if that is not too short to tell: an idle one loses about 5 %."""

_SIGNIFICANT_S = 0.2

BUSY_LOAD = 4.0
"""So is one on which so many processes want each core: who sleeps is woken in time there, but servers crawl."""

_TIMED_OUT = ("within", "timeout", "timed out")


def load_per_core() -> float:
    """How many processes wanted to run on each core, in the mean of the last minute."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


class Lag:
    """Counts how much later than asked this process woke up, without the time in which it worked itself.

    ``clock`` measures seconds, ``cpu`` those that this process has used; where it does much else, that counts as lost,
    too: give a ``cpu`` that stands still.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
        load: Callable[[], float] = load_per_core,
    ) -> None:
        self._clock, self._cpu = clock, cpu
        self.load = load()
        self.lost_s = self.watched_s = 0.0

    @asynccontextmanager
    async def watched(self) -> AsyncGenerator[None]:
        """Count for the length of the block."""
        counting = asyncio.create_task(self._count(), name="doctor: lag")
        try:
            yield
        finally:
            await cancel_and_wait(counting)

    async def _count(self) -> None:
        began, used = self._clock(), self._cpu()
        while True:
            await asyncio.sleep(STEP_S)
            woke, by_now = self._clock(), self._cpu()
            self.watched_s += woke - began
            self.lost_s += max(woke - began - STEP_S - (by_now - used), 0.0)
            began, used = woke, by_now


def without_doubtful(seen: Observation) -> Observation:
    """What is left of ``seen`` on a machine that lost much time: whoever was late may have answered in time. Pure."""
    much_of_it = seen.lost_s >= max(BUSY_SHARE * seen.watched_s, _SIGNIFICANT_S)
    lags = seen.lost_s >= BUSY_S or (seen.watched_s > 0 and much_of_it)
    if not lags and seen.load < BUSY_LOAD:
        return seen
    hosts = [_host(host) for host in seen.hosts]
    redis, database = _redis(seen.redis), _database(seen.database)
    unsure = [host.host.name for host in hosts if host.reach == "unsure"]
    unsure += [name for name, one in (("redis", redis), ("database", database)) if one.state == "unsure"]
    return replace(seen, hosts=tuple(hosts), redis=redis, database=database, unsure=tuple(unsure))


def _host(host: ObservedHost) -> ObservedHost:
    late = host.reach in ("no_connection", "silent", "slow") or (host.reach == "dns" and _timed_out(host.detail))
    return replace(host, reach="unsure", instead="") if late else host


def _redis(redis: ObservedRedis) -> ObservedRedis:
    late = redis.state == "unavailable" and _timed_out(redis.detail)
    return replace(redis, state="unsure") if late else redis


def _database(database: ObservedDatabase) -> ObservedDatabase:
    if database.refusal is not None and database.refusal.kind == "locked":
        return replace(database, state="unsure", refusal=None)
    late = database.state == "unavailable" and _timed_out(database.detail)
    return replace(database, state="unsure") if late else database


def _timed_out(detail: str) -> bool:
    return any(word in detail.lower() for word in _TIMED_OUT)
