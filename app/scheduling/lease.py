"""Who drives a host: a lease in Redis, and a number that outdates everything an earlier driver does.

The lease is a ``WorkerLock``: a random token under a key that expires. It says who may start work, not who
may still write. The fence is the number of the attempt: every attempt at an answer has a higher one than all before it,
and the battle's log takes writes of the newest attempt only.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Any, Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.redis.lock import WorkerLock

LEASE = timedelta(seconds=3)
RENEW_EVERY = timedelta(seconds=1)

# KEYS: lease, counter. ARGV: our lock token. Returns the next number, or nothing when the lease isn't ours.
# Sent twice after a lost reply it skips a number, which harms nobody.
_NEXT = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return false end
return redis.call('INCR', KEYS[2])
"""


class Lease(Protocol):
    """The right to drive one host; ``app.scheduling.testing.in_memory`` has one without Redis."""

    @property
    def held(self) -> bool:
        """Whether it is surely still ours, by our own clock: false a moment early rather than late."""
        ...

    async def acquire(self) -> bool:
        """Try once to become the owner; False when another is, or when nobody can say."""
        ...

    async def renew(self) -> bool:
        """Stay the owner for another term; False when the lease is surely no longer ours."""
        ...

    async def next_token(self) -> int | None:
        """Return a number above all that were handed out before; None when the lease isn't ours."""
        ...

    async def release(self) -> None:
        """Let another become the owner at once; nothing if it isn't ours."""
        ...


class HostLease:
    """The lease of the host ``host`` in Redis.

    ============================== ======= ============================== =============== =========================
    key                            type    holds                          written by      bound
    ============================== ======= ============================== =============== =========================
    ``arena:host:{<host>}:lease``  string  the owner's random token       this class      3 s, renewed every second
    ``arena:attempts``             counter the newest attempt's number    this class      one key, never reset
    ============================== ======= ============================== =============== =========================

    ``term`` is the lease's length; ``clock`` is monotonic. Every call gives up after a third of the term.
    """

    def __init__(
        self, redis: Redis, host: str, *, term: timedelta = LEASE, clock: Callable[[], float] = monotonic
    ) -> None:
        self._lock = WorkerLock(redis, f"arena:host:{{{host}}}:lease", term, clock)
        self._next = redis.register_script(_NEXT)

    @property
    def held(self) -> bool:
        """Whether it is surely still ours, by our own clock."""
        return self._lock.held

    async def acquire(self) -> bool:
        """Try once to become the owner; False when another is, or when Redis does not answer."""
        try:
            return await self._lock.acquire()
        except (RedisError, OSError):
            return False

    async def renew(self) -> bool:
        """Stay the owner for another term; False when it has expired or is another's. No answer keeps what is left."""
        try:
            return await self._lock.renew()
        except (RedisError, OSError):
            return True

    async def next_token(self) -> int | None:
        """Return the next attempt's number; None when the lease isn't ours (checked in the same script).

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        token = self._lock.token
        if token is None or not self.held:
            return None
        number: Any = await self._next(keys=[self._lock.key, "arena:attempts"], args=[token])
        return None if number is None else int(number)

    async def taken(self) -> bool:
        """Return whether anybody drives the host now.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        return await self._lock.taken()

    async def release(self) -> None:
        """Let another become the owner at once; what can't be released expires by itself."""
        with suppress(RedisError, OSError):
            await self._lock.release()
