"""The transactions on runs: SQL decides what a run is, how far it is, and which answers are there.

Every change is conditional, so that two processes which take themselves for a run's only one do no harm: an answer is
stored once, is judged once, and is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.call_transactions import CallTransactions
from app.batch.jobs_file import JobLine
from app.batch.run_statements import ONE_RUN, calls_in, insert_if_absent, no_sums, run_of
from app.batch.run_values import (
    ACTIVE,
    LIVE,
    CallChange,
    Changes,
    JobChange,
    LoadSeen,
    NewRun,
    Run,
    RunStatus,
    StageSums,
    StoredJob,
)
from app.batch.spec import encode_spec
from app.batch.waits import Wait, add_wait, change_note, end_wait, waits_of
from app.database.database import Database
from app.database.repeated import RepeatedRead
from app.errors import Conflict, NotFound
from app.records.batch_tables import batch_calls, batch_jobs, batch_loads, batch_runs, batch_stages

__all__ = [
    "ACTIVE",
    "LIVE",
    "CallChange",
    "Changes",
    "JobChange",
    "LoadSeen",
    "NewRun",
    "Run",
    "RunRecords",
    "RunStatus",
    "StageSums",
    "StoredJob",
    "calls_in",
]

_Q, _J, _C, _S = batch_runs.c, batch_jobs.c, batch_calls.c, batch_stages.c
_ACTIVE_RUNS = (
    sa.select(batch_runs)
    .where(_Q.status.in_(ACTIVE), _Q.foreground.is_(False))
    .order_by(_Q.created_at, _Q.id)
    .limit(100)
)


class RunRecords(CallTransactions):
    """Runs in SQL; ``now`` is the clock of all machines. Calls raise ``Unavailable`` while it is unavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        super().__init__(database, now)
        self._active = RepeatedRead(database, lambda c: tuple(run_of(row) for row in c.execute(_ACTIVE_RUNS)))

    async def begin(self, new: NewRun) -> Run:
        """Put the run there, without its jobs, unless it is there: handed in twice, it is one run."""
        row = {
            "id": new.id,
            "owner": new.owner,
            "name": new.spec.name,
            "spec": encode_spec(new.spec),
            "status": "loading",
            "foreground": new.foreground,
            "between": new.between,
            "max_failures": new.max_failures,
            "metadata": None if new.metadata is None else dict(new.metadata),
            "expires_at": new.expires_at,
            "created_at": self._now(),
            "note": "",
            **dict.fromkeys(("jobs", "jobs_done", "jobs_failed", "bytes"), 0),
            "active_s": 0.0,
        }

        def work(connection: Connection) -> Run:
            if connection.execute(insert_if_absent(connection, batch_runs), row).rowcount == 1:
                sums = [no_sums(new.id, number) for number in range(len(new.spec.stages))]
                connection.execute(batch_stages.insert(), sums)
            return run_of(connection.execute(ONE_RUN, {"id": new.id}).one())

        return await self._database.transaction(work)

    async def add_jobs(self, run: str, jobs: Sequence[JobLine]) -> None:
        """Store jobs; those that are there stay as they are."""
        rows = [
            {"run_id": run, "n": job.n, "custom_id": job.custom_id, "fields": dict(job.fields), "status": "waiting"}
            for job in jobs
        ]
        if rows:
            await self._database.transaction(
                lambda connection: connection.execute(insert_if_absent(connection, batch_jobs), rows)
            )

    async def complete(self, run: str, jobs: int, size: int) -> None:
        """All jobs are stored: the run may begin."""
        change = (
            batch_runs.update()
            .where(_Q.id == run, _Q.status == "loading")
            .values(status="queued", jobs=jobs, bytes=size)
        )
        await self._database.transaction(lambda connection: connection.execute(change))

    async def run(self, run: str) -> Run:
        """A run.

        Raises:
            NotFound: there is none of that id.
        """
        row = await self._database.read(lambda connection: connection.execute(ONE_RUN, {"id": run}).one_or_none())
        if row is None:
            raise NotFound(f"there is no run {run!r}; arena batch list shows those that there are")
        return run_of(row)

    async def runs(self, owner: str | None = None, limit: int = 100, *, everybody: bool = True) -> list[Run]:
        """The newest runs, of everybody or of one owner."""
        query = sa.select(batch_runs).order_by(_Q.created_at.desc(), _Q.id).limit(limit)
        if not everybody:
            query = query.where(_Q.owner == owner)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [run_of(row) for row in rows]

    async def active(self) -> tuple[Run, ...]:
        """The runs that work or may begin to, the oldest first; those of a command's own are left out."""
        return await self._active.ask()

    async def sums(self, run: str) -> list[StageSums]:
        """How far each stage is."""
        query = sa.select(batch_stages).where(_S.run_id == run).order_by(_S.stage)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [StageSums(**{name: row[name] for name in StageSums.__dataclass_fields__}) for row in rows]

    async def add_load(self, run: str, load: LoadSeen) -> None:
        """Note that a model came into memory while the run was going on; once."""
        row = {"run_id": run, **asdict(load)}
        await self._database.transaction(
            lambda connection: connection.execute(insert_if_absent(connection, batch_loads), row)
        )

    async def loads(self, run: str) -> list[LoadSeen]:
        """The loads that were seen while the run was going on, in order."""
        query = sa.select(batch_loads).where(batch_loads.c.run_id == run).order_by(batch_loads.c.since)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [LoadSeen(**{name: row[name] for name in LoadSeen.__dataclass_fields__}) for row in rows]

    async def commonest_error(self, run: str) -> str:
        """The class of failure that most failed jobs have."""
        count = sa.func.count()
        query = (
            sa.select(_J.error_code)
            .where(_J.run_id == run, _J.status == "failed")
            .group_by(_J.error_code)
            .order_by(count.desc())
            .limit(1)
        )
        return await self._database.read(lambda connection: str(connection.execute(query).scalar() or ""))

    async def note(self, run: str, note: str) -> None:
        """Say what the run waits for; empty: nothing."""
        now = self._now()
        await self._database.transaction(lambda connection: change_note(connection, run, note, now))

    async def waited(self, run: str, note: str, seconds: float) -> None:
        """Note that the run waited until now for something that could not be noted while it lasted."""
        wait = Wait(note, self._now() - timedelta(seconds=seconds), self._now())
        await self._database.transaction(lambda connection: add_wait(connection, run, wait))

    async def waits(self, run: str) -> list[Wait]:
        """What the run waited for, in order."""
        return await self._database.read(lambda connection: waits_of(connection, run))

    async def move(self, run: str, origins: Sequence[RunStatus], target: RunStatus, note: str = "") -> bool:
        """Change the status if it is one of ``origins``; whether it was."""
        values: dict[str, Any] = {"status": target, "note": note}
        if target == "running":
            values["started_at"] = sa.func.coalesce(_Q.started_at, sa.bindparam("now", self._now(), _Q.started_at.type))
        if target in ("completed", "failed", "cancelled"):
            values["ended_at"] = self._now()
        if target == "queued":
            values["ended_at"] = None
        change, now = batch_runs.update().where(_Q.id == run, _Q.status.in_(origins)).values(values), self._now()

        def work(connection: Connection) -> bool:
            moved = connection.execute(change).rowcount == 1
            if moved:
                end_wait(connection, run, now)
            return moved

        return await self._database.transaction(work)

    async def go_on(self, run: str, *, foreground: bool, between: str | None, max_failures: str | None) -> None:
        """Let a run go on that was handed in again, with the limits that were given now.

        Raises:
            Conflict: it was never stored whole.
        """
        if not (await self.run(run)).jobs:
            raise Conflict("this run was not handed in whole, so it can't go on; hand it in again")
        values: dict[str, Any] = {"foreground": foreground}
        values |= {} if between is None else {"between": between}
        values |= {} if max_failures is None else {"max_failures": max_failures}
        change = batch_runs.update().where(_Q.id == run).values(values)
        await self._database.transaction(lambda connection: connection.execute(change))
        await self.move(run, ("paused", "cancelled", "failed"), "queued")

    async def retry_failed(self, run: str, *, foreground: bool = False) -> int:
        """Let the failed jobs be done again, and only what failed of them; how many there are.

        Raises:
            Conflict: the run is still being handed in.
        """

        def work(connection: Connection) -> int:
            status = connection.execute(sa.select(_Q.status).where(_Q.id == run)).scalar_one()
            if status == "loading":
                raise Conflict("this run is still being handed in; try again in a moment")
            reopened = (
                batch_jobs.update()
                .where(_J.run_id == run, _J.status == "failed")
                .values(status="waiting", stage=None, error_code=None, error=None, ended_at=None)
            )
            count = connection.execute(reopened).rowcount
            connection.execute(batch_calls.delete().where(_C.run_id == run, _C.status == "failed"))
            connection.execute(batch_stages.update().where(_S.run_id == run).values(failed=0))
            values: dict[str, Any] = {"jobs_failed": _Q.jobs_failed - count}
            if count:
                values |= {"status": "queued", "ended_at": None, "note": "", "foreground": foreground}
            connection.execute(batch_runs.update().where(_Q.id == run).values(values))
            return count

        return await self._database.transaction(work)
