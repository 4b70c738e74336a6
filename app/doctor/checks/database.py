"""Checks of the database. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedDatabase
from app.doctor.texts import database as texts
from app.doctor.texts.machine import data_folder_unwritable
from app.store_errors import Trouble


def on_database(seen: Observation) -> Iterator[Finding]:
    """What is wrong with the database."""
    database = seen.database
    if database.state not in ("ready", "new", "unsure"):
        yield _not_ready(database)
    elif database.refusal is not None:
        yield refused(database, database.refusal)
    if database.readable:
        yield texts.database_readable(database)


def _not_ready(database: ObservedDatabase) -> Finding:
    match database.state:
        case "unusable":
            return texts.database_unusable(database)
        case "empty" | "behind":
            return texts.database_not_migrated(database)
        case "newer":
            return texts.database_newer(database)
        case "folder":
            return data_folder_unwritable("SQLite", database.detail)
        case _:
            return texts.database_unreachable(database)


def refused(database: ObservedDatabase, refusal: Trouble) -> Finding:
    """The finding for a database that takes no writes, by the kind of the refusal."""
    match refusal.kind:
        case "read_only":
            return texts.database_read_only(database, refusal.reason)
        case "locked":
            return texts.database_locked(database, refusal.reason)
        case "forbidden" if not database.where.startswith("sqlite"):
            return texts.database_forbids(database, refusal.reason)
        case _:
            return texts.database_not_writing(database, refusal.reason)
