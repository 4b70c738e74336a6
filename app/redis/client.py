"""Redis clients: one for commands, one for subscriptions, and what a server must be like.

Everything is set explicitly, because redis-py's defaults differ between its constructors (``Redis()`` sends a
failed command again ten times, ``from_url`` never) and change between releases. Replies stay bytes.

A command that lost its connection or timed out may have been executed all the same. The former is sent again by
the client, the latter by its caller if it likes. Both are safe because every write of the arena is idempotent: a script
that compares a version, a token and a sequence number, or a command such as SET, HSET or EXPIRE that may be said
twice. Whoever adds a write that is not (``XADD *``, ``INCR``, ``RPUSH``) must put it into such a script.

No command may block for longer than ``COMMAND_TIMEOUT``: the arena has no XREAD BLOCK; who waits for news
subscribes.
"""

from __future__ import annotations

import asyncio
import builtins
import re
from datetime import timedelta
from typing import Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from app.errors import ConfigurationError, Unavailable
from app.network.connecting import Resolve, resolved
from app.redis.connection import COMMAND_TIMEOUT, connection_options, is_refusal, retry
from app.redis.shared import SharedRedis

CONNECT_TIMEOUT = timedelta(seconds=2)
POOL_TIMEOUT = timedelta(seconds=2)
HEALTH_CHECK_INTERVAL = timedelta(seconds=15)
MAX_CONNECTIONS = 20
OLDEST_VERSION = (6, 2)

__all__ = ["COMMAND_TIMEOUT", "UNAVAILABLE", "check_redis", "commands_client", "shared_client", "subscriber_client"]

UNAVAILABLE = (ConnectionError, TimeoutError, ReadOnlyError, BusyLoadingError)
"""The errors that mean "not now, try again": answered with 503, and healed by waiting."""


class FairPool(ConnectionPool):
    """First come, first served; a caller that has waited for ``timeout`` seconds gets a ``ConnectionError``.

    In redis-py's ``BlockingConnectionPool`` a new caller overtakes those who wait, and they begin again at the end:
    with 400 callers at 20 connections every fourth timed out after 2 s while half were served within 0.05 s.
    """

    def __init__(self, *, timeout: float, **options: Any) -> None:
        super().__init__(**options)
        self._timeout_s = timeout
        self._turns = asyncio.Semaphore(self.max_connections)

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> AbstractConnection:  # noqa: ARG002 - redis-py's signature
        """Wait for a connection; it is connected."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._turns.acquire()
        except builtins.TimeoutError:
            raise ConnectionError("No connection available.") from None
        try:
            connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._turns.release()
            raise
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Hand a connection to the caller that has waited longest."""
        try:
            await super().release(connection)
        finally:
            self._turns.release()


def commands_client(url: str, resolve: Resolve = resolved) -> Redis:
    """Return the client for everything but subscriptions; ``url`` is ``redis://``, ``rediss://`` or ``unix://``.

    A burst beyond ``MAX_CONNECTIONS`` waits for a free connection up to ``POOL_TIMEOUT`` instead of failing at once.
    ``resolve`` finds the addresses of the server's name.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    return Redis.from_pool(_pool(FairPool, url, resolve, timeout=POOL_TIMEOUT.total_seconds()))


def shared_client(url: str, resolve: Resolve = resolved) -> Redis:
    """Return ``commands_client``'s equal for a process that serves: its commands share a connection.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    return SharedRedis.from_pool(_pool(FairPool, url, resolve, timeout=POOL_TIMEOUT.total_seconds()))


def subscriber_client(url: str, resolve: Resolve = resolved) -> Redis:
    """Return the client for pub/sub only: it may wait for a message without limit, but not for anything else.

    A connection that died in silence is noticed by TCP keep-alive, and sooner by whoever misses the messages.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    return Redis.from_pool(_pool(ConnectionPool, url, resolve))


async def check_redis(client: Redis) -> list[str]:
    """Return a sentence for each thing about the server that works, but not well.

    Raises:
        ConfigurationError: the server is too old, or refuses our name or password.
        Unavailable: the server does not answer.
    """
    try:
        info: dict[str, Any] = await client.info("everything")
    except UNAVAILABLE as error:
        if is_refusal(error):
            raise ConfigurationError(f"Redis refuses the login ({error}); check REDIS_URL or REDIS_PASSWORD") from None
        raise Unavailable(f"Redis does not answer ({error}); start it or correct REDIS_URL") from None
    except RedisError as error:
        raise ConfigurationError(f"Redis refuses INFO ({error}); allow it for this user") from None
    _refuse_old(str(info.get("redis_version", "")))
    return _warnings(info)


def _pool(kind: type[ConnectionPool], url: str, resolve: Resolve, **limits: Any) -> ConnectionPool:
    options = connection_options(url, resolve)
    explicit: dict[str, Any] = {
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_TIMEOUT.total_seconds(),
        "health_check_interval": HEALTH_CHECK_INTERVAL.total_seconds(),
        "max_connections": MAX_CONNECTIONS,
        "retry": retry(),
        "decode_responses": False,
        "protocol": 2,
    }
    pool = kind(**{**options, **explicit, **limits})
    try:
        pool.connection_class(**pool.connection_kwargs)  # connects to nothing yet
    except TypeError as error:
        word = re.search(r"argument '(\w+)'", str(error))
        what = f"knows no {word[1]}; take it out" if word else "can't be understood"
        raise ConfigurationError(f"REDIS_URL: a connection to Redis {what}") from None
    return pool


def _refuse_old(version: str) -> None:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_VERSION:
        oldest = ".".join(map(str, OLDEST_VERSION))
        raise ConfigurationError(f"Redis {version or 'of unknown version'} is too old; use {oldest} or newer")


def _warnings(info: dict[str, Any]) -> list[str]:
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return []
    return [
        f"Redis may drop running battles when its memory is full (maxmemory-policy is {policy}); "
        "set maxmemory-policy to noeviction"
    ]
