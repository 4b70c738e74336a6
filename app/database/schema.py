"""Whether the database's schema is the one that this code was written for, before anything is served from it."""

from __future__ import annotations

import asyncio

import sqlalchemy as sa
import structlog

from app.database.address import parse, shown_database, sqlite_file
from app.database.database import Database, migrate, newer_schema, oldest_served, revision, revisions
from app.errors import ConfigurationError, Unavailable

TRIES = 5
PAUSE_S = 0.5

log = structlog.get_logger(__name__)


async def ready(url: str) -> None:
    """Make sure that the database is at head; a SQLite file that does not exist yet is created there.

    A newer schema is served from as well, if its migrations have said that they only add what this version leaves
    alone: during an upgrade both versions serve. Nothing else is migrated on the way to serving: a migration can take
    long and has no way back without a backup.

    Raises:
        ConfigurationError: its schema is older (the sentence has the command), newer, or can't be read.
        Unavailable: it is unavailable.
    """
    at = await _patiently(url)
    known = revisions()
    if at == known[0]:
        return
    if at is None and await _is_new(url):
        await migrate(url)
        return
    if at is None and await revision(url) == known[0]:
        return  # another process has created it meanwhile
    if at is not None and at not in known:
        oldest = await oldest_served(url)
        if oldest is None or oldest > known[0]:
            raise newer_schema(at)
        log.warning("schema_is_newer", schema=at, known=known[0], remedy="install the version that migrated it")
        return
    found = "has no schema yet" if at is None else f"is at schema {at} and this version needs {known[0]}"
    raise ConfigurationError(
        f"DATABASE_URL: {shown_database(parse(url))} {found}: make a backup (`arena backup FILE`), "
        "run `arena migrate`, and start again"
    )


async def _patiently(url: str) -> str | None:
    """The revision; a database that is unavailable at this very moment gets some seconds to come back."""
    for _ in range(TRIES):
        try:
            return await revision(url)
        except Unavailable:
            await asyncio.sleep(PAUSE_S)
    return await revision(url)


async def _is_new(url: str) -> bool:
    """Whether it is a SQLite file that is not there or has nothing in it, as one whose making was interrupted."""
    file = sqlite_file(parse(url))
    if file is None:
        return False
    if not file.exists():
        return True
    database = Database(url)
    try:
        return await database.read(lambda connection: not sa.inspect(connection).get_table_names())
    finally:
        await database.aclose()
