"""The SQL database: SQLite by default, PostgreSQL by URL, one schema, one history of migrations.

SQLite runs in WAL mode, where readers never wait. Its writers do, so each process has one connection for writing,
and a transaction begins with BEGIN IMMEDIATE: a deferred one takes the lock only at its first write, and fails at
once, whatever the busy timeout, when another process has written in between. PostgreSQL runs at READ COMMITTED;
what must be exclusive is the condition of an UPDATE or a unique index.

Every call runs as a task of its own and is shielded: when its caller is cancelled, the transaction still ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL

from app.database.address import parse, sqlite_file
from app.database.migrating import BUSY, head, may_serve, migrate, newer_schema, oldest_served, revision, revisions
from app.database.sqlite import SqliteConnections, Work
from app.logs.repeats import Losses
from app.store_errors import Trouble, database_lost

if TYPE_CHECKING:
    from app.database.postgres import PostgresConnections

__all__ = ["BUSY", "Database", "head", "may_serve", "migrate", "newer_schema", "oldest_served", "revision", "revisions"]

T = TypeVar("T")

_SERVER_TIME = sa.text("SELECT extract(epoch FROM clock_timestamp())")
_READ, _WRITE = "database-read", "database-write"


class Database:
    """One process's connections to the database.

    Work is given as a plain function of a SQLAlchemy ``Connection``. Whatever it raises comes back, except that a
    database which is unavailable is ``Unavailable`` with code ``database_away``; the next call finds out by itself
    whether it has returned. ``busy`` is how long a statement may wait for a lock, a connection or the server.
    ``losses`` logs why it is unavailable, and when it is back; without it nothing is logged.
    """

    def __init__(self, url: str, *, busy: timedelta = BUSY, pool_size: int = 5, losses: Losses | None = None) -> None:
        where = parse(url)
        file = sqlite_file(where)
        self._busy = busy
        self._has_clock = file is None
        self._connections = (
            _on_postgres(where, busy, pool_size) if file is None else SqliteConnections(file, busy, pool_size)
        )
        self._losses = losses
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def version(self) -> Hashable | None:
        """What is equal for as long as nobody commits, in this process or another; None if that can't be told now.

        Asks nothing of the database: it is for those who ask the same again and again (``RepeatedRead``).
        """
        return self._connections.version()

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, which only reads; each of its statements sees what is committed when it starts."""
        return await self._shielded(self._connections.read(work), _READ)

    async def autocommit(self, work: Work[T]) -> T:
        """Run ``work``, each of whose statements commits by itself: for one of them, cheaper than a transaction."""
        return await self._shielded(self._connections.autocommit(work), _WRITE)

    async def transaction(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction: committed when it returns, rolled back when it raises."""
        return await self._shielded(self._connections.transaction(work), _WRITE)

    async def ping(self) -> None:
        """Prove that the database answers; raises ``Unavailable`` when it is unavailable."""
        await self.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar_one())

    async def time(self) -> float | None:
        """Unix time by the server's clock, in seconds; None for SQLite, whose clock is this machine's.

        Raises:
            Unavailable: the database does not answer.
        """
        if not self._has_clock:
            return None
        return await self.read(lambda connection: float(connection.execute(_SERVER_TIME).scalar_one()))

    async def aclose(self) -> None:
        """Let the work at hand end, then close all connections; later calls are refused as ``Unavailable``."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * self._busy.total_seconds())
        await self._connections.aclose()

    async def _shielded(self, work: Coroutine[Any, Any, T], name: str) -> T:
        if self._closed:
            work.close()
            raise database_lost(Trouble("unavailable", "this process has closed its connections"))
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # A caller that was cancelled no longer reads the outcome, and asyncio would complain of that.
        error = None if task.cancelled() else task.exception()
        if self._losses is not None:
            self._losses.heard(error, wrote=task.get_name() == _WRITE and not task.cancelled())


def _on_postgres(where: URL, busy: timedelta, pool_size: int) -> PostgresConnections:
    # asyncpg and SQLAlchemy's asyncio take 10 MB and a tenth of the start, and SQLite needs neither.
    from app.database.postgres import PostgresConnections

    return PostgresConnections(where, busy, pool_size)
