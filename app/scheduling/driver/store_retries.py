"""Waiting for Redis or the database to come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import RedisError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from app.errors import Unavailable

T = TypeVar("T")

STORE_UNAVAILABLE: Final = (RedisError, Unavailable, OSError)
"""What heals by itself: Redis or the database is unavailable (a timeout is an OSError)."""

STORE_LIMIT_S: Final = 60.0
"""How long what is known of an attempt (its end, or that it was left) waits for Redis to come back."""

FIRST_PAUSE_S: Final = 0.1
"""Before the first retry; it doubles, up to a second. A Redis that only lost a connection is back at once."""


async def until_the_store_is_back(call: Callable[[], Awaitable[T]]) -> T:
    """Call again while the store is unavailable, for at most ``STORE_LIMIT_S``; then its error is raised."""
    try:
        return await call()
    except STORE_UNAVAILABLE:
        await asyncio.sleep(FIRST_PAUSE_S)
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(STORE_UNAVAILABLE),
        stop=stop_after_delay(STORE_LIMIT_S),
        wait=wait_exponential(multiplier=2 * FIRST_PAUSE_S, max=1.0),
        sleep=asyncio.sleep,
        reraise=True,
    )
    return await retrying(call)
