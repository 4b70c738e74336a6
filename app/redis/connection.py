"""How the arena's connections to Redis differ from redis-py's own: their retries and their time-outs.

Measured with redis-py 8.1 on Python 3.11:

- *Retries multiply.* redis-py retries the command, in it the connect, in that the handshake, in that the health
  check, all by the same rule. With two retries, one command at a server that had stopped answering came back after
  540 s; at a server that wants a password, a client without one checked, reconnected and checked again until the
  stack was full.
- *Cancellations get lost.* With a ``socket_timeout`` each send is wrapped into ``asyncio.wait_for``, which before
  Python 3.12 swallows a cancellation that arrives in the moment when the send is complete: a task that is cancelled
  then goes on for ever.
- *Addresses come in turns.* Of a name with two addresses the second is tried when the first has failed, which for one
  that swallows packets is after the time-out of the whole connect. The arena races them (``app.network.connecting``).
"""

from __future__ import annotations

import asyncio
import builtins
import re
import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ConnectionError,
    ReadOnlyError,
    TimeoutError,
)

from app.errors import ConfigurationError
from app.network.addresses import refuse_unescaped
from app.network.connecting import Resolve, connected, resolved

COMMAND_TIMEOUT = timedelta(seconds=5)

_FORMS = "write redis://host:6379/0, rediss://… or unix:///path/of/the.sock"
_LIMIT_S = COMMAND_TIMEOUT.total_seconds()
_RETRIES = 2
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5

_BY_NAME = ("host", "port")

_T = TypeVar("_T")


class _OutermostRetry(Retry):
    """Retries the outermost of redis-py's nested attempts on a connection; those within it have one try each."""

    _retrying = False

    async def call_with_retry(
        self,
        do: Callable[[], Awaitable[_T]],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> _T:
        """Run ``do``, as redis-py's own; ``fail`` gets each failure and drops the connection."""
        if self._retrying:
            once = Retry(self._backoff, 0, self._supported_errors)
            return await once.call_with_retry(do, fail, is_retryable, with_failure_count)
        self._retrying = True
        try:
            return await super().call_with_retry(do, fail, is_retryable or _may_heal, with_failure_count)
        finally:
            self._retrying = False


def is_refusal(error: Exception) -> bool:
    """Whether the login was refused; redis-py counts that among connection errors, or wraps it in one."""
    return _is(error, AuthenticationError, AuthorizationError)


def _may_heal(error: Exception) -> bool:
    """Whether to try again at once: a wrong password stays wrong, and a server that hangs has had its time."""
    return not is_refusal(error) and not _is(error, TimeoutError)


def _is(error: Exception, *kinds: type[Exception]) -> bool:
    """The kind of an error, also when the connect has wrapped it into a ConnectionError."""
    return isinstance(error, kinds) or isinstance(error.__cause__, kinds)


class _Bounded(AbstractConnection):
    """Gives each send and each reply ``COMMAND_TIMEOUT``, in a way that a cancellation always comes through.

    ``socket_timeout`` must be None, or redis-py adds its own. In both cases redis-py then closes the connection.
    """

    __slots__ = ()

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Send, and connect before if need be, as redis-py's own."""
        try:
            async with asyncio.timeout(_LIMIT_S):
                await super().send_packed_command(command, check_health)
        except builtins.TimeoutError:
            raise TimeoutError(f"sending to Redis took longer than {_LIMIT_S:g} s") from None

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None, **options: Any) -> Any:  # noqa: ASYNC109 - redis-py's signature
        """Read one reply, as redis-py's own; who waits for news of a subscription names a ``timeout`` of its own."""
        if timeout is not None:
            return await super().read_response(disable_decoding, timeout, **options)
        try:
            async with asyncio.timeout(_LIMIT_S):
                return await super().read_response(disable_decoding, **options)
        except builtins.TimeoutError:
            raise TimeoutError(f"Redis did not answer within {_LIMIT_S:g} s") from None


class _Tcp(_Bounded, Connection):
    """Over TCP; the addresses of the server's name are raced."""

    def __init__(self, *, resolve: Resolve = resolved, **options: Any) -> None:
        super().__init__(**options)
        self._resolve = resolve
        self._raced: socket.socket | None = None

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            try:
                self._raced = await connected(self.host, self.port, self._resolve)
                await super()._connect()  # type: ignore[no-untyped-call]
            except BaseException:
                if self._raced is not None:
                    self._raced.close()
                raise
            finally:
                self._raced = None

    def _connection_arguments(self) -> dict[str, Any]:
        """What ``asyncio.open_connection`` is called with; the certificate must be the name's."""
        others = {name: value for name, value in super()._connection_arguments().items() if name not in _BY_NAME}
        named = {"server_hostname": self.host.partition("%")[0]} if others.get("ssl") else {}
        return {**others, **named, "sock": self._raced}


class _Tls(_Tcp, SSLConnection):
    """Over TLS."""


class _Unix(_Bounded, UnixDomainSocketConnection):
    __slots__ = ()


_BOUNDED: dict[type[AbstractConnection], type[_Bounded]] = {
    Connection: _Tcp,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
}


def _refuse_what_would_be_guessed(url: str) -> None:
    """Refuse where redis-py would go on with localhost or with database 0."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return
    if parts.netloc and not parts.hostname:
        raise ConfigurationError(f"REDIS_URL names no host; {_FORMS}")
    if not re.fullmatch(r"(/\d*)?", parts.path):
        raise ConfigurationError(f"REDIS_URL: after the host stands the number of a database; {_FORMS}")


def connection_options(url: str, resolve: Resolve = resolved) -> dict[str, Any]:
    """Return what a pool needs to know of a URL, for connections with a limit on each command.

    ``resolve`` finds the addresses of the server's name.

    Raises:
        ConfigurationError: the URL can't be understood; nothing of it is repeated, for it may hold a password.
    """
    if not re.match(r"(redis|rediss|unix)://", url):
        raise ConfigurationError(f"REDIS_URL can't be understood; {_FORMS}")
    refuse_unescaped(url, "REDIS_URL")
    try:
        _refuse_what_would_be_guessed(url)
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError:
        raise ConfigurationError(f"REDIS_URL can't be understood; {_FORMS}") from None
    kind = options["connection_class"] = _BOUNDED[options.get("connection_class", Connection)]
    return {**options, "resolve": resolve} if issubclass(kind, _Tcp) else options


def retry() -> Retry:
    """Two more tries within half a second: enough for a dropped connection or a failover's first moment.

    A time-out is not retried: a command to a server that hangs fails after 5 s, not after 15.
    """
    pauses = ExponentialWithJitterBackoff(base=_FIRST_PAUSE_S, cap=_LONGEST_PAUSE_S)
    return _OutermostRetry(pauses, _RETRIES, supported_errors=(ConnectionError, BusyLoadingError, ReadOnlyError))
