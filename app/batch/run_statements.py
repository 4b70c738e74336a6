"""The SQL of runs: each change is conditional, so that to make it twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from app.arena.states import AnswerState
from app.batch.call import BatchCall, CallKey
from app.batch.chain import CallRecord, Part
from app.batch.run_values import CallChange, JobChange, Run
from app.batch.spec import decode_spec
from app.records.answer_cache import CachedAnswer
from app.records.batch_tables import TIMES, batch_calls, batch_jobs, batch_runs, batch_stages

_Q, _J, _C, _S = batch_runs.c, batch_jobs.c, batch_calls.c, batch_stages.c


def figures_of_answer(answer: AnswerState) -> dict[str, Any]:
    """An answer's tokens and times by the names of their columns."""
    timing = {} if answer.timing is None else answer.timing.to_dict()
    figures: dict[str, Any] = {name: timing.get(name) for name in TIMES}
    counts = {name: int(timing.get(name) or 0) for name in ("tokens", "prompt_tokens")}
    return figures | counts | {"cold": bool(timing.get("cold"))}


def answer_row(call: BatchCall, now: datetime) -> dict[str, Any]:
    """The row of an answer, but for what the answer says."""
    names = {"run_id": call.run, **call.key._asdict(), "tries": call.tries, "model": call.request.model}
    rest = {"status": "answered", "faults": 0, "error_code": None, "error": None, "cached": False}
    return names | rest | {"created_at": now}


def known_values(answer: CachedAnswer) -> dict[str, Any]:
    """What an answer from the cache says: no host and no times, for nothing was written."""
    said: dict[str, Any] = {"text": answer.text, "finish_reason": answer.finish_reason}
    said |= {"tokens": answer.tokens, "prompt_tokens": answer.prompt_tokens}
    rest = {"host": None, "digest": answer.digest, "cached": True, "cold": False}
    return said | rest | dict.fromkeys(TIMES)


def is_call_of(key: CallKey) -> tuple[sa.ColumnElement[bool], ...]:
    """The conditions for one call of a run."""
    return (_C.n == key.n, _C.stage == key.stage, _C.part == key.part)


def calls_in(
    connection: Connection, run: str, numbers: Sequence[int], status: str = ""
) -> dict[int, dict[Part, CallRecord]]:
    """The calls of these jobs, of one status or of all."""
    found: dict[int, dict[Part, CallRecord]] = {}
    query = sa.select(batch_calls).where(_C.run_id == run, _C.n.in_(numbers))
    if status:
        query = query.where(_C.status == status)
    for row in connection.execute(query):
        found.setdefault(row.n, {})[row.stage, row.part] = CallRecord(
            status=row.status,
            tries=row.tries,
            faults=row.faults,
            text=row.text,
            model=row.model,
            finish_reason=row.finish_reason or "",
            error_code=row.error_code or "",
            error=row.error or "",
            host=row.host or "",
            tokens=row.tokens,
            prompt_tokens=row.prompt_tokens,
            cached=row.cached,
            digest=row.digest or "",
        )
    return found


def apply_call(connection: Connection, run: str, change: CallChange, now: datetime) -> None:
    """Make one change of a call, and count it if it has ended by that."""
    values: dict[str, Any] = {"status": change.status, "tries": change.tries, "faults": change.faults}
    values |= {"error_code": change.error_code or None, "error": change.error or None}
    if change.judged:
        where = (_C.run_id == run, *is_call_of(change.key), _C.status == "answered")
        applied = connection.execute(batch_calls.update().where(*where).values(values)).rowcount
    else:
        row = {"run_id": run, **change.key._asdict(), **values, "model": change.model, "text": "", "tokens": 0}
        row |= {"cold": False, "cached": False, "created_at": now}
        applied = connection.execute(insert_if_absent(connection, batch_calls), row).rowcount
    if applied and change.status in ("done", "failed", "skipped"):
        _count(connection, run, change)


def _count(connection: Connection, run: str, change: CallChange) -> None:
    """Add an ended call to its stage's sums."""
    named = {"done": _S.done, "failed": _S.failed, "skipped": _S.skipped}[change.status]
    values: dict[Any, Any] = {named: named + 1}
    if change.judged:
        figures = sa.select(
            _C.tokens, _C.prompt_tokens, _C.decode_s, _C.load_s, _C.queue_s, _C.total_s, _C.cold, _C.cached
        )
        row = connection.execute(figures.where(_C.run_id == run, *is_call_of(change.key))).one()
        if row.cached:
            values[_S.cached] = _S.cached + 1
        else:
            work_s = max((row.total_s or 0.0) - (row.queue_s or 0.0) - (row.load_s or 0.0), 0.0)
            values |= {
                _S.tokens: _S.tokens + row.tokens,
                _S.prompt_tokens: _S.prompt_tokens + row.prompt_tokens,
                _S.decode_s: _S.decode_s + (row.decode_s or 0.0),
                _S.load_s: _S.load_s + (row.load_s or 0.0),
                _S.work_s: _S.work_s + work_s,
                _S.cold: _S.cold + int(row.cold),
            }
    change_sums = batch_stages.update().where(_S.run_id == run, _S.stage == change.key.stage)
    connection.execute(change_sums.values(values))


def apply_job(connection: Connection, run: str, job: JobChange, now: datetime) -> bool:
    """End a job; whether it had not ended before."""
    change = (
        batch_jobs.update()
        .where(_J.run_id == run, _J.n == job.n, _J.status == "waiting")
        .values(
            status=job.status,
            stage=job.stage,
            error_code=job.error_code or None,
            error=job.error or None,
            ended_at=now,
        )
    )
    return connection.execute(change).rowcount == 1


def no_sums(run: str, stage: int) -> dict[str, Any]:
    """The sums of a stage in which nothing was done."""
    counts = dict.fromkeys(("done", "failed", "skipped", "cached", "cold", "tokens", "prompt_tokens"), 0)
    return {"run_id": run, "stage": stage, **counts, **dict.fromkeys(("decode_s", "load_s", "work_s"), 0.0)}


ONE_RUN = sa.select(batch_runs).where(_Q.id == sa.bindparam("id"))


def run_of(row: sa.Row[Any]) -> Run:
    """A row as a run."""
    return run_from(row._mapping)


def run_from(columns: Mapping[Any, Any]) -> Run:
    """The columns of a row as a run."""
    values = dict(columns)
    values["spec"] = decode_spec(values["spec"])
    return Run(**{name: values[name] for name in Run.__dataclass_fields__})


_Insert = sqlite.Insert | postgresql.Insert


def _insert(connection: Connection, table: sa.Table) -> _Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_if_absent(connection: Connection, table: sa.Table) -> sa.Insert:
    """INSERT … ON CONFLICT DO NOTHING."""
    return _insert(connection, table).on_conflict_do_nothing()


def answer_insert(connection: Connection) -> sa.Insert:
    """An answer, unless there is one: only a call that is open for just this try takes another."""
    insert = _insert(connection, batch_calls)
    new = insert.excluded
    kept = {"run_id", "n", "stage", "part", "faults"}
    return insert.on_conflict_do_update(
        index_elements=["run_id", "n", "stage", "part"],
        set_={column.name: new[column.name] for column in batch_calls.c if column.name not in kept},
        where=sa.and_(_C.status == "open", _C.tries == new.tries),
    )
