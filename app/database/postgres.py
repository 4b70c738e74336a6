"""Connections to PostgreSQL, opened as all others are (``app.network.connecting``).

asyncpg tries the hosts of a URL and the addresses of each name one after the other, and its limit covers them all: one
that swallows packets uses it up. It opens sockets by the event loop that it is given, so it is given one that races
a name's addresses; its own ways with several hosts, TLS and sessions stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg

from app.network.connecting import Resolve, opened, resolved


class _RacingLoop:
    """The event loop, but for ``create_connection``."""

    def __init__(self, loop: asyncio.AbstractEventLoop, resolve: Resolve) -> None:
        self._loop = loop
        self._resolve = resolve

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(
        self, make: Callable[[], asyncio.Protocol], host: str, port: int, *, ssl: Any = None
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Race the addresses of ``host``, as asyncpg asks for it."""
        return await opened(make, host, port, tls=ssl, resolve=self._resolve)


def connect_by(resolve: Resolve = resolved) -> Callable[..., Awaitable[Any]]:
    """What SQLAlchemy's dialect of asyncpg takes as ``async_creator_fn``."""

    async def connect(*words: Any, **named: Any) -> Any:
        loop = cast(asyncio.AbstractEventLoop, _RacingLoop(asyncio.get_running_loop(), resolve))
        return await asyncpg.connect(*words, **named, loop=loop)

    return connect
