"""How often a trial request arrived, counted for all processes: whether something on the way sends requests twice.

Keys ``arena:trial:<nonce>``: a set with an id of each arrival, for ``KEPT``; written twice, it is the same.
"""

from __future__ import annotations

import secrets
from datetime import timedelta

from redis.asyncio import Redis

KEPT = timedelta(minutes=10)


class Arrivals:
    """Counts arrivals by the caller's ``nonce``; raises ``RedisError`` while Redis is unavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def note(self, nonce: str) -> None:
        """One has arrived."""
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.sadd(_key(nonce), secrets.token_hex(8))
            pipeline.expire(_key(nonce), KEPT)
            await pipeline.execute()

    async def count(self, nonce: str) -> int:
        """How many have arrived."""
        return int(await self._redis.scard(_key(nonce)))


def _key(nonce: str) -> str:
    return f"arena:trial:{nonce}"
