"""Redis clients: one for commands, one for subscriptions, and what a server must be like.

Everything is set explicitly, because redis-py's defaults differ between its constructors (``Redis()`` sends a
failed command again ten times, ``from_url`` never) and change between releases. Replies stay bytes.

A command that lost its connection or timed out may have been executed all the same. The former is sent again
here, the latter by its caller if it likes. Both are safe because every write of the arena is idempotent: a script
that compares a version, a token and a sequence number, or a command such as SET, HSET or EXPIRE that may be said
twice. Whoever adds a write that is not (``XADD *``, ``INCR``, ``RPUSH``) must put it into such a script.

No command may block for longer than ``COMMAND_TIMEOUT``: there is no XREAD BLOCK here; who waits for news
subscribes.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from app.errors import ConfigurationError, Unavailable
from app.redis_connection import COMMAND_TIMEOUT, connection_options, is_refusal, retry

CONNECT_TIMEOUT = timedelta(seconds=2)
POOL_TIMEOUT = timedelta(seconds=2)
HEALTH_CHECK_INTERVAL = timedelta(seconds=15)
MAX_CONNECTIONS = 20
OLDEST_VERSION = (6, 2)

__all__ = ["AWAY", "COMMAND_TIMEOUT", "check_redis", "commands_client", "subscriber_client"]

AWAY = (ConnectionError, TimeoutError, ReadOnlyError, BusyLoadingError)
"""The errors that mean "not now, try again": answered with 503, and healed by waiting."""


def commands_client(url: str) -> Redis:
    """Return the client for everything but subscriptions; ``url`` is ``redis://``, ``rediss://`` or ``unix://``.

    A burst beyond ``MAX_CONNECTIONS`` waits for a free connection up to ``POOL_TIMEOUT`` instead of failing at once.
    That wait costs 8-12 µs of CPU a command over redis-py's plain pool (53 against 42 µs under asyncio's loop, 38
    against 30 under uvloop, ten at a time); with one write per worker and tick it is far below 0.1 % of a core.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    return Redis.from_pool(_pool(BlockingConnectionPool, url, timeout=POOL_TIMEOUT.total_seconds()))


def subscriber_client(url: str) -> Redis:
    """Return the client for pub/sub only: it may wait for a message without limit, but not for anything else.

    A connection that died in silence is noticed by TCP keep-alive, and sooner by whoever misses the messages.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    return Redis.from_pool(_pool(ConnectionPool, url))


async def check_redis(client: Redis) -> list[str]:
    """Return a sentence for each thing about the server that works, but not well.

    Raises:
        ConfigurationError: the server is too old, or refuses our name or password.
        Unavailable: the server does not answer.
    """
    try:
        info: dict[str, Any] = await client.info("everything")
    except AWAY as error:
        if is_refusal(error):
            raise ConfigurationError(f"Redis refuses the login ({error}); check REDIS_URL or REDIS_PASSWORD") from None
        raise Unavailable(f"Redis does not answer ({error}); start it or correct REDIS_URL") from None
    except RedisError as error:
        raise ConfigurationError(f"Redis refuses INFO ({error}); allow it for this user") from None
    _refuse_old(str(info.get("redis_version", "")))
    return _warnings(info)


def _pool(kind: type[ConnectionPool], url: str, **limits: Any) -> ConnectionPool:
    try:
        options = connection_options(url)
    except ValueError:
        # The message of redis-py may repeat the URL, and that may hold a password.
        raise ConfigurationError(
            "REDIS_URL can't be understood; write redis://host:6379/0, rediss://… or unix:///path/of/the.sock"
        ) from None
    explicit: dict[str, Any] = {
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_TIMEOUT.total_seconds(),
        "health_check_interval": HEALTH_CHECK_INTERVAL.total_seconds(),
        "max_connections": MAX_CONNECTIONS,
        "retry": retry(),
        "decode_responses": False,
        "protocol": 2,
    }
    return kind(**{**options, **explicit, **limits})


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
