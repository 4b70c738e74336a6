"""Which verdicts still wait for their reply, for callers that can't say which round they judge.

Such a verdict is about what its sender had seen. Until the reply to a verdict was sent, nobody has seen the round that
it opened; and a moment after it, the same verdict again is a click that was on its way.

=============================== ====== ================================= =========== ===============================
key                             type   holds                             written by  bound
=============================== ====== ================================= =========== ===============================
``arena:{b}:reply:<round>:<h>`` string ``owed``, then ``sent``; ``h`` is here        owed: ``pending_for``, more than a
                                       the hash of the request that                  call may take (its worker may
                                       judged the round                              die); sent: ``keep_for``
=============================== ====== ================================= =========== ===============================
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, cast

from redis.asyncio import Redis

PENDING_FOR = timedelta(seconds=32)
KEEP_FOR = timedelta(seconds=2)

ReplyState = Literal["owed", "sent"]


class Replies:
    """The same for all workers. Raises ``redis.RedisError`` while Redis is unavailable."""

    def __init__(self, redis: Redis, *, pending_for: timedelta = PENDING_FOR, keep_for: timedelta = KEEP_FOR) -> None:
        self._redis = redis
        self._pending_for = pending_for
        self._keep_for = keep_for

    async def mark_pending(self, battle: str, round_number: int, request: str) -> None:
        """Note, before the verdict counts, that ``request`` waits for its reply."""
        await self._redis.set(_key(battle, round_number, request), "owed", px=self._pending_for)

    async def mark_sent(self, battle: str, round_number: int, request: str) -> None:
        """Note that the reply to ``request`` is being sent."""
        await self._redis.set(_key(battle, round_number, request), "sent", px=self._keep_for)

    async def state(self, battle: str, round_number: int, request: str) -> ReplyState | None:
        """Whether the reply to ``request`` is owed or was sent a moment ago; else None."""
        value = cast("bytes | None", await self._redis.get(_key(battle, round_number, request)))
        return None if value is None else cast("ReplyState", value.decode())


def _key(battle: str, round_number: int, request: str) -> str:
    return f"arena:{{{battle}}}:reply:{round_number}:{request}"
