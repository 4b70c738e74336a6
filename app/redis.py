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
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ConnectionError,
    ReadOnlyError,
    RedisError,
    TimeoutError,
)

from app.errors import ConfigurationError, Unavailable

COMMAND_TIMEOUT = timedelta(seconds=5)
CONNECT_TIMEOUT = timedelta(seconds=2)
POOL_TIMEOUT = timedelta(seconds=2)
HEALTH_CHECK_INTERVAL = timedelta(seconds=15)
MAX_CONNECTIONS = 20
OLDEST_VERSION = (6, 2)

AWAY = (ConnectionError, TimeoutError, ReadOnlyError, BusyLoadingError)
"""The errors that mean "not now, try again": answered with 503, and healed by waiting."""

_RETRIES = 2
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5

_T = TypeVar("_T")


def commands_client(url: str) -> Redis:
    """Return the client for everything but subscriptions; ``url`` is ``redis://``, ``rediss://`` or ``unix://``.

    A burst beyond ``MAX_CONNECTIONS`` waits for a free connection up to ``POOL_TIMEOUT`` instead of failing at once.
    That wait costs 8-12 µs of CPU a command over redis-py's plain pool (53 against 42 µs under asyncio's loop, 38
    against 30 under uvloop, ten at a time); with one write per worker and tick it is far below 0.1 % of a core.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    pool = _pool(
        BlockingConnectionPool,
        url,
        timeout=POOL_TIMEOUT.total_seconds(),
        max_connections=MAX_CONNECTIONS,
        socket_timeout=COMMAND_TIMEOUT.total_seconds(),
    )
    return Redis.from_pool(pool)


def subscriber_client(url: str) -> Redis:
    """Return the client for pub/sub only: it may wait for a message without limit.

    A connection that died in silence is noticed by TCP keep-alive, and sooner by whoever misses the messages.

    Raises:
        ConfigurationError: the URL can't be understood.
    """
    return Redis.from_pool(_pool(ConnectionPool, url, max_connections=MAX_CONNECTIONS, socket_timeout=None))


async def check_redis(client: Redis) -> list[str]:
    """Return a sentence for each thing about the server that works, but not well.

    Raises:
        ConfigurationError: the server is too old, or refuses our name or password.
        Unavailable: the server does not answer.
    """
    try:
        info: dict[str, Any] = await client.info("everything")
    except AWAY as error:
        if _is_refusal(error):
            raise ConfigurationError(f"Redis refuses the login ({error}); check REDIS_URL or REDIS_PASSWORD") from None
        raise Unavailable(f"Redis does not answer ({error}); start it or correct REDIS_URL") from None
    except RedisError as error:
        raise ConfigurationError(f"Redis refuses INFO ({error}); allow it for this user") from None
    _refuse_old(str(info.get("redis_version", "")))
    return _warnings(info)


def _pool(kind: type[ConnectionPool], url: str, **limits: Any) -> ConnectionPool:
    try:
        return kind.from_url(
            url,
            socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
            health_check_interval=HEALTH_CHECK_INTERVAL.total_seconds(),
            retry=_retry(),
            decode_responses=False,
            protocol=2,
            **limits,
        )
    except ValueError:
        # The message of redis-py may repeat the URL, and that may hold a password.
        raise ConfigurationError(
            "REDIS_URL can't be understood; write redis://host:6379/0, rediss://… or unix:///path/of/the.sock"
        ) from None


class _OutermostRetry(Retry):
    """Retries the outermost of redis-py's nested attempts on a connection, and each one within it only once.

    redis-py retries the command, in it the connect, in that the handshake, in that the health check, all with the
    same object, so the tries multiply. With its own ``Retry(…, 2)`` one command waited 540 s (measured) for a server
    that had stopped answering; one that wanted a password never came back from its health check at all, which
    reconnects and so checks again.
    """

    _retrying = False

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[_T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> _T:
        """Run ``do``, as redis-py's own; ``fail`` is told of each failure and drops the connection."""
        if self._retrying:
            once = Retry(self._backoff, 0, self._supported_errors)
            return await once.call_with_retry(do, fail, is_retryable, with_failure_count)
        self._retrying = True
        try:
            return await super().call_with_retry(do, fail, is_retryable or _may_heal, with_failure_count)
        finally:
            self._retrying = False


def _is_refusal(error: BaseException) -> bool:
    """Tell whether the login was refused; redis-py counts that among connection errors, or wraps it in one."""
    refused = (AuthenticationError, AuthorizationError)
    return isinstance(error, refused) or isinstance(error.__cause__, refused)


def _may_heal(error: Exception) -> bool:
    """Tell whether to try again: a wrong password stays wrong."""
    return not _is_refusal(error)


def _retry() -> Retry:
    """Two more tries within half a second: enough for a dropped connection or a failover's first moment.

    A time-out is not among them: a command at a server that hangs is told after 5 s, not after 15.
    """
    pauses = ExponentialWithJitterBackoff(base=_FIRST_PAUSE_S, cap=_LONGEST_PAUSE_S)
    return _OutermostRetry(pauses, _RETRIES, supported_errors=(ConnectionError, BusyLoadingError, ReadOnlyError))


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
