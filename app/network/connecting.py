"""How connections to other machines are opened: to model servers, Redis and PostgreSQL alike.

A name may have several addresses, and one of them may swallow packets (a firewall, a card that is down, IPv6 without a
route). So the addresses are raced as RFC 8305 says (Happy Eyeballs): the next one is tried when the one before it
failed, or after 250 ms, families in turns; the first connection wins and the others are closed.

Names are resolved in threads of their own. The event loop's few are shared by everything that blocks, and the system's
resolver may take half a minute for one name; a process that ends does not wait for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from aiohappyeyeballs import start_connection

__all__ = ["HEAD_START_S", "Address", "Resolve", "connected", "opened", "resolved"]

Address = tuple[int, int, int, str, tuple[Any, ...]]
"""What ``socket.getaddrinfo`` gives: family, type, protocol, canonical name, address."""

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""The addresses of a name and a port, the best first; OSError or UnicodeError when it has none."""

HEAD_START_S = 0.25
"""How long an address is tried alone: RFC 8305's "Connection Attempt Delay"."""

_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds of silence, seconds between questions, questions: a machine that vanished is noticed in 45 s."""

_P = TypeVar("_P", bound=asyncio.BaseProtocol)


async def resolved(name: str, port: int) -> tuple[Address, ...]:
    """The addresses of ``name`` as the system knows them; whoever waits sets the limit.

    Raises:
        OSError: it has none.
        UnicodeError: it can't be one.
    """
    with suppress(socket.gaierror):  # an address in figures needs no thread
        return _asked(name, port, socket.AI_NUMERICHOST)
    answer: asyncio.Future[tuple[Address, ...]] = asyncio.get_running_loop().create_future()
    threading.Thread(target=_answer, args=(answer, name, port), name=f"resolve {name}", daemon=True).start()
    return await answer


def _answer(answer: asyncio.Future[tuple[Address, ...]], name: str, port: int) -> None:
    """Ask the system, in a thread, and set ``answer`` in its event loop."""
    set_answer: Callable[[], None]
    try:
        set_answer = partial(answer.set_result, _asked(name, port))
    except (OSError, UnicodeError) as error:
        set_answer = partial(answer.set_exception, error)

    def unless_given_up() -> None:
        if not answer.done():
            set_answer()

    with suppress(RuntimeError):  # the loop has ended meanwhile
        answer.get_loop().call_soon_threadsafe(unless_given_up)


def _asked(name: str, port: int, flags: int = 0) -> tuple[Address, ...]:
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=flags)
    return cast(tuple[Address, ...], tuple(dict.fromkeys(found)))


async def connected(name: str, port: int, resolve: Resolve = resolved) -> socket.socket:
    """A connected socket, without blocking; whoever waits sets the limit.

    Raises:
        OSError: no address took the connection.
        UnicodeError: ``name`` can't be one.
    """
    addresses = await resolve(name, port)
    if not addresses:
        raise OSError(f"{name} has no address")
    found = await start_connection(cast(Any, addresses), happy_eyeballs_delay=HEAD_START_S)
    _set_options(found)
    return found


async def opened(
    make: Callable[[], _P], name: str, port: int, *, tls: ssl.SSLContext | None = None, resolve: Resolve = resolved
) -> tuple[asyncio.Transport, _P]:
    """A connection to ``name`` that is read by the protocol that ``make`` makes; the certificate must be that name's.

    Raises:
        OSError: no address took the connection, or no TLS came about.
        UnicodeError: ``name`` can't be one.
    """
    loop = asyncio.get_running_loop()
    found = await connected(name, port, resolve)
    try:
        # The zone of an IPv6 address is this machine's affair, and in no certificate.
        server_hostname = None if tls is None else name.partition("%")[0]
        return await loop.create_connection(make, sock=found, ssl=tls, server_hostname=server_hostname)
    except BaseException:
        found.close()
        raise


def _set_options(found: socket.socket) -> None:
    with suppress(OSError):  # none of them is worth a connection
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE.items():
            if hasattr(socket, name):
                found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
