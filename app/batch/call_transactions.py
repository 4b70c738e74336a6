"""The transactions on the calls and jobs of a run: stored once, judged once, counted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.arena.states import AnswerState
from app.batch.call import BatchCall, CallKey
from app.batch.chain import CallRecord, Part
from app.batch.run_statements import (
    answer_insert,
    answer_row,
    apply_call,
    apply_job,
    calls_in,
    figures_of_answer,
    is_call_of,
    known_values,
)
from app.batch.run_values import ACTIVE, Changes, StoredJob
from app.database.database import Database
from app.records.answer_cache import CachedAnswer
from app.records.batch_tables import batch_calls, batch_jobs, batch_runs

_Q, _J, _C = batch_runs.c, batch_jobs.c, batch_calls.c


class CallTransactions:
    """Calls and jobs in SQL; ``now`` is the clock of all machines. Raises ``Unavailable`` while SQL is unavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def waiting(self, run: str, besides: frozenset[int], count: int) -> list[StoredJob]:
        """The first ``count`` jobs that have not ended, in order, without those ``besides``; with their calls."""
        first = (
            sa.select(_J.n).where(_J.run_id == run, _J.status == "waiting").order_by(_J.n).limit(count + len(besides))
        )

        def work(connection: Connection) -> list[StoredJob]:
            numbers = [n for n in connection.execute(first).scalars() if n not in besides][:count]
            if not numbers:
                return []
            query = sa.select(_J.n, _J.custom_id, _J.fields).where(_J.run_id == run, _J.n.in_(numbers)).order_by(_J.n)
            calls = calls_in(connection, run, numbers)
            return [
                StoredJob(row.n, row.custom_id, row.fields, calls.get(row.n, {})) for row in connection.execute(query)
            ]

        return await self._database.read(work)

    async def answered(self, run: str, numbers: Sequence[int]) -> dict[int, dict[Part, CallRecord]]:
        """The calls of these jobs that are answered and not judged yet."""
        if not numbers:
            return {}
        return await self._database.read(lambda connection: calls_in(connection, run, numbers, "answered"))

    async def calls(self, run: str, numbers: Sequence[int]) -> dict[int, dict[Part, CallRecord]]:
        """All calls of these jobs."""
        if not numbers:
            return {}
        return await self._database.read(lambda connection: calls_in(connection, run, numbers))

    async def wants(self, run: str, key: CallKey, tries: int) -> bool:
        """Whether a call is still to be made: the run goes on, and there is no answer of this try."""
        stored = sa.select(_C.status, _C.tries).where(_C.run_id == run, *is_call_of(key))

        def work(connection: Connection) -> bool:
            status = connection.execute(sa.select(_Q.status).where(_Q.id == run)).scalar_one_or_none()
            if status not in ACTIVE:
                return False
            row = connection.execute(stored).one_or_none()
            return row is None or (row.status == "open" and row.tries == tries)

        return await self._database.read(work)

    async def store_answer(self, call: BatchCall, answer: AnswerState, digest: str) -> bool:
        """Store what a model answered; False when there is an answer of this try already."""
        row = answer_row(call, self._now()) | {
            "host": answer.host,
            "digest": digest or None,
            "text": "" if answer.finish == "error" else answer.text,
            "finish_reason": answer.finish,
            "error_code": None if answer.error is None else answer.error["code"],
            **figures_of_answer(answer),
        }

        def work(connection: Connection) -> bool:
            return connection.execute(answer_insert(connection), row).rowcount == 1

        return await self._database.transaction(work)

    async def store_known(self, answers: Sequence[tuple[BatchCall, CachedAnswer]]) -> None:
        """Store answers from the cache, each unless there is one of this try already; they have no times."""
        now = self._now()
        rows = [answer_row(call, now) | known_values(answer) for call, answer in answers]
        if rows:
            await self._database.transaction(lambda connection: connection.execute(answer_insert(connection), rows))

    async def apply(self, run: str, changes: Changes) -> None:
        """Make the changes of one step, each once, and count them."""
        now = self._now()

        def work(connection: Connection) -> None:
            for change in changes.calls:
                apply_call(connection, run, change, now)
            ended = [job.status for job in changes.jobs if apply_job(connection, run, job, now)]
            counts = {
                "jobs_done": _Q.jobs_done + ended.count("done"),
                "jobs_failed": _Q.jobs_failed + ended.count("failed"),
                "active_s": _Q.active_s + changes.active.total_seconds(),
            }
            connection.execute(batch_runs.update().where(_Q.id == run).values(counts))

        if changes:
            await self._database.transaction(work)
