"""Removing runs: one that is over, and what a process that died left of one that was being handed in."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.run_values import Run
from app.database.database import Database
from app.errors import Conflict
from app.records.batch_tables import batch_calls, batch_jobs, batch_loads, batch_runs, batch_stages, batch_waits

LOT = 2000
"""Jobs that are removed in one transaction: nobody waits long for it."""


async def remove(database: Database, run: Run) -> None:
    """Remove a run with all that came of it; interrupted, it can be done again.

    Raises:
        Conflict: the run goes on.
    """
    if run.status in ("queued", "running"):
        raise Conflict("this run goes on; cancel it first, then delete it", code="still_running")
    await remove_jobs(database, run.id, sa.true())

    def rest(connection: Connection) -> None:
        for table in (batch_stages, batch_loads, batch_waits):
            connection.execute(table.delete().where(table.c.run_id == run.id))
        connection.execute(batch_runs.delete().where(batch_runs.c.id == run.id))

    await database.transaction(rest)


async def remove_jobs(database: Database, run: str, where: sa.ColumnElement[bool]) -> None:
    """Remove those jobs of a run that ``where`` is true for, with their calls."""
    jobs, calls = batch_jobs.c, batch_calls.c
    first = sa.select(jobs.n).where(jobs.run_id == run, where).order_by(jobs.n).limit(LOT)

    def work(connection: Connection) -> int:
        numbers = list(connection.execute(first).scalars())
        if numbers:
            for n in (calls.n, jobs.n):
                table = n.table
                assert isinstance(table, sa.Table)
                connection.execute(table.delete().where(table.c.run_id == run, n.in_(numbers)))
        return len(numbers)

    while await database.transaction(work):
        pass


async def half_stored(database: Database, before: datetime) -> list[str]:
    """Runs that were begun to be stored before then, and still are not."""
    query = sa.select(batch_runs.c.id).where(batch_runs.c.status == "loading", batch_runs.c.created_at < before)
    return await database.read(lambda connection: list(connection.execute(query).scalars()))
