"""The schema's migrations: which revision a database is at, and how it is brought to another."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from app.database.address import parse, shown_database, sqlite_file
from app.database.sqlite import Work, make_private, sqlite_engine
from app.database.unavailable import raised_as_lost, unusable
from app.errors import ConfigurationError, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

T = TypeVar("T")

BUSY = timedelta(seconds=5)
"""How long a statement waits for a lock, a connection or the server, each."""

MIGRATION_WAIT = timedelta(seconds=60)
"""How long a process waits for another that is migrating."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_MIGRATION_KEY = 0x61_72_65_6E_61  # "arena": the number of PostgreSQL's advisory lock
_alembic_turn = threading.Lock()  # Alembic keeps what it works on in global names


def head() -> str:
    """The newest revision that this code knows."""
    return revisions()[0]


def revisions() -> tuple[str, ...]:
    """The revisions that this code knows, the newest first: files are named by them, and each follows the one before.

    Alembic would say the same, for 0.2 s and 12 MB of every process that starts.
    """
    return tuple(sorted((file.name[1:5] for file in _MIGRATIONS.glob("versions/r*.py")), reverse=True))


async def oldest_served(url: str) -> str | None:
    """The oldest schema whose version may serve from the database as it is; None where no migration has said so.

    Raises:
        ConfigurationError: the database can't be read or refuses us.
        Unavailable: it is unavailable.
    """
    where = parse(url)
    file = sqlite_file(where)
    if file is None:
        return await asyncio.to_thread(_on_postgres, where, _oldest_served)
    return await asyncio.to_thread(_on_sqlite, where, file, _oldest_served)


def newer_schema(at: str) -> ConfigurationError:
    """The error for a database that a newer version of the arena has migrated."""
    return ConfigurationError(
        f"The database's schema ({at}) is newer than this version of the arena knows ({head()}): "
        "install the newer version again, or restore the backup made before it"
    )


async def revision(url: str) -> str | None:
    """The revision that the database is at; None when it has no schema yet.

    Raises:
        ConfigurationError: the database can't be read or refuses us.
        Unavailable: it is unavailable.
    """
    where = parse(url)
    file = sqlite_file(where)
    if file is None:
        return await asyncio.to_thread(_on_postgres, where, _revision)
    if not file.exists():
        return None
    return await asyncio.to_thread(_on_sqlite, where, file, _revision)


async def migrate(url: str, target: str = "head") -> str | None:
    """Bring the schema to ``target`` (``head``, ``base`` or a revision) and return the revision it is at then.

    Safe when several processes call it at once: one works, the others wait. SQLite's folder and file are created.
    It runs in a thread, and to its end even if the caller is cancelled.

    Raises:
        ConfigurationError: the database can't be read or refuses us, or its schema is newer than this code.
        Unavailable: it is unavailable, or another process has been migrating for over a minute.
    """
    where = parse(url)
    file = sqlite_file(where)
    move = partial(_move, target=target)
    if file is None:
        return await asyncio.to_thread(_on_postgres, where, move)
    return await asyncio.to_thread(_alone_on_sqlite, where, file, move)


def _alone_on_sqlite(where: URL, file: Path, work: Work[T]) -> T:
    with _turn(file):
        make_private(file)
        return _on_sqlite(where, file, work)


def _on_sqlite(where: URL, file: Path, work: Work[T]) -> T:
    """Run ``work`` in a transaction of SQLite; the file is created."""
    # Tables are rebuilt by copying, which foreign keys would take for deleting.
    engine = sqlite_engine(file, BUSY, "PRAGMA foreign_keys=OFF; PRAGMA journal_mode=WAL;", mode="rwc")
    begin = engine.execution_options(arena_begin="IMMEDIATE").begin
    try:
        with _alembic_turn, raised_as_lost(), _refusals_are_named(where), begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def _on_postgres(where: URL, work: Work[T]) -> T:
    """Run ``work`` in a transaction of PostgreSQL, alone among all processes that do so, in a loop of its own."""
    from app.database.postgres import postgres_engine  # SQLite does without: see ``database``

    async def alone() -> T:
        engine = postgres_engine(where, BUSY)
        try:
            with raised_as_lost(), _refusals_are_named(where):
                async with engine.begin() as connection:
                    await connection.run_sync(_take_turn)
                    return await connection.run_sync(work)
        finally:
            await engine.dispose()

    with _alembic_turn:
        return asyncio.run(alone())


