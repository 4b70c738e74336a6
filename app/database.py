"""The SQL database: SQLite by default, PostgreSQL by URL, one schema, one history of migrations.

SQLite runs in WAL mode, where readers never wait. Its writers do, so each process has one connection for writing,
and a transaction begins with BEGIN IMMEDIATE: a deferred one takes the lock only at its first write, and fails at
once, whatever the busy timeout, when another process has written in between. PostgreSQL runs at READ COMMITTED;
what must be exclusive is the condition of an UPDATE or a unique index.

Every call runs as a task of its own and is shielded: a caller that is cancelled goes away, his transaction ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engines import (
    away,
    away_is_unavailable,
    database_url,
    parse,
    postgres_engine,
    sqlite_engine,
    sqlite_file,
)
from app.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["Database", "database_url", "head", "migrate", "revision"]

T = TypeVar("T")

BUSY = timedelta(seconds=5)
"""How long a statement waits for a lock, a connection or the server, each."""

MIGRATION_WAIT = timedelta(seconds=60)
"""How long a process waits for another that is migrating."""

_MIGRATION_KEY = 0x61_72_65_6E_61  # "arena": the number of PostgreSQL's advisory lock
_MIGRATIONS = Path(__file__).parent / "records" / "migrations"
_REFUSED = ("28000", "28P01", "3D000")  # PostgreSQL: unknown user, wrong password, no such database


class Database:
    """One process's connections to the database.

    Work is given as a plain function of a SQLAlchemy ``Connection``. Whatever it raises comes back, except that a
    database which is away is ``Unavailable`` with code ``database_away``; the next call finds out by itself whether
    it has returned. ``engine`` hands out connections that commit statement by statement. ``busy`` is how long a
    statement may wait for a lock, a connection or the server.
    """

    def __init__(self, url: str, *, busy: timedelta = BUSY, pool_size: int = 5) -> None:
        where = parse(url)
        self._file = sqlite_file(where)
        if self._file is not None:
            self.engine = sqlite_engine(self._file, busy, pool_size=pool_size)
            self._writer = sqlite_engine(self._file, busy)
            self._transactions = self._writer.execution_options(arena_begin="IMMEDIATE")
        else:
            self._transactions = postgres_engine(where, busy, pool_size=pool_size)
            self.engine = self._writer = self._transactions.execution_options(isolation_level="AUTOCOMMIT")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which only reads; each of its statements sees what is committed when it starts."""
        return await self._shielded(_run(self.engine.connect, work), "database-read")

    async def autocommit(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, each of whose statements commits by itself: for one of them, cheaper than a transaction."""
        return await self._shielded(_run(self._writer.connect, work), "database-write")

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction: committed when it returns, rolled back when it raises."""
        return await self._shielded(_run(self._transactions.begin, work), "database-write")

    async def ping(self) -> None:
        """Prove that the database answers.

        Raises:
            Unavailable: it is away; also when SQLite's file has been removed under the process.
        """
        if self._file is not None and not self._file.exists():
            raise away()
        await self.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar_one())

    async def aclose(self) -> None:
        """Let the work at hand end, then close all connections; later calls are refused as ``Unavailable``."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2 * BUSY.total_seconds())
        await self.engine.dispose()
        await self._writer.dispose()

    async def _shielded(self, work: Coroutine[Any, Any, T], name: str) -> T:
        if self._closed:
            work.close()
            raise away()
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)


async def _run(open_: Callable[[], AbstractAsyncContextManager[AsyncConnection]], work: Callable[[Connection], T]) -> T:
    with away_is_unavailable():
        async with open_() as connection:
            return await connection.run_sync(work)


def head() -> str:
    """The newest revision that this code knows."""
    from alembic.script import ScriptDirectory  # costs 0.2 s, and a worker never migrates

    return ScriptDirectory.from_config(_alembic()).get_current_head() or ""


async def revision(url: str) -> str | None:
    """The revision that the database is at; None when it has no schema yet.

    Raises:
        ConfigurationError: the database can't be read or refuses us.
        Unavailable: it is away.
    """
    where = parse(url)
    file = sqlite_file(where)
    if file is not None and not file.exists():
        return None
    async with _connection(where) as connection:
        return await connection.run_sync(_revision)


async def migrate(url: str, target: str = "head") -> str | None:
    """Bring the schema to ``target`` (``head``, ``base`` or a revision) and return the revision it is at then.

    Safe when several processes call it at once: one works, the others wait. SQLite's folder and file are created.

    Raises:
        ConfigurationError: the database can't be read or refuses us, or its schema is newer than this code.
        Unavailable: it is away, or another process has been migrating for over a minute.
    """
    where = parse(url)
    file = sqlite_file(where)
    if file is None:
        async with _connection(where) as connection:
            await _take_turn(connection)
            return await connection.run_sync(_move, target)
    async with _turn(file), _connection(where) as connection:
        return await connection.run_sync(_move, target)


@asynccontextmanager
async def _connection(where: URL) -> AsyncGenerator[AsyncConnection]:
    """A connection to migrate with, in a transaction on both databases."""
    file = sqlite_file(where)
    if file is not None:
        engine = sqlite_engine(file, BUSY, purpose="migrating").execution_options(arena_begin="IMMEDIATE")
    else:
        engine = postgres_engine(where, BUSY)
    try:
        with away_is_unavailable(), _refusals_are_named(where):
            async with engine.begin() as connection:
                yield connection
    finally:
        await engine.dispose()


@contextmanager
def _refusals_are_named(where: URL) -> Generator[None]:
    """Waiting heals a database that is busy or gone, but not a file that is none or a password that is wrong."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        busy = "locked" in str(error.orig)
        if state in _REFUSED or (where.get_backend_name() == "sqlite" and not busy):
            raise ConfigurationError(
                f"DATABASE_URL: {where.render_as_string()} can't be used as the arena's database ({error.orig}); "
                "correct DATABASE_URL, or move what is there out of the way"
            ) from error
        raise


