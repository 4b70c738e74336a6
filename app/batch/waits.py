"""What a run waited for: its note as it changes, from when to when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.run_statements import insert_if_absent
from app.records.batch_tables import batch_runs, batch_waits

MOST_WAITS = 200
"""So many of the latest are in a report."""

_W = batch_waits.c


@dataclass(frozen=True, slots=True)
class Wait:
    """What a run waited for, or did without; ``until`` is None while that lasts."""

    note: str
    since: datetime
    until: datetime | None = None


def change_note(connection: Connection, run: str, note: str, now: datetime) -> None:
    """Note what a run waits for now; empty: nothing. The same note again changes nothing."""
    changed = batch_runs.update().where(batch_runs.c.id == run, batch_runs.c.note != note).values(note=note)
    if connection.execute(changed).rowcount:
        end_wait(connection, run, now)
        if note:
            add_wait(connection, run, Wait(note, now))


def end_wait(connection: Connection, run: str, now: datetime) -> None:
    """The run waits no longer for what it waited for."""
    connection.execute(batch_waits.update().where(_W.run_id == run, _W.until.is_(None)).values(until=now))


def add_wait(connection: Connection, run: str, wait: Wait) -> None:
    """Add a wait; once."""
    row = {"run_id": run, "since": wait.since, "until": wait.until, "note": wait.note}
    connection.execute(insert_if_absent(connection, batch_waits), row)


def waits_of(connection: Connection, run: str) -> list[Wait]:
    """The latest waits of a run, in order."""
    query = sa.select(_W.note, _W.since, _W.until).where(_W.run_id == run).order_by(_W.since.desc()).limit(MOST_WAITS)
    return [Wait(*row) for row in connection.execute(query)][::-1]
