"""One model server over HTTP, whatever protocol it speaks: a backend asks through this and nothing else.

So every call has the same head (host, user agent, login), takes the same way (addresses, TLS, limits) and fails in the
same classes; what a probe finds is what a chat will find.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime

from app.backends.base import BackendError, BackendUnavailable, UpstreamFailed
from app.backends.exchange import Exchange
from app.backends.kept import KeptConnections
from app.backends.target import Access
from app.backends.timeouts import DEFAULT_LIMITS
from app.network.connecting import Resolve, resolved

LARGEST_REPLY = 8 * 1024 * 1024
LARGEST_ERROR = 64 * 1024
STILL_RUNNING = 303
MOST_HOPS = 20
"""As browsers have it; 20 times 150 s are longer than any limit here."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response; ``location`` is where a redirect leads.

    ``at`` is Unix time by the server's clock, known to half a second; None where it sends none.
    """

    status: int
    body: bytes
    location: str = ""
    at: float | None = None


class ModelServer:
    """The server that ``access`` leads to, or that is at this URL; ``resolve`` finds the addresses of its name.

    A connection whose response came whole is kept for the next call for ``keep``, and closed by ``close``; with zero
    each call has one of its own.
    """

    def __init__(
        self,
        access: Access | str,
        *,
        connect: timedelta = DEFAULT_LIMITS.connect,
        resolve: Resolve = resolved,
        keep: timedelta = timedelta(0),
    ) -> None:
        self._target = (Access(access) if isinstance(access, str) else access).target()
        self._connect_s = connect.total_seconds()
        self._resolve = resolve
        self._kept = KeptConnections(keep) if keep else None

    def close(self) -> None:
        """Close the connections that are kept."""
        if self._kept is not None:
            self._kept.close()

    async def send(self, method: str, path: str, body: bytes | None = None) -> Exchange:
        """Connect and send; whoever calls reads the response, sets its limits, and closes it.

        Raises:
            BackendUnavailable: there is no connection.
        """
        try:
            return await Exchange.send(self._target, method, path, body, self._connect_s, self._resolve, self._kept)
        except TimeoutError:
            raise BackendUnavailable(f"no connection within {self._connect_s:g} s") from None
        except (OSError, UnicodeError) as error:
            raise BackendUnavailable(f"{type(error).__name__}: {error}") from None

    async def begin(self, method: str, path: str, body: bytes | None = None) -> Exchange:
        """Send, and wait for the response's headers; "still running" (303) is waited on where it leads to.

        A server that scales to zero holds a request while it starts; a platform that holds none for that long (Modal:
        150 s) redirects to a place where the same request goes on, which is asked with GET.

        Raises:
            BackendUnavailable: there is no connection.
        """
        for _ in range(MOST_HOPS):
            exchange = await self._headed(method, path, body)
            while exchange.stale:  # the server closed it while it was kept; a new connection never is
                exchange.close()
                exchange = await self._headed(method, path, body)
            onward = self._target.path_to(exchange.location) if exchange.status == STILL_RUNNING else None
            if onward is None:
                return exchange
            exchange.close()
            method, path, body = "GET", onward, None
        raise UpstreamFailed(f"still not there after {MOST_HOPS} redirects")

    async def _headed(self, method: str, path: str, body: bytes | None) -> Exchange:
        exchange = await self.send(method, path, body)
        try:
            await exchange.headers()
        except BaseException:
            exchange.close()
            raise
        return exchange

    async def ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        limit: timedelta,
        late: type[BackendError] = BackendUnavailable,
    ) -> Reply:
        """Send, and read the whole response, of whatever status.

        Raises:
            BackendError: no connection, no HTTP, or too much; ``late`` when it takes longer than ``limit``.
        """
        exchange: Exchange | None = None
        try:
            async with asyncio.timeout(limit.total_seconds()):
                exchange = await self.begin(method, path, body)
                refuse_compressed(exchange)
                return Reply(exchange.status, await _whole(exchange), exchange.location, served_at(exchange.date))
        except TimeoutError:
            raise late(f"no answer to {path} within {limit.total_seconds():g} s") from None
        finally:
            if exchange is not None:
                exchange.close()


def served_at(date: str) -> float | None:
    """Unix time by a ``Date`` header, which is cut to whole seconds: the middle of its second."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5
    except (ValueError, TypeError, OverflowError):
        return None


def refuse_compressed(exchange: Exchange) -> None:
    """Raise UpstreamFailed for a response that is compressed."""
    if exchange.encoding not in ("", "identity"):
        raise UpstreamFailed(f"the response is compressed ({exchange.encoding[:20]!r}) though it was asked not to be")


async def body_of(exchange: Exchange, limit: int) -> bytes:
    """The body, as far as it comes; of a long one somewhat more than ``limit`` bytes."""
    body = bytearray()
    while len(body) <= limit and (piece := await exchange.read()):
        body += piece
    return bytes(body)


async def _whole(exchange: Exchange) -> bytes:
    body = await body_of(exchange, LARGEST_REPLY)
    if len(body) > LARGEST_REPLY:
        raise UpstreamFailed(f"a reply of more than {LARGEST_REPLY} bytes")
    error = exchange.error
    if error is not None and not isinstance(error, OSError):
        raise UpstreamFailed(f"the response is not HTTP ({error})")
    if error is not None or exchange.cut:
        raise BackendUnavailable(f"the connection was lost ({error})" if error else "the connection was closed early")
    return body
