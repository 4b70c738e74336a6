"""The transactions on runs: SQL decides what a run is, how far it is, and which answers are there.

Every change is conditional, so that two processes which take themselves for a run's only one do no harm: an answer is
stored once, is judged once, and is counted once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from app.arena.states import AnswerState
from app.batch.call import BatchCall, CallKey
from app.batch.chain import CallRecord, CallStatus, Part
from app.batch.jobs_file import JobLine
from app.batch.spec import RunSpec, decode_spec, encode_spec
from app.database.database import Database
from app.errors import Conflict, NotFound
from app.records.batch_tables import TIMES, batch_calls, batch_jobs, batch_loads, batch_runs, batch_stages

RunStatus = Literal["loading", "queued", "running", "paused", "completed", "failed", "cancelled"]
ACTIVE: tuple[RunStatus, ...] = ("queued", "running")
LIVE: tuple[RunStatus, ...] = ("loading", "queued", "running", "paused")

_Q, _J, _C, _S = batch_runs.c, batch_jobs.c, batch_calls.c, batch_stages.c


@dataclass(frozen=True, slots=True)
class StageSums:
    """How far a stage is: calls by their end, those from the cache, those that waited for a load, tokens, seconds.

    ``work_s`` is what all calls took together, from their start to their end.
    """

    stage: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    cached: int = 0
    cold: int = 0
    tokens: int = 0
    decode_s: float = 0.0
    load_s: float = 0.0
    work_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run as SQL has it; ``note`` is what it waits for, ``active_s`` how long it has worked."""

    id: str
    owner: str | None
    spec: RunSpec
    status: RunStatus
    foreground: bool
    jobs: int
    jobs_done: int
    jobs_failed: int
    bytes: int
    note: str
    between: str
    max_failures: str
    active_s: float
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    expires_at: datetime | None = None
    metadata: Mapping[str, str] | None = None

    @property
    def jobs_ended(self) -> int:
        """Jobs that are done or failed."""
        return self.jobs_done + self.jobs_failed


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job of a run that has not ended, and its calls."""

    n: int
    custom_id: str
    fields: Mapping[str, Any]
    calls: Mapping[Part, CallRecord]


@dataclass(frozen=True, slots=True)
class CallChange:
    """What becomes of a call. ``judged``: it was answered before; else it gets a row of its own (skipped, failed)."""

    key: CallKey
    status: CallStatus
    tries: int = 0
    faults: int = 0
    error_code: str = ""
    error: str = ""
    judged: bool = True
    model: str = ""


@dataclass(frozen=True, slots=True)
class JobChange:
    """How a job ended; ``stage`` is the one that failed."""

    n: int
    status: Literal["done", "failed"]
    stage: int | None = None
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """What one step of a runner changes, in one transaction."""

    calls: Sequence[CallChange] = ()
    jobs: Sequence[JobChange] = ()
    active: timedelta = field(default=timedelta(0))

    def __bool__(self) -> bool:
        return bool(self.calls or self.jobs or self.active)


@dataclass(frozen=True, slots=True)
class LoadSeen:
    """A model that came into a host's memory: since when (Unix time), how long it took, how many jobs were done."""

    host: str
    since: float
    model: str
    seconds: float | None
    jobs_done: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is handed in; ``between`` are hours of the day (``22:00-07:00``)."""

    id: str
    spec: RunSpec
    owner: str | None = None
    foreground: bool = False
    between: str = ""
    max_failures: str = ""
    metadata: Mapping[str, str] | None = None
    expires_at: datetime | None = None


class RunRecords:
    """Runs in SQL; ``now`` is the clock of all machines. Calls raise ``Unavailable`` while it is unavailable."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

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
            if connection.execute(_unless_there(connection, batch_runs), row).rowcount == 1:
                sums = [_no_sums(new.id, number) for number in range(len(new.spec.stages))]
                connection.execute(batch_stages.insert(), sums)
            return _run(connection.execute(_ONE_RUN, {"id": new.id}).one())

        return await self._database.transaction(work)

    async def add_jobs(self, run: str, jobs: Sequence[JobLine]) -> None:
        """Store jobs; those that are there stay as they are."""
        rows = [
            {"run_id": run, "n": job.n, "custom_id": job.custom_id, "fields": dict(job.fields), "status": "waiting"}
            for job in jobs
        ]
        if rows:
            await self._database.transaction(
                lambda connection: connection.execute(_unless_there(connection, batch_jobs), rows)
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
        row = await self._database.read(lambda connection: connection.execute(_ONE_RUN, {"id": run}).one_or_none())
        if row is None:
            raise NotFound(f"there is no run {run!r}; arena batch list shows those that there are")
        return _run(row)

    async def runs(self, owner: str | None = None, limit: int = 100, *, everybody: bool = True) -> list[Run]:
        """The newest runs, of everybody or of one owner."""
        query = sa.select(batch_runs).order_by(_Q.created_at.desc(), _Q.id).limit(limit)
        if not everybody:
            query = query.where(_Q.owner == owner)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_run(row) for row in rows]

    async def active(self) -> list[Run]:
        """The runs that work or may begin to, the oldest first; those of a command's own are left out."""
        query = (
            sa.select(batch_runs)
            .where(_Q.status.in_(ACTIVE), _Q.foreground.is_(False))
            .order_by(_Q.created_at, _Q.id)
            .limit(100)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [_run(row) for row in rows]

    async def sums(self, run: str) -> list[StageSums]:
        """How far each stage is."""
        query = sa.select(batch_stages).where(_S.run_id == run).order_by(_S.stage)
        rows = await self._database.read(lambda connection: connection.execute(query).mappings().all())
        return [StageSums(**{name: row[name] for name in StageSums.__dataclass_fields__}) for row in rows]

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
        stored = sa.select(_C.status, _C.tries).where(_C.run_id == run, *_is(key))

        def work(connection: Connection) -> bool:
            status = connection.execute(sa.select(_Q.status).where(_Q.id == run)).scalar_one_or_none()
            if status not in ACTIVE:
                return False
            row = connection.execute(stored).one_or_none()
            return row is None or (row.status == "open" and row.tries == tries)

        return await self._database.read(work)

    async def store_answer(self, call: BatchCall, answer: AnswerState, digest: str) -> bool:
        """Store what a model answered; False when there is an answer of this try already."""
        row = {
            "run_id": call.run,
            "n": call.n,
            "stage": call.stage,
            "part": call.part,
            "status": "answered",
            "tries": call.tries,
            "faults": 0,
            "model": call.request.model,
            "host": answer.host,
            "digest": digest or None,
            "text": "" if answer.finish == "error" else answer.text,
            "finish_reason": answer.finish,
            "error_code": None if answer.error is None else answer.error["code"],
            "error": None,
            "cached": False,
            "created_at": self._now(),
            **_figures(answer),
        }

        def work(connection: Connection) -> bool:
            return connection.execute(_answer_insert(connection), row).rowcount == 1

        return await self._database.transaction(work)

    async def apply(self, run: str, changes: Changes) -> None:
        """Make the changes of one step, each once, and count them."""
        now = self._now()

        def work(connection: Connection) -> None:
            for change in changes.calls:
                _apply_call(connection, run, change, now)
            ended = [job.status for job in changes.jobs if _apply_job(connection, run, job, now)]
            counts = {
                "jobs_done": _Q.jobs_done + ended.count("done"),
                "jobs_failed": _Q.jobs_failed + ended.count("failed"),
                "active_s": _Q.active_s + changes.active.total_seconds(),
            }
            connection.execute(batch_runs.update().where(_Q.id == run).values(counts))

        if changes:
            await self._database.transaction(work)

    async def add_load(self, run: str, load: LoadSeen) -> None:
        """Note that a model came into memory while the run was going on; once."""
        row = {"run_id": run, **asdict(load)}
        await self._database.transaction(
            lambda connection: connection.execute(_unless_there(connection, batch_loads), row)
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
        change = batch_runs.update().where(_Q.id == run, _Q.note != note).values(note=note)
        await self._database.transaction(lambda connection: connection.execute(change))

    async def move(self, run: str, origins: Sequence[RunStatus], target: RunStatus, note: str = "") -> bool:
        """Change the status if it is one of ``origins``; whether it was."""
        values: dict[str, Any] = {"status": target, "note": note}
        if target == "running":
            values["started_at"] = sa.func.coalesce(_Q.started_at, sa.bindparam("now", self._now(), _Q.started_at.type))
        if target in ("completed", "failed", "cancelled"):
            values["ended_at"] = self._now()
        if target == "queued":
            values["ended_at"] = None
        change = batch_runs.update().where(_Q.id == run, _Q.status.in_(origins)).values(values)
        return await self._database.transaction(lambda connection: connection.execute(change).rowcount == 1)

    async def go_on(self, run: str, *, foreground: bool, between: str | None, max_failures: str | None) -> None:
        """Let a run go on that was handed in again, with the limits that were given now."""
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


def _figures(answer: AnswerState) -> dict[str, Any]:
    timing = {} if answer.timing is None else answer.timing.to_dict()
    figures: dict[str, Any] = {name: timing.get(name) for name in TIMES}
    return figures | {"tokens": int(timing.get("tokens") or 0), "cold": bool(timing.get("cold"))}


def _is(key: CallKey) -> tuple[sa.ColumnElement[bool], ...]:
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
            cached=row.cached,
        )
    return found


def _apply_call(connection: Connection, run: str, change: CallChange, now: datetime) -> None:
    values: dict[str, Any] = {"status": change.status, "tries": change.tries, "faults": change.faults}
    values |= {"error_code": change.error_code or None, "error": change.error or None}
    if change.judged:
        where = (_C.run_id == run, *_is(change.key), _C.status == "answered")
        applied = connection.execute(batch_calls.update().where(*where).values(values)).rowcount
    else:
        row = {"run_id": run, **change.key._asdict(), **values, "model": change.model, "text": "", "tokens": 0}
        row |= {"cold": False, "cached": False, "created_at": now}
        applied = connection.execute(_unless_there(connection, batch_calls), row).rowcount
    if applied and change.status in ("done", "failed", "skipped"):
        _count(connection, run, change)


def _count(connection: Connection, run: str, change: CallChange) -> None:
    """Add an ended call to its stage's sums."""
    named = {"done": _S.done, "failed": _S.failed, "skipped": _S.skipped}[change.status]
    values: dict[Any, Any] = {named: named + 1}
    if change.judged:
        figures = sa.select(_C.tokens, _C.decode_s, _C.load_s, _C.queue_s, _C.total_s, _C.cold, _C.cached)
        row = connection.execute(figures.where(_C.run_id == run, *_is(change.key))).one()
        if row.cached:
            values[_S.cached] = _S.cached + 1
        else:
            work_s = max((row.total_s or 0.0) - (row.queue_s or 0.0) - (row.load_s or 0.0), 0.0)
            values |= {
                _S.tokens: _S.tokens + row.tokens,
                _S.decode_s: _S.decode_s + (row.decode_s or 0.0),
                _S.load_s: _S.load_s + (row.load_s or 0.0),
                _S.work_s: _S.work_s + work_s,
                _S.cold: _S.cold + int(row.cold),
            }
    change_sums = batch_stages.update().where(_S.run_id == run, _S.stage == change.key.stage)
    connection.execute(change_sums.values(values))


def _apply_job(connection: Connection, run: str, job: JobChange, now: datetime) -> bool:
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


def _no_sums(run: str, stage: int) -> dict[str, Any]:
    counts = dict.fromkeys(("done", "failed", "skipped", "cached", "cold", "tokens"), 0)
    return {"run_id": run, "stage": stage, **counts, **dict.fromkeys(("decode_s", "load_s", "work_s"), 0.0)}


_ONE_RUN = sa.select(batch_runs).where(_Q.id == sa.bindparam("id"))


def _run(row: sa.Row[Any]) -> Run:
    values = dict(row._mapping)
    values["spec"] = decode_spec(values["spec"])
    return Run(**{name: values[name] for name in Run.__dataclass_fields__})


_Insert = sqlite.Insert | postgresql.Insert


def _insert(connection: Connection, table: sa.Table) -> _Insert:
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _unless_there(connection: Connection, table: sa.Table) -> sa.Insert:
    return _insert(connection, table).on_conflict_do_nothing()


def _answer_insert(connection: Connection) -> sa.Insert:
    """An answer, unless there is one: only a call that is open for just this try takes another."""
    insert = _insert(connection, batch_calls)
    new = insert.excluded
    kept = {"run_id", "n", "stage", "part", "faults"}
    return insert.on_conflict_do_update(
        index_elements=["run_id", "n", "stage", "part"],
        set_={column.name: new[column.name] for column in batch_calls.c if column.name not in kept},
        where=sa.and_(_C.status == "open", _C.tries == new.tries),
    )