async def _take_turn(connection: AsyncConnection) -> None:
    """Wait for PostgreSQL's advisory lock, which ends with the transaction, however that ends."""
    limits = "SELECT set_config('lock_timeout', :wait, true), set_config('statement_timeout', '0', true)"
    await connection.execute(sa.text(limits), {"wait": f"{MIGRATION_WAIT.total_seconds():.0f}s"})
    await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_KEY})
    await connection.execute(sa.text("SELECT set_config('lock_timeout', '5s', true)"))


@asynccontextmanager
async def _turn(file: Path) -> AsyncGenerator[None]:
    """Hold the lock file beside SQLite's file; the system lets go of it when its process dies."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{file.parent} can't be written ({error.strerror}); set ARENA_DATA_DIR to a folder that can"
        ) from None
    try:
        await _wait_for(lock, file)
        yield
    finally:
        os.close(lock)


async def _wait_for(lock: int, file: Path) -> None:
    try:
        async with asyncio.timeout(MIGRATION_WAIT.total_seconds()):
            while not _locked(lock):  # noqa: ASYNC110 - flock's own wait would block the loop, or a thread for good
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise Unavailable(
            f"Another process is migrating {file}; try again when it is done.", code="migrating"
        ) from None


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alembic(connection: Connection | None = None) -> Config:
    from alembic.config import Config  # costs 0.2 s, and a worker never migrates

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _revision(connection: Connection) -> str | None:
    from alembic.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def _move(connection: Connection, target: str) -> str | None:
    """Run the migrations from where the schema is to ``target``, up or down."""
    from alembic.script import ScriptDirectory

    from alembic import command

    config = _alembic(connection)
    at = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if at is not None and at not in known:
        raise ConfigurationError(
            f"The database's schema ({at}) is newer than this version of the arena knows ({head()}): "
            "install the newer version again, or restore the backup made before it"
        )
    move = command.downgrade if target in _below(config, at) else command.upgrade
    move(config, target)
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise ConfigurationError("The migration would leave rows that belong to none; it was taken back, report it")
    return _revision(connection)


def _below(config: Config, at: str | None) -> set[str]:
    from alembic.script import ScriptDirectory

    if at is None:
        return set()
    scripts = ScriptDirectory.from_config(config).iterate_revisions(at, "base")
    return {"base"} | {script.revision for script in scripts if script.revision != at}
