"""One request to a server, and what its failure means: names, sockets, TLS and HTTP, below Ollama's own format."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from app.backends.exchange import Exchange
from app.backends.server import LARGEST_REPLY, body_of, served_at
from app.backends.target import Target
from app.backends.values import decoded
from app.doctor.probing.observation import Reach
from app.network.connecting import resolved

M = TypeVar("M", bound=BaseModel)


class NotReached(Exception):
    """How far the probe got, and why it stopped."""

    def __init__(self, reach: Reach, detail: str = "", kind: str = "") -> None:
        super().__init__(detail)
        self.reach, self.detail, self.kind = reach, detail, kind


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response, and the server's clock minus ours by its Date header (known to about a second)."""

    status: int
    body: bytes
    location: str = ""
    skew_s: float | None = None


async def exchanged(
    target: Target, path: str, body: dict[str, str] | None, limit_s: float, wall: Callable[[], float]
) -> HttpResponse:
    """GET ``path``, or POST ``body`` there, as a backend does; only the first 8 MB of the response are read.

    Raises:
        OSError: no connection, no TLS, or no whole response; TimeoutError after ``limit_s`` seconds.
        ValueError: the response is not HTTP.
    """
    began = wall()
    sent = None if body is None else json.dumps(body).encode()
    async with asyncio.timeout(limit_s):
        exchange = await Exchange.send(target, "GET" if body is None else "POST", path, sent, limit_s)
        try:
            await exchange.headers()
            middle = (began + wall()) / 2
            read = await body_of(exchange, LARGEST_REPLY)
        finally:
            exchange.close()
    _refuse_broken(exchange, len(read) > LARGEST_REPLY)
    return HttpResponse(exchange.status, read, exchange.location, _skew_s(exchange.date, middle))


def _refuse_broken(exchange: Exchange, left_off: bool) -> None:
    if left_off:
        return
    if isinstance(exchange.error, OSError):
        raise exchange.error
    if exchange.error is not None:
        raise ValueError(str(exchange.error))
    if exchange.cut:
        raise ConnectionResetError("the connection was closed early")


def _skew_s(date: str, now: float) -> float | None:
    theirs = served_at(date)
    return None if theirs is None else theirs - now


def parsed(body: bytes, reply: type[M]) -> M | None:
    """``body`` as a ``reply``; None when it is not valid."""
    try:
        return reply.model_validate(decoded(body))
    except ValueError:
        return None


def listed(answer: HttpResponse | BaseException, reply: type[M]) -> M | None:
    """The list in a response; None when it did not come or is not valid."""
    if isinstance(answer, HttpResponse):
        return parsed(answer.body, reply)
    if isinstance(answer, NotReached):
        return None
    raise answer


def broken(error: OSError | ValueError) -> tuple[Reach, str]:
    """What a failed exchange means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "untrusted", error.verify_message
    if isinstance(error, ssl.SSLError):
        return "not_tls", error.reason or str(error)
    return "reset", str(error) or type(error).__name__


async def addresses_of(name: str, port: int) -> tuple[str, ...]:
    """The IP addresses of ``name``, the best first; raises OSError or UnicodeError when it has none."""
    return tuple(dict.fromkeys(str(address[4][0]) for address in await resolved(name, port)))
