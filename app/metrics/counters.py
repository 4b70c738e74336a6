"""What this process counted, on its way to the sums of all workers."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from typing import Any, cast

import orjson
import structlog
from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from app.metrics import families
from app.metrics.families import SUM, Counted, Measured, Series
from app.tasks import until_beat
from app.timing.stopwatch import Timing

FLUSH_EVERY = timedelta(seconds=1)
LAST_FLUSH = timedelta(seconds=2)
"""How long the end of a process waits for its last sums to be taken."""

SUMS_KEY = "arena:{metrics}:sums"
SUMS_TTL = timedelta(days=30)
FLUSH_TTL = timedelta(days=1)
MOST_SERIES = 50_000
"""No new series beyond this: a fuse against labels without end. 20 hosts with 20 models make some 40,000."""

COMPLETE = ("stop", "length")

Figures = defaultdict[Series, float]

# KEYS: sums, the number of this process's last flush. ARGV: number, TTLs of both in ms, bound, then series, value, ….
# A flush that is sent again, or arrives after a later one, changes nothing.
_ADD = """
local sums, last = KEYS[1], KEYS[2]
if tonumber(redis.call('GET', last) or 0) >= tonumber(ARGV[1]) then return 0 end
local room = tonumber(ARGV[4]) - redis.call('HLEN', sums)
for i = 5, #ARGV, 2 do
  local known = redis.call('HEXISTS', sums, ARGV[i]) == 1
  if known or room > 0 then
    redis.call('HINCRBYFLOAT', sums, ARGV[i], ARGV[i + 1])
    if not known then room = room - 1 end
  end
