"""How the two databases are reached: their connections, and the errors that mean that one is unavailable.

Work on a database is a plain function of a SQLAlchemy ``Connection``. On PostgreSQL it runs in the event loop, where
SQLAlchemy waits for asyncpg inside it. On SQLite it runs whole in a thread: an asynchronous driver would do the same
one call at a time, which costs four times the CPU (a vote: 0.25 ms in one hop, 1.0 ms in a dozen through aiosqlite).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import ssl
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar, cast
from urllib.parse import quote

import asyncpg
import sqlalchemy as sa
from sqlalchemy.engine import URL, AdaptedConnection, Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.database.address import database_url, parse, shown_database, sqlite_file
from app.database.postgres import connect_by
from app.database.postgres_words import connect_args, place_of, through_pgbouncer
from app.network.connecting import Resolve, resolved
from app.store_errors import Trouble, database_lost, database_trouble

__all__ = [
    "PostgresConnections",
    "SqliteConnections",
    "Work",
    "away_is_unavailable",
    "database_url",
    "make_private",
    "parse",
    "postgres_engine",
    "shown_database",
    "sqlite_engine",
    "sqlite_file",
    "unusable",
]

T = TypeVar("T")
Work = Callable[[Connection], T]

_REFUSED = ("28000", "28P01", "3D000")  # PostgreSQL: unknown user, wrong password, no such database
_TLS_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# What asyncpg raises beside errors of PostgreSQL, before there is a connection.
_NOT_CONNECTED = (asyncpg.exceptions.InterfaceError, asyncpg.exceptions.InternalClientError)
_BUGS = (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)


def unusable(error: BaseException) -> str | None:
    """Why a database can't be used, where waiting does not heal it: a login, TLS, or the address itself."""
    beneath: BaseException | None = error
    while beneath is not None:
        why = _unusable(getattr(beneath, "orig", None) or beneath)
        if why is not None:
            return why
        beneath = beneath.__cause__ or beneath.__context__
    return None


def _unusable(error: BaseException) -> str | None:
    why = " ".join(str(error).split()) or type(error).__name__
    if getattr(error, "sqlstate", None) in _REFUSED:
        return why
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted on this machine: {error.verify_message}; see sslrootcert"
    if isinstance(error, ssl.SSLError) and not isinstance(error, _TLS_CUT_OFF):
        return f"TLS fails: {error.reason or why}"
    if isinstance(error, ConnectionError) and "SSL upgrade" in why:
        return "the server has no TLS, and sslmode asks for it; switch TLS on there, or write sslmode=prefer"
    if isinstance(
        error, asyncpg.exceptions.ClientConfigurationError | asyncpg.exceptions.UnsupportedClientFeatureError
    ):
        return why
    return None


@contextmanager
def away_is_unavailable() -> Generator[None]:
    """Turn what the drivers raise when the database can't be used into ``StoreLost``; bugs come through as they are.

    A right that our user lacks counts as the former, though the drivers have it among the errors of whoever wrote
    the statement.
    """
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError, *_NOT_CONNECTED) as error:
        trouble = database_trouble(error)
        if isinstance(error, _BUGS) and trouble.kind != "forbidden":
            raise
        raise database_lost(trouble) from error


def make_private(file: Path) -> None:
    """Make an empty ``file`` that only its owner can read, if there is none; SQLite's own beside it get its mode.

    The mode of one that is there stays: somebody may have meant it.

    Raises:
        OSError: it can't be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def sqlite_engine(file: Path, busy: timedelta, pragmas: str, *, mode: str = "rw", pool_size: int = 1) -> Engine:
    """SQLite at ``file``; in ``mode`` ``rw`` a file that was removed is an error, in ``rwc`` it is created.

    The driver begins no transactions by itself. A connection with the execution option ``arena_begin`` begins them
    with ``BEGIN <that>``; any other commits statement by statement.
    """

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(file))}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=busy.total_seconds(),
            check_same_thread=False,  # the pool gives it to one thread at a time
        )
        connection.executescript(pragmas)
        return connection

    engine = sa.create_engine(
        "sqlite:///arena.db",  # chooses the dialect; the connections are made above
        creator=connect,
        poolclass=sa.QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy.total_seconds(),
    )
    sa.event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("arena_begin")
    if kind is not None:
        connection.exec_driver_sql(f"BEGIN {kind}")


class _Threads:
    """A few threads, each with a connection to SQLite."""

    def __init__(self, file: Path, busy: timedelta, count: int, name: str) -> None:
        pragmas = "PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL;"
        self.engine = sqlite_engine(file, busy, pragmas, pool_size=count)
        self._file, self._seen = file, (0, 0)
        self._busy_s = busy.total_seconds()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, open_: Callable[[], AbstractContextManager[Connection]], work: Work[T]) -> T:
        """Run ``work`` when a thread is free."""
        call = partial(self._call, open_, work, monotonic())
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _call(self, open_: Callable[[], AbstractContextManager[Connection]], work: Work[T], asked: float) -> T:
        if monotonic() - asked > self._busy_s:
            # Those before it waited for a lock in vain; so would this one, and those after it.
            raise database_lost(Trouble("locked", "the calls before this one waited for the database's lock in vain"))
        with away_is_unavailable():
            self._notice_another_file()
            with open_() as connection:
                return work(connection)

    def _notice_another_file(self) -> None:
        """A file that was removed or replaced stays open and takes writes which nobody will ever see."""
        try:
            found = os.stat(self._file)
        except FileNotFoundError:
            self.engine.dispose()
            raise
        if (found.st_dev, found.st_ino) != self._seen:
            self.engine.dispose()
            self._seen = (found.st_dev, found.st_ino)

    def close(self) -> None:
        """Let the work at hand end, then close the connections."""
        self._threads.shutdown()
        self.engine.dispose()


class SqliteConnections:
    """One thread that writes, as SQLite lets only one, and a few that read, which WAL lets never wait for it."""

    def __init__(self, file: Path, busy: timedelta, readers: int) -> None:
        self._readers = _Threads(file, busy, readers, "database-read")
        self._writer = _Threads(file, busy, 1, "database-write")
        self._transactions = self._writer.engine.execution_options(arena_begin="IMMEDIATE")

    async def read(self, work: Work[T]) -> T:
        """Run ``work`` beside whoever writes."""
        return await self._readers.run(self._readers.engine.connect, work)

    async def autocommit(self, work: Work[T]) -> T:
        """Run ``work``, committing statement by statement."""
        return await self._writer.run(self._writer.engine.connect, work)

    async def transaction(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction that takes the lock at its beginning."""
        return await self._writer.run(self._transactions.begin, work)

    async def aclose(self) -> None:
        """Let the work at hand end, then close the connections."""
        await asyncio.to_thread(self._writer.close)
        await asyncio.to_thread(self._readers.close)


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

    async def read(self, work: Work[T]) -> T:
        """Run ``work``, each statement of which sees what is committed when it starts."""
        return await self.autocommit(work)

    async def autocommit(self, work: Work[T]) -> T:
        """Run ``work``, committing statement by statement; behind a PgBouncer in one transaction.

        It may hand the preparation of a statement and its execution to two connections, unless they are in one.
        """
        if self._pooled:
            return await self.transaction(work)
        with away_is_unavailable():
            async with self._turn(), self._autocommit.connect() as connection:
                return await connection.run_sync(work)

    async def transaction(self, work: Work[T]) -> T:
        """Run ``work`` in one transaction."""
        with away_is_unavailable():
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
