"""What a report needs, read from the database."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.report import RunFigures, SlowJob
from app.batch.runs import RunRecords
from app.database.database import Database
from app.records.batch_tables import batch_calls, batch_jobs

SLOWEST = 10
_J, _C = batch_jobs.c, batch_calls.c


async def figures_of(database: Database, records: RunRecords, run_id: str) -> RunFigures:
    """All that a report of the run says.

    Raises:
        NotFound: there is no such run.
        Unavailable: the database does not answer.
    """
    run = await records.run(run_id)
    return RunFigures(
        run,
        await records.sums(run_id),
        await records.loads(run_id),
        await database.read(lambda connection: _failures(connection, run_id)),
        await database.read(lambda connection: _slowest(connection, run_id)),
        await database.read(lambda connection: _ends(connection, run_id)),
        await records.waits(run_id),
    )


def _failures(connection: Connection, run: str) -> dict[str, int]:
    count = sa.func.count()
    query = (
        sa.select(_J.error_code, count)
        .where(_J.run_id == run, _J.status == "failed")
        .group_by(_J.error_code)
        .order_by(count.desc(), _J.error_code)
    )
    return {code or "unknown": number for code, number in connection.execute(query)}


def _slowest(connection: Connection, run: str) -> list[SlowJob]:
    took = _C.total_s - sa.func.coalesce(_C.queue_s, 0.0) - sa.func.coalesce(_C.load_s, 0.0)
    seconds = sa.func.sum(took).label("seconds")
    slow = (
        sa.select(_C.n, seconds)
        .where(_C.run_id == run, _C.total_s.is_not(None), _C.cached.is_(False))
        .group_by(_C.n)
        .order_by(seconds.desc())
        .limit(SLOWEST)
        .subquery()
    )
    query = (
        sa.select(_J.custom_id, slow.c.seconds)
        .join(slow, sa.and_(_J.run_id == run, _J.n == slow.c.n))
        .order_by(slow.c.seconds.desc())
    )
    return [SlowJob(custom_id, seconds) for custom_id, seconds in connection.execute(query)]


def _ends(connection: Connection, run: str) -> list[datetime]:
    query = sa.select(_J.ended_at).where(_J.run_id == run, _J.ended_at.is_not(None)).order_by(_J.ended_at)
    return list(connection.execute(query).scalars())
