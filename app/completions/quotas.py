"""What a caller may do: so many calls at once and so many in a minute, counted by all workers together."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, Literal, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.tasks import Background

LONGEST_CALL = timedelta(minutes=30)
"""A call that was not given back is forgotten after that time: its worker has died."""

log = structlog.get_logger(__name__)

# KEYS: calls, minute. ARGV: id, now, forgotten at, most at once, most in a minute. Returns 0, or 1 or 2: which limit.
_ADMIT = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 1 end
if tonumber(redis.call('GET', KEYS[2]) or '0') >= tonumber(ARGV[5]) then return 2 end
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], 120)
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(ARGV[3] - ARGV[2]))
return 0
"""

Limit = Literal["calls", "per_minute"]


class OverQuota(Exception):
    """The caller is at a limit; after ``retry_after_s`` whole seconds another try makes sense."""

    def __init__(self, limit: Limit, retry_after_s: int) -> None:
        super().__init__(limit)
        self.limit = limit
        self.retry_after_s = retry_after_s


class Quotas:
    """The limits of every caller; ``clock`` is Unix time, the same on all machines.

    ================================ ====== ==================================== ===========
    key                              type   holds                                bound
    ================================ ====== ==================================== ===========
    ``arena:calls:{<who>}``          zset   call id -> when it is forgotten      30 min
    ``arena:calls:{<who>}:<minute>`` string how many calls began in that minute  2 min
    ================================ ====== ==================================== ===========
    """

    def __init__(self, redis: Redis, at_once: int, per_minute: int, clock: Callable[[], float]) -> None:
        self._redis = redis
        self._at_once, self._per_minute = at_once, per_minute
        self._clock = clock
        self._admit = redis.register_script(_ADMIT)
        self._background = Background()

    async def admit(self, who: str) -> Callable[[], None]:
        """Count a call of ``who``; call what is returned when the call has ended, wherever that is.

        Raises:
            OverQuota: there are too many.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        now, calls, id_ = self._clock(), f"arena:calls:{{{who}}}", secrets.token_hex(8)
        forgotten = int(now + LONGEST_CALL.total_seconds())
        keys = [calls, f"{calls}:{int(now // 60)}"]
        over = int(cast(Any, await self._admit(keys=keys, args=[id_, now, forgotten, self._at_once, self._per_minute])))
        if over:
            raise OverQuota("calls", 2) if over == 1 else OverQuota("per_minute", 60 - int(now % 60))
        return partial(self._background.start, partial(self._give_back, calls, id_), f"give back {id_}")

    async def _give_back(self, calls: str, id_: str) -> None:
        try:
            await self._redis.zrem(calls, id_)
        except (RedisError, OSError) as error:
            log.warning("call_not_given_back", reason=type(error).__name__)

    async def aclose(self) -> None:
        """End what is being given back."""
        await self._background.aclose()
