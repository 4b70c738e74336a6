"""Where the snapshot of the boards is kept: one for all workers, replaced as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any, cast

import orjson
from redis.asyncio import Redis

KEEP = timedelta(hours=1)
STALE = timedelta(minutes=55)
WANTED_FOR = timedelta(minutes=10)
MOST_WANTED = 24
CHANGES_FOR = timedelta(hours=24)

_BOARDS = "arena:board"
_WANTED = "arena:board:wanted"
_CHANGE = "arena:board:change:"
_MARK, _MADE, _COUNTED = "mark", "made", "counted"


@dataclass(frozen=True, slots=True)
class Head:
    """Which snapshot there is: the mark of its votes, the keys of its bodies, when it was made and how long it took."""

    mark: str
    keys: frozenset[str]
    made_at: float = 0.0
    took_s: float = 0.0


class BoardStore:
    """The boards' bytes in Redis, and which boards people read.

    ======================= ====== ====================================================== =========== =============
    key                     type   holds                                                  written by  bound
    ======================= ====== ====================================================== =========== =============
    ``arena:board``         hash   ``mark``, how far the votes went; ``made``, when and in this class, 1 h; made anew
                                   how long; ``counted``, the newest battles in it;       at once      after 55 min
                                   ``facts``, ``speed`` and each board's body by its
                                   query's key
    ``arena:board:change:`` string what the votes of the battle of that id did to the     this class  24 h
                                   default board (``change``)                             at once
    ``arena:board:wanted``  zset   keys of boards by when they were last asked for        this class  10 min, 24
    ``arena:board:turn``    string whose turn it is to make them                          ``cache``   10 s, renewed
    ======================= ====== ====================================================== =========== =============

    All bodies of a snapshot are of the same votes. Every method raises ``RedisError`` while Redis is unavailable.
    """

    def __init__(self, redis: Redis, clock: Callable[[], float] = time) -> None:
        self._redis = redis
        self._clock = clock

    async def head(self) -> Head | None:
        """The snapshot that stands, unless there is none or it is about to expire."""
        pipeline = self._redis.pipeline()
        pipeline.hmget(_BOARDS, [_MARK, _MADE])
        pipeline.hkeys(_BOARDS)
        pipeline.pttl(_BOARDS)
        (mark, made), keys, left_ms = await pipeline.execute()
        if mark is None or left_ms < (KEEP - STALE) / timedelta(milliseconds=1):
            return None
        made_at, took_s = orjson.loads(made) if made is not None else (0.0, 0.0)
        return Head(mark.decode(), frozenset(key.decode() for key in keys) - {_MARK, _MADE, _COUNTED}, made_at, took_s)

    async def bodies(self, *keys: str) -> tuple[bytes | None, ...]:
        """The bodies under ``keys``, all of one snapshot; None for what it has not."""
        found = await cast("Awaitable[list[Any]]", self._redis.hmget(_BOARDS, list(keys)))
        return tuple(found)

    async def counted(self) -> bytes | None:
        """Which battles the snapshot that stands counts; None where there is none, or an older version made it."""
        return cast("bytes | None", await cast("Awaitable[Any]", self._redis.hget(_BOARDS, _COUNTED)))

    async def change(self, battle: str) -> bytes | None:
        """What a battle did to the default board, while that is known."""
        return cast("bytes | None", await self._redis.get(_CHANGE + battle))

    async def replace(
        self,
        mark: str,
        bodies: Mapping[str, bytes],
        took_s: float,
        counted: bytes = b"",
        changes: Mapping[str, bytes] | None = None,
    ) -> None:
        """Put a new snapshot in the place of the old one, in one step; ``took_s`` is how long it took to make."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.delete(_BOARDS)
        pipeline.hset(_BOARDS, mapping={_MARK: mark, _MADE: orjson.dumps([self._clock(), took_s])})
        for key, body in bodies.items():
            pipeline.hset(_BOARDS, key, body)
        if counted:
            pipeline.hset(_BOARDS, _COUNTED, counted)
        pipeline.expire(_BOARDS, KEEP)
        for battle, change in (changes or {}).items():
            pipeline.set(_CHANGE + battle, change, ex=CHANGES_FOR, nx=True)
        await pipeline.execute()

    def begun_at(self, head: Head) -> datetime:
        """When the making of a snapshot began: it has all that was committed before."""
        return datetime.fromtimestamp(head.made_at - head.took_s, UTC)

    def since_made_s(self, head: Head) -> float:
        """How many seconds ago a snapshot was made, by the clock that dated it."""
        return self._clock() - head.made_at

    async def want(self, key: str) -> None:
        """Note that somebody reads the board ``key``."""
        pipeline = self._redis.pipeline()
        pipeline.zadd(_WANTED, {key: self._clock()})
        pipeline.zremrangebyrank(_WANTED, 0, -1 - MOST_WANTED)
        pipeline.expire(_WANTED, WANTED_FOR)
        await pipeline.execute()

    async def wanted(self) -> frozenset[str]:
        """The boards that somebody read lately."""
        since = self._clock() - WANTED_FOR.total_seconds()
        keys = await cast("Awaitable[list[Any]]", self._redis.zrangebyscore(_WANTED, since, "+inf"))
        return frozenset(key.decode() for key in keys)
