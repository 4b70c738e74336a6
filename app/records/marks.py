"""The mark of the secret in a backup: whether a restore would know the same voters again."""

from __future__ import annotations

import asyncio
import sqlite3

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.records.tables import marks

SECRET = "secret"
_UPSERT = "INSERT INTO marks (name, value) VALUES ('secret', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


def mark_sqlite(copy: sqlite3.Connection, mark: str) -> None:
    """Write the mark into a copy; one of a schema that is older than marks goes without."""
    if _has_marks(copy):
        copy.execute(_UPSERT, (mark,))
        copy.commit()


def read_sqlite(copy: sqlite3.Connection) -> str | None:
    """The mark of a copy; None for one that has none."""
    if not _has_marks(copy):
        return None
    row = copy.execute("SELECT value FROM marks WHERE name = ?", (SECRET,)).fetchone()
    return None if row is None else str(row[0])


def _has_marks(copy: sqlite3.Connection) -> bool:
    return copy.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'marks'").fetchone() is not None


def mark_postgres(url: str, mark: str) -> None:
    """Write the mark into the database itself, from where ``pg_dump`` takes it; as above.

    Raises:
        Unavailable: the database is unavailable.
    """

    def write(connection: Connection) -> None:
        if sa.inspect(connection).has_table("marks"):
            connection.execute(sa.delete(marks).where(marks.c.name == SECRET))
            connection.execute(sa.insert(marks), {"name": SECRET, "value": mark})

    async def work() -> None:
        database = Database(url)
        try:
            await database.transaction(write)
        finally:
            await database.aclose()

    asyncio.run(work())