@contextmanager
def _refusals_are_named(where: URL) -> Generator[None]:
    """Waiting heals a database that is busy or gone, but not a file that is none or a password that is wrong."""
    try:
        yield
    except Exception as error:
        why = unusable(error)
        if isinstance(error, sa.exc.DBAPIError) and where.get_backend_name() == "sqlite":
            why = None if "locked" in str(error.orig) else str(error.orig)
        if why is None:
            raise
        raise ConfigurationError(
            f"DATABASE_URL: {shown_database(where)} can't be used as the arena's database ({why}); "
            "correct DATABASE_URL, or move what is there out of the way"
        ) from error


def _take_turn(connection: Connection) -> None:
    """Wait for PostgreSQL's advisory lock, which ends with the transaction, however that ends."""
    limits = "SELECT set_config('lock_timeout', :wait, true), set_config('statement_timeout', '0', true)"
    connection.execute(sa.text(limits), {"wait": f"{MIGRATION_WAIT.total_seconds():.0f}s"})
    # Between two statements migrations are imported: on a busy machine that takes longer than a request may.
    connection.execute(sa.text("SELECT set_config('idle_in_transaction_session_timeout', '0', true)"))
    connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_KEY})
    connection.execute(sa.text("SELECT set_config('lock_timeout', '5s', true)"))


@contextmanager
def _turn(file: Path) -> Generator[None]:
    """Hold the lock file beside SQLite's file; the system lets go of it when its process dies."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(file.with_name(f"{file.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{file.parent} can't be written ({error.strerror}); set ARENA_DATA_DIR to a folder that can"
        ) from None
    try:
        _wait_for(lock, file)
        yield
    finally:
        os.close(lock)


def _wait_for(lock: int, file: Path) -> None:
    deadline = monotonic() + MIGRATION_WAIT.total_seconds()
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if monotonic() > deadline:
            raise Unavailable(f"Another process is migrating {file}; try again when it is done.", code="migrating")
        sleep(0.02)


def _alembic(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


_OLDEST = "oldest_served"
_MARK = {"name": _OLDEST}


def _oldest_served(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("marks"):
        return None
    read = sa.text("SELECT value FROM marks WHERE name = :name")
    schema, _, oldest = str(connection.execute(read, _MARK).scalar() or "").partition(":")
    return oldest if oldest and schema == _revision(connection) else None


def may_serve(connection: Connection, known: str) -> bool:
    """Whether the newer schema of this database is one that the version of the schema ``known`` may serve from."""
    oldest = _oldest_served(connection)
    return oldest is not None and oldest <= known


def _note_oldest_served(connection: Connection, scripts: ScriptDirectory) -> None:
    """Keep in the database whose versions may go on serving from it: they do not know the migrations that came later.

    A migration that only adds what older versions leave alone says so with ``oldest``, the schema of the oldest of
    them. One that says nothing is for its own version only.
    """
    at = _revision(connection)
    if at is None or not sa.inspect(connection).has_table("marks"):
        return
    passed = list(scripts.iterate_revisions(at, "base"))
    oldest = max(str(getattr(script.module, "oldest", script.revision)) for script in passed)
    connection.execute(sa.text("DELETE FROM marks WHERE name = :name"), _MARK)
    connection.execute(
        sa.text("INSERT INTO marks (name, value) VALUES (:name, :value)"), _MARK | {"value": f"{at}:{oldest}"}
    )


def _revision(connection: Connection) -> str | None:
    """What Alembic's own table says; it has one row, for there is one line of revisions."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found


def _move(connection: Connection, target: str) -> str | None:
    """Run the migrations from where the schema is to ``target``, up or down."""
    from alembic.script import ScriptDirectory

    from alembic import command

    config = _alembic(connection)
    scripts = ScriptDirectory.from_config(config)
    at = _revision(connection)
    if at is not None and at not in revisions():
        raise newer_schema(at)
    past = {script.revision for script in scripts.iterate_revisions(at, "base")} - {at} if at else set()
    move = command.downgrade if target == "base" or target in past else command.upgrade
    move(config, target)
    _note_oldest_served(connection, scripts)
    if connection.dialect.name == "sqlite" and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
        raise ConfigurationError(
            "The migration would leave rows that belong to none; it was rolled back, please report it"
        )
    return _revision(connection)