end
redis.call('PEXPIRE', sums, ARGV[2])
redis.call('SET', last, ARGV[1], 'PX', ARGV[3])
return 1
"""

_LOG = structlog.get_logger("app.metrics.counters")


class Counters:
    """Counts in memory; ``run`` adds what is new to the sums of all workers about once a second.

    ================================ ====== =========================================== ========== ===================
    key                              type   holds                                       written by bound
    ================================ ====== =========================================== ========== ===================
    ``arena:{metrics}:sums``         hash   series, a JSON list, -> sum of all workers  this class 50,000 series; 30 d
                                                                                                   after the last flush
    ``arena:{metrics}:flush:<id>``   string the number of a process's last flush        this class 24 h after it
    ================================ ====== =========================================== ========== ===================

    (The braces are literal: one slot.) To add is not idempotent and a command may be sent twice, so each flush has
    a number, and the script takes each number once. What was not acknowledged is sent again under its old number, what
    is counted meanwhile waits for the next; a Redis that is unavailable costs no memory beyond one figure per series.
    Without ``redis`` there are the figures of this process only, for simulations.
    """

    def __init__(
        self,
        redis: Redis | None = None,
        *,
        every: timedelta = FLUSH_EVERY,
        new_id: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._every = every
        self._add = None if redis is None else redis.register_script(_ADD)
        self._keys = [SUMS_KEY, f"arena:{{metrics}}:flush:{new_id()}"]
        self._new: Figures = defaultdict(float)
        self._sent: Figures = defaultdict(float)
        self._number = 1
        self._turn = asyncio.Lock()
        self._unflushed = False

    @property
    def counted(self) -> Mapping[Series, float]:
        """What no flush has taken yet; without Redis, everything."""
        both = dict(self._sent)
        for series, value in self._new.items():
            both[series] = both.get(series, 0.0) + value
        return both

    def answered(
        self, host: str, model: str, reason: str, cause: str, timing: Timing, *, fallback: bool = False
    ) -> None:
        """An answer ended on ``host`` with ``reason`` (stop, length, error, cancelled) and the class of its error."""
        self._count(families.ANSWERS, host, model, reason, cause)
        if fallback:
            self._count(families.FALLBACK, host)
        if timing.cold:
            self._count(families.COLD, host, model)
        self._count(families.TOKENS, host, model, by=timing.tokens)
        self._measure(families.QUEUE, timing.queue_s, host, model)
        self._measure(families.TTFT, timing.ttft_s, host, model)
        if reason in COMPLETE:
            self._measure(families.ANSWER, timing.total_s, host, model)
            self._measure(families.RATE, timing.tokens_per_s, host, model)

    def loaded(self, host: str, model: str, seconds: float, *, prewarm: bool) -> None:
        """A load succeeded; a ``prewarm`` one had nobody who waited for it."""
        self._measure(families.LOAD, seconds, host, model, "yes" if prewarm else "no")

    def unloaded(self, host: str, model: str) -> None:
        """The arena itself took a model out of memory."""
        self._count(families.UNLOADS, host, model)

    def happened(self, host: str, kind: str) -> None:
        """An event of a host, such as ``host_down``."""
        self._count(families.EVENTS, host, kind)

    def moved(self, origin: str, target: str) -> None:
        """An answer moved to another host, because its own could not write it."""
        self._count(families.FAILOVERS, origin, target)

    def taken_over(self, host: str) -> None:
        """A host that another process had left is driven by this one."""
        self._count(families.TAKEOVERS, host)

    def opened(self) -> None:
        """A battle was opened."""
        self._count(families.OPENED)

    def ended(self, status: str, *, warm: bool = False) -> None:
        """A battle ended: finished, stopped or failed; ``warm``: none of its answers waited for a load."""
        self._count(families.ENDED, status)
        if warm:
            self._count(families.WARM_BATTLES)

    def drawn(self, models: Sequence[str]) -> None:
        """Contestants were drawn for a battle."""
        for model in models:
            self._count(families.DRAWN, model)
        for one, other in combinations(sorted(models), 2):
            self._count(families.DRAWN_PAIRS, one, other)

    def voted(self, verdict: str) -> None:
        """A verdict (a, b, tie, both_bad) was given."""
        self._count(families.VOTES, verdict)

    def refused(self, route: str, status: int, code: str) -> None:
        """A call was answered with an error; ``route`` is a template, empty for what is none of ours."""
        self._count(families.REFUSED, route, str(status), code)

    def _count(self, family: Counted, *labels: str, by: float = 1) -> None:
        if by:
            self._new[(family.name, *labels)] += by

    def _measure(self, family: Measured, value: float | None, *labels: str) -> None:
        if value is None or not math.isfinite(value) or value < 0:
            return
        self._new[(family.name, *labels, family.bound_of(value))] += 1
        self._new[(family.name, *labels, SUM)] += value

    async def run(self) -> None:
        """Flush until cancelled, and once more at the end."""
        if self._add is None:
            return
        try:
            while True:
                await asyncio.sleep(until_beat(self._every.total_seconds()))
                await self.flush()
        finally:
            try:
                async with asyncio.timeout(LAST_FLUSH.total_seconds()):
                    await self.flush()
            except TimeoutError:
                _LOG.warning("metrics_lost", series=len(self.counted))

    async def flush(self) -> bool:
        """Add what is new to the sums; False when Redis did not acknowledge it: the next flush sends it again."""
        if self._add is None:
            return False
        async with self._turn:
            taken = await self._send(self._add, self._sent) and await self._send_new(self._add)
        if taken == self._unflushed:
            self._unflushed = not taken
            _LOG.info("metrics_flushed_again") if taken else _LOG.warning("metrics_not_flushed")
        return taken

    async def _send_new(self, add: AsyncScript) -> bool:
        self._sent, self._new = self._new, defaultdict(float)
        return await self._send(add, self._sent)

    async def _send(self, add: AsyncScript, figures: Figures) -> bool:
        """Send ``figures``, which are in ``_sent``, under the present number; forget them once they are taken."""
        if not figures:
            return True
        pairs = [part for series, value in figures.items() for part in (orjson.dumps(series), repr(value))]
        limits = [int(SUMS_TTL.total_seconds() * 1000), int(FLUSH_TTL.total_seconds() * 1000), MOST_SERIES]
        try:
            await add(keys=self._keys, args=[self._number, *limits, *pairs])
        except (RedisError, OSError):
            return False
        self._number += 1
        self._sent = defaultdict(float)
        return True


async def read_sums(redis: Redis) -> dict[Series, float]:
    """The sums of all workers by series; what no present version writes is left out by its reader.

    Raises:
        redis.exceptions.RedisError: Redis is unavailable.
    """
    stored = await cast(Any, redis).hgetall(SUMS_KEY)
    return {tuple(orjson.loads(series)): float(value) for series, value in stored.items()}
