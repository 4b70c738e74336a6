"""One question to a server, and what its failure means: names, sockets, TLS and HTTP, before anything of Ollama."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
from pydantic import BaseModel

from app.backends.ollama_rows import decoded
from app.doctor.observation import Reach

_LARGEST = 8 * 1024 * 1024

M = TypeVar("M", bound=BaseModel)


class NotReached(Exception):
    """How far it got, and what was in the way."""

    def __init__(self, reach: Reach, detail: str = "") -> None:
        super().__init__(detail)
        self.reach, self.detail = reach, detail


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, and the server's clock less ours by its Date header (known to about a second)."""

    status: int
    body: bytes
    location: str = ""
    skew_s: float | None = None


def client(verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
    """A client that follows no redirect, takes no proxy from the environment, and leaves limits to its caller."""
    return httpx.AsyncClient(timeout=None, verify=verify, trust_env=False, follow_redirects=False)


async def exchange(http: httpx.AsyncClient, url: str, body: dict[str, str] | None, wall: Callable[[], float]) -> Answer:
    """GET ``url``, or POST ``body`` there; of a very long answer the first 8 MB."""
    began = wall()
    method = "GET" if body is None else "POST"
    async with http.stream(method, url, json=body) as response:
        middle = (began + wall()) / 2
        read = bytearray()
        async for piece in response.aiter_bytes():
            read += piece
            if len(read) > _LARGEST:
                break
    skew_s = _skew_s(response.headers.get("date", ""), middle)
    return Answer(response.status_code, bytes(read), response.headers.get("location", ""), skew_s)


def _skew_s(date: str, now: float) -> float | None:
    """A Date header is cut to whole seconds, so half a second is added."""
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now
    except (ValueError, TypeError, OverflowError):
        return None


def parsed(body: bytes, reply: type[M]) -> M | None:
    """``body`` as a ``reply``; None when it is none."""
    try:
        return reply.model_validate(decoded(body))
    except ValueError:
        return None


def listed(answer: Answer | BaseException, reply: type[M]) -> M | None:
    """A list that was asked for; None when it did not come."""
    if isinstance(answer, Answer):
        return parsed(answer.body, reply)
    if isinstance(answer, NotReached):
        return None
    raise answer


def broken(error: httpx.HTTPError, *, tls: bool) -> tuple[Reach, str]:
    """What a failed exchange means, told by the error beneath httpx's."""
    beneath: BaseException | None = error
    while beneath is not None:
        if isinstance(beneath, ssl.SSLCertVerificationError):
            return "untrusted", beneath.verify_message
        if isinstance(beneath, ssl.SSLError):
            return "not_tls", beneath.reason or str(beneath)
        beneath = beneath.__cause__ or beneath.__context__
    if isinstance(error, httpx.ConnectError) and tls:
        return "not_tls", str(error)
    return "reset", str(error) or type(error).__name__


async def addresses_of(name: str, port: int) -> tuple[str, ...]:
    """Resolve ``name`` in a thread that nobody has to wait for: the system's resolver may take half a minute."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(found: tuple[str, ...], error: OSError | UnicodeError | None) -> None:
        if answer.done():
            return
        answer.set_result(found) if error is None else answer.set_exception(error)

    def ask() -> None:
        found: tuple[str, ...] = ()
        error: OSError | UnicodeError | None = None
        try:
            entries = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(entry[4][0]) for entry in entries))
        except (OSError, UnicodeError) as failed:
            error = failed
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=ask, name=f"doctor: resolve {name}", daemon=True).start()
    return await answer
