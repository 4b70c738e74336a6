"""Connections to SQLite.

Work is a plain function of a SQLAlchemy ``Connection`` and runs whole in a thread: an asynchronous driver would do the
same one call at a time, which costs four times the CPU (a vote: 0.25 ms in one hop, 1.0 ms in a dozen through
aiosqlite).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from app.database.file_version import FileVersions
from app.database.unavailable import raised_as_lost
from app.store_errors import Trouble, database_lost

T = TypeVar("T")
Work = Callable[[Connection], T]


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
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        found = self._threads.submit(self._call, open_, work, monotonic())
        # ``run_in_executor`` does the same, by way of a second future and what it must find out about any function.
        found.add_done_callback(partial(_wake, loop, done))
        await done
        return found.result()

    def _call(self, open_: Callable[[], AbstractContextManager[Connection]], work: Work[T], asked: float) -> T:
        if monotonic() - asked > self._busy_s:
            # Those before it waited for a lock in vain; so would this one, and those after it.
            raise database_lost(Trouble("locked", "the calls before this one waited for the database's lock in vain"))
        with raised_as_lost():
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


def _wake(loop: asyncio.AbstractEventLoop, done: asyncio.Future[None], _: object) -> None:
    """Called in the thread that has done the work."""
    with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
        loop.call_soon_threadsafe(_set_done, done)


def _set_done(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


class SqliteConnections:
    """One thread that writes, as SQLite lets only one, and a few that read, which WAL lets never wait for it."""

    def __init__(self, file: Path, busy: timedelta, readers: int) -> None:
        self._readers = _Threads(file, busy, readers, "database-read")
        self._writer = _Threads(file, busy, 1, "database-write")
        self._versions = FileVersions(file)
        self._transactions = self._writer.engine.execution_options(arena_begin="IMMEDIATE")

    def version(self) -> Hashable | None:
        """What is equal for as long as nobody commits; None if that can't be told now."""
        return self._versions.now()

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
