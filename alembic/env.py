"""How Alembic runs the migrations: on the connection of ``app.database.database``, or for its own command line.

By hand, from the repository: ``alembic history``, ``alembic revision --autogenerate -m "add …"``, ``alembic upgrade
head --sql``. There the database is the configured one (``DATABASE_URL``, else SQLite in ``ARENA_DATA_DIR``).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alembic import context
from app.database.address import database_url, parse, sqlite_file
from app.database.postgres import postgres_engine
from app.database.sqlite import sqlite_engine
from app.records import batch_tables
from app.records.tables import metadata
from app.settings.settings import load_settings

PATIENCE = timedelta(seconds=5)
assert batch_tables.batch_runs.metadata is metadata  # so that all tables are known


def run(connection: Connection) -> None:
    """Migrate on ``connection``, whose transaction its owner commits."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,  # SQLite's too: app.database.sqlite begins its transactions, not the driver
        render_as_batch=True,  # SQLite changes a table by building it anew
        user_module_prefix="sa.",
    )
    context.run_migrations()


def run_configured() -> None:
    """Migrate the configured database."""
    where = parse(database_url(load_settings()))
    file = sqlite_file(where)
    if file is None:
        asyncio.run(run_on_postgres(where))
        return
    engine = sqlite_engine(file, PATIENCE, "PRAGMA foreign_keys=OFF; PRAGMA journal_mode=WAL;", mode="rwc")
    with engine.execution_options(arena_begin="IMMEDIATE").begin() as connection:
        run(connection)


async def run_on_postgres(where: sa.URL) -> None:
    """Migrate PostgreSQL."""
    engine = postgres_engine(where, PATIENCE)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
    finally:
        await engine.dispose()


def print_sql() -> None:
    """Print the SQL that would be run (``--sql``)."""
    dialect = parse(database_url(load_settings())).get_backend_name()
    context.configure(dialect_name=dialect, target_metadata=metadata, literal_binds=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if isinstance(given, sa.Connection):
    run(given)
elif context.is_offline_mode():
    print_sql()
else:
    run_configured()
