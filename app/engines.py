"""How the two databases are reached: their URLs, their engines, and what their being away looks like.

``DATABASE_URL`` may be ``postgres://``, ``postgresql://``, ``postgresql+asyncpg://``, ``sqlite:///relative/path`` or
``sqlite:////absolute/path``; empty means ``arena.db`` in ``ARENA_DATA_DIR``.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.errors import ConfigurationError, Unavailable
from app.settings import Settings

_FORMS = "write postgresql://user:password@host/name or sqlite:///path, or leave it empty for SQLite"
_BUGS = (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)
_SERVING = "PRAGMA foreign_keys=ON; PRAGMA synchronous=NORMAL;"
# Migrations rebuild tables by copying, which foreign keys would take for deleting.
_MIGRATING = "PRAGMA foreign_keys=OFF; PRAGMA journal_mode=WAL;"


def database_url(settings: Settings) -> str:
    """The database that is configured; without one, SQLite in the data folder."""
    if settings.database_url:
        return settings.database_url
    file = settings.arena_data_dir.absolute() / "arena.db"
    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def parse(url: str) -> URL:
    """Read a database URL and name its driver.

    Raises:
        ConfigurationError: it is not a URL of SQLite or PostgreSQL.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(f"DATABASE_URL: this is not the URL of a database; {_FORMS}") from None
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgres", "postgresql"):
        return _asyncpg_words(parsed.set(drivername="postgresql+asyncpg"))
    if kind == "sqlite" and parsed.database and ":memory:" not in parsed.database:
        return parsed.set(drivername="sqlite+aiosqlite")
    raise ConfigurationError(f"DATABASE_URL: {parsed.render_as_string()} can't be used; {_FORMS}")


def _asyncpg_words(url: URL) -> URL:
    """Other tools write libpq's ``sslmode``; asyncpg calls it ``ssl``, with the same values."""
    mode = url.query.get("sslmode")
    url = url.difference_update_query(["sslmode"])
    return url.update_query_dict({"ssl": mode}) if mode else url


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL, or None for PostgreSQL."""
    return Path(url.database).absolute() if url.get_backend_name() == "sqlite" and url.database else None


def sqlite_engine(
    file: Path, busy: timedelta, *, pool_size: int = 1, purpose: Literal["serving", "migrating"] = "serving"
) -> AsyncEngine:
    """SQLite at ``file``. Only migrating creates it: a file that was removed is an error, not an empty database.

    The driver begins no transactions by itself. A connection with the execution option ``arena_begin`` begins them
    with ``BEGIN <that>``; any other commits statement by statement.
    """
    migrating = purpose == "migrating"
    address = f"file:{quote(str(file))}?mode={'rwc' if migrating else 'rw'}"
    engine = create_async_engine(
        "sqlite+aiosqlite:///arena.db",  # chooses the dialect and its pool; the connections are made by _open
        async_creator=partial(_open, address, busy, _MIGRATING if migrating else _SERVING),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=busy.total_seconds(),
    )
    sa.event.listen(engine.sync_engine, "begin", _begin)
    return engine


async def _open(address: str, busy: timedelta, pragmas: str) -> aiosqlite.Connection:
    opening = aiosqlite.connect(address, uri=True, isolation_level=None, timeout=busy.total_seconds())
    opening._thread.daemon = True  # as SQLAlchemy does: who forgets to close must still be able to exit
    connection = await opening
    try:
        await connection.executescript(pragmas)
    except BaseException:
        await connection.close()
        raise
    return connection


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("arena_begin")
    if kind is not None:
        connection.exec_driver_sql(f"BEGIN {kind}")


def postgres_engine(url: URL, busy: timedelta, *, pool_size: int = 5) -> AsyncEngine:
    """PostgreSQL at READ COMMITTED, no statement longer than ``busy``.

    With ``pool_size`` 5 and as many more at peaks, 8 workers stay under the server's default of 100 connections.
    """
    limit = busy.total_seconds()
    milliseconds = str(int(limit * 1000))
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=limit,
        pool_pre_ping=True,
        connect_args={
            "timeout": limit,
            "command_timeout": limit + 1,  # the server's own limit comes first and leaves the connection whole
            "server_settings": {
                "application_name": "arena",
                "default_transaction_isolation": "read committed",
                "statement_timeout": milliseconds,
                "lock_timeout": milliseconds,
                "idle_in_transaction_session_timeout": milliseconds,
                "jit": "off",
            },
        },
    )


def away() -> Unavailable:
    """The error for a database that can't be reached or used now."""
    return Unavailable("The database is away; try again in a moment.", code="database_away")


@contextmanager
def away_is_unavailable() -> Generator[None]:
    """Turn what the drivers raise when the database is away into ``Unavailable``; bugs come through as they are."""
    try:
        yield
    except _BUGS:
        raise
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError) as error:
        raise away() from error
