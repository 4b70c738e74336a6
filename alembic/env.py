"""How Alembic runs the migrations: on the connection that ``app.database`` hands over, or for its own command line.

By hand, from the repository: ``alembic history``, ``alembic revision --autogenerate -m "add …"``, ``alembic upgrade
head --sql``. There the database is the configured one (``DATABASE_URL``, else SQLite in ``ARENA_DATA_DIR``).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from alembic import context
from app.database import database_url
from app.engines import parse, postgres_engine, sqlite_engine, sqlite_file
from app.records.tables import metadata
from app.settings import load_settings


def run(connection: Connection) -> None:
    """Migrate on ``connection``, whose transaction its owner commits."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transactional_ddl=True,  # SQLite's too: app.engines begins its transactions, not the driver
        render_as_batch=True,  # SQLite changes a table by building it anew
        user_module_prefix="sa.",
    )
    context.run_migrations()


async def run_configured() -> None:
    """Migrate the configured database."""
    where = parse(database_url(load_settings()))
    file, patience = sqlite_file(where), timedelta(seconds=5)
    if file is None:
        engine = postgres_engine(where, patience)
    else:
        engine = sqlite_engine(file, patience, purpose="migrating").execution_options(arena_begin="IMMEDIATE")
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
    asyncio.run(run_configured())
