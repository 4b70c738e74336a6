"""Connections to PostgreSQL, opened as all others are (``app.network.connecting``).

Work is a plain function of a SQLAlchemy ``Connection``; it runs in the event loop, where SQLAlchemy waits for asyncpg
inside it.

asyncpg tries the hosts of a URL and the addresses of each name one after the other, and its limit covers them all: one
that swallows packets uses it up. It opens sockets by the event loop that it is given, so it is given one that races
a name's addresses; its own ways with several hosts, TLS and sessions stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar, cast

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import URL, AdaptedConnection, Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database.postgres_words import connect_args, place_of, through_pgbouncer
from app.database.unavailable import raised_as_lost
from app.network.connecting import Resolve, opened, resolved

T = TypeVar("T")
Work = Callable[[Connection], T]


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


def postgres_engine(url: URL, busy: timedelta, *, pool_size: int = 5, resolve: Resolve = resolved) -> AsyncEngine:
    """PostgreSQL at READ COMMITTED, no statement longer than ``busy``; ``url`` is one of ``parse``.

    With ``pool_size`` 5 and as many more at peaks, 8 workers stay under the server's default of 100 connections.
    """
    limit = busy.total_seconds()
    milliseconds = str(int(limit * 1000))
    settings = {
        "application_name": "arena",
        "default_transaction_isolation": "read committed",
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "idle_in_transaction_session_timeout": milliseconds,
        "jit": "off",
    }
    pooled = through_pgbouncer(url)
    engine = create_async_engine(
        place_of(url),
        # Without start-up parameters each transaction says so itself.
        **({"isolation_level": "READ COMMITTED"} if pooled else {}),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=limit,
        connect_args={
            "async_creator_fn": connect_by(resolve),
            **connect_args(url, limit, settings),
            "command_timeout": limit + 1,  # the server's own limit comes first and leaves the connection whole
        },
    )
    sa.event.listen(engine.sync_engine, "checkout", _leave_closed)
    return engine


def _leave_closed(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """Have the pool open a new connection for one that the server has closed.

    The event loop has noticed that already, so it costs nothing; SQLAlchemy's ping would cost three more round trips
    and half the time of a vote.
    """
    if cast(AdaptedConnection, connection).driver_connection.is_closed():
        raise sa.exc.DisconnectionError


class PostgresConnections:
    """A pool of connections to PostgreSQL."""

    def __init__(self, url: URL, busy: timedelta, pool_size: int, resolve: Resolve = resolved) -> None:
        self._transactions = postgres_engine(url, busy, pool_size=pool_size, resolve=resolve)
        self._pooled = through_pgbouncer(url)
        self._autocommit = self._transactions.execution_options(isolation_level="AUTOCOMMIT")
        # First come, first served: in the pool's own queue a new caller overtakes those who wait, some for ever.
        self._turns = asyncio.Semaphore(2 * pool_size)
        self._limit_s = busy.total_seconds()

    def version(self) -> None:
        """Whether anybody has committed can only be asked of the server."""

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, each statement of which sees what is committed when it starts."""
        return await self.autocommit(work)

    async def autocommit(self, work: Work[T]) -> T:
        """Run ``work``, committing statement by statement; behind a PgBouncer in one transaction.

        It may hand the preparation of a statement and its execution to two connections, unless they are in one.
        """
        if self._pooled:
            return await self.transaction(work)
        with raised_as_lost():
            async with self._turn(), self._autocommit.connect() as connection:
                return await connection.run_sync(work)

    async def transaction(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction."""
        with raised_as_lost():
            async with self._turn(), self._transactions.begin() as connection:
                return await connection.run_sync(work)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """Wait for one of the connections, for as long as for a lock."""
        async with asyncio.timeout(self._limit_s):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transactions.dispose()
