"""What the workers share of the draw: the rotation, how often pairs were drawn, and which models are gone.

================================== ====== ==================================================== ================= =====
key                                type   holds                                                written by        bound
================================== ====== ==================================================== ================= =====
``arena:draw:rotation``            string the rotation with the shares of its pairs, JSON      the turn's holder 30 d
``arena:draw:turn``                string a lock: whose turn it is to change the rotation      ``rotator``       10 s
``arena:draw:battles:<set>``       string how many battles were drawn from a set               each draw         2 d
``arena:draw:pairs:<hour>``        hash   pair, a JSON list, -> how often it was drawn          each draw         26 h
``arena:draw:gone``                zset   [host, model] by when the host refused the model     each process      60 s
================================== ====== ==================================================== ================= =====

The rotation is replaced by comparing and setting, so that a worker whose turn has passed can't bring an old one back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import time

import orjson
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from app.draw.planning.pairs import Pair, pairs_of
from app.draw.planning.rotation import Rotation

ROTATION = "arena:draw:rotation"
_GONE = "arena:draw:gone"

KEEP = timedelta(days=30)
BATTLES_FOR = timedelta(days=2)
HOURS = 24
GONE_FOR = timedelta(seconds=60)
"""Longer than any worker takes to ask the hosts which models they have."""

_REPLACE = """
local kept = redis.call('GET', KEYS[1])
if (kept or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


# KEYS: rotation, gone. ARGV: since when. One command instead of two.
_READ = """
return {redis.call('GET', KEYS[1]), redis.call('ZRANGEBYSCORE', KEYS[2], ARGV[1], '+inf')}
"""

# KEYS: the pairs of some hours, perhaps a set's battles. ARGV: how many hours. One command instead of one for each.
_COUNTED = """
local hours, pairs = tonumber(ARGV[1]), {}
for i = 1, hours do pairs[i] = redis.call('HGETALL', KEYS[i]) end
return {pairs, KEYS[hours + 1] and redis.call('GET', KEYS[hours + 1]) or 0}
"""

# KEYS: the hour's pairs, perhaps the set's battles. ARGV: their TTLs in seconds, then pairs.
# Not idempotent: sent twice after a lost reply it counts a battle twice, which a share of hundreds does not show.
_COUNT = """
for i = 3, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[i], 1) end
redis.call('EXPIRE', KEYS[1], ARGV[1])
if KEYS[2] then
  redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return 1
"""


@dataclass(frozen=True, slots=True)
class DrawnSets:
    """The rotation as it is shared. ``epoch`` is another one after Redis lost it; ``shares`` are those of its pairs."""

    epoch: str
    rotation: Rotation
    shares: tuple[tuple[str, str, float], ...] = ()

    @property
    def set_id(self) -> str:
        """What a battle's record has of its set."""
        return f"{self.epoch}-{self.rotation.number}"

    @property
    def by_pair(self) -> dict[Pair, float]:
        """The shares by pair."""
        return {frozenset((one, other)): share for one, other, share in self.shares}


@dataclass(frozen=True, slots=True)
class Known:
    """What one read gives; ``raw`` is the rotation as it is stored, ``gone`` the models that hosts refused lately."""

    raw: bytes = b""
    sets: DrawnSets | None = None
    gone: frozenset[tuple[str, str]] = field(default_factory=frozenset)

    @property
    def set_id(self) -> str | None:
        """What is drawn from now; None without a rotation."""
        return None if self.sets is None else self.sets.set_id


_SETS = TypeAdapter(DrawnSets)


class DrawStore:
    """The keys above. Every method raises ``RedisError`` while Redis is unavailable; ``clock`` is Unix time."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time) -> None:
        self._redis = redis
        self._clock = clock
        self._replace = redis.register_script(_REPLACE)
        self._read = redis.register_script(_READ)
        self._count = redis.register_script(_COUNT)
        self._counted = redis.register_script(_COUNTED)
        self._understood: tuple[bytes, DrawnSets | None] = (b"", None)
        self._past: dict[int, Counter[Pair]] = {}

    async def read(self) -> Known:
        """The rotation, None where there is none or another version wrote it, and what is gone."""
        raw, gone = await self._read(keys=[ROTATION, _GONE], args=[self._clock() - GONE_FOR.total_seconds()])
        raw = raw or b""
        if self._understood[0] != raw:  # it changes rarely, and is read for each battle
            self._understood = raw, _understood(raw)
        return Known(raw, self._understood[1], frozenset((host, model) for host, model in map(orjson.loads, gone)))

    async def replace(self, before: bytes, sets: DrawnSets) -> bool:
        """Put ``sets`` in the place of what was read as ``before``; False: another worker was faster."""
        keep_ms = int(KEEP.total_seconds() * 1000)
        return bool(await self._replace(keys=[ROTATION], args=[before, _SETS.dump_json(sets), keep_ms]))

    async def count(self, set_id: str | None, contestants: Sequence[str]) -> None:
        """A battle was drawn."""
        keys = [_pairs_key(int(self._clock() // 3600)), *(() if set_id is None else (_battles_key(set_id),))]
        ttls = [(HOURS + 2) * 3600, int(BATTLES_FOR.total_seconds())]
        await self._count(keys=keys, args=[*ttls, *(orjson.dumps(sorted(pair)) for pair in pairs_of(contestants))])

    async def battles_of(self, set_id: str) -> int:
        """How many battles were drawn from a set."""
        return int(await self._redis.get(_battles_key(set_id)) or 0)

    async def exposures(self) -> Counter[Pair]:
        """How often each pair was drawn within the last day."""
        return (await self.drawn(None))[0]

    async def drawn(self, set_id: str | None) -> tuple[Counter[Pair], int]:
        """How often each pair was drawn within the last day, and how many battles from a set; 0 without one.

        A day is whole hours; those that are over are read once.
        """
        now = int(self._clock() // 3600)
        day = range(now - HOURS + 1, now + 1)
        # Another worker's clock may be behind: the hour before this one may still grow.
        wanted = [hour for hour in day if hour >= now - 1 or hour not in self._past]
        keys = [*map(_pairs_key, wanted), *(() if set_id is None else (_battles_key(set_id),))]
        by_pair, battles = await self._counted(keys=keys, args=[len(wanted)])
        read = dict(zip(wanted, map(_counts, by_pair), strict=True))
        by_hour = {hour: counts for hour, counts in self._past.items() if hour in day} | read
        self._past = {hour: counts for hour, counts in by_hour.items() if hour < now - 1}
        return sum(by_hour.values(), Counter[Pair]()), int(battles)

    async def refused(self, models: Collection[tuple[str, str]]) -> None:
        """Hosts said that they do not have these models: nobody draws them for ``GONE_FOR``."""
        if not models:
            return
        now = self._clock()
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zadd(_GONE, {orjson.dumps([host, model]).decode(): now for host, model in models})
        pipeline.zremrangebyscore(_GONE, "-inf", now - GONE_FOR.total_seconds())
        pipeline.expire(_GONE, GONE_FOR)
        await pipeline.execute()


def _understood(raw: bytes) -> DrawnSets | None:
    if not raw:
        return None
    try:
        return _SETS.validate_json(raw)
    except ValidationError:  # of another version: it begins anew
        return None


def _counts(pairs: Sequence[bytes]) -> Counter[Pair]:
    """``pairs`` are pair, count, pair, count and so on, as Redis has a hash."""
    named = zip(pairs[::2], pairs[1::2], strict=True)
    return Counter({frozenset(orjson.loads(pair)): int(count) for pair, count in named})


def _battles_key(set_id: str) -> str:
    return f"arena:draw:battles:{set_id}"


def _pairs_key(hour: int) -> str:
    return f"arena:draw:pairs:{hour}"


def by_model(exposures: Iterable[tuple[Pair, int]]) -> Counter[str]:
    """How often each model was drawn together with another."""
    counts: Counter[str] = Counter()
    for pair, count in exposures:
        for model in pair:
            counts[model] += count
    return counts
