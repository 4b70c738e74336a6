"""Handing in a run: everything is checked before anything is stored, and stored before anything is generated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b

import orjson

from app.batch.jobs_file import JobLine, JobLines
from app.batch.rendering.renderer import Renderer, RenderItem
from app.batch.requests import ChatOf
from app.batch.runs import NewRun, Run, RunRecords
from app.batch.spec import RunSpec, identity_of
from app.errors import InvalidInput

LOT = 500
LOT_BYTES = 1_000_000
MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A run whose jobs all fit it: the spec with what each stage needs, how many jobs, their hash, their bytes."""

    spec: RunSpec
    jobs: int
    digest: bytes
    size: int

    def run_id(self, owner: str | None = None) -> str:
        """The id of the run: the same spec, jobs and owner are the same run."""
        named = blake2b(identity_of(self.spec) + self.digest + (owner or "").encode(), digest_size=10)
        return named.hexdigest()


class RunProblems(InvalidInput):
    """Jobs that do not fit their run; ``problems`` are the first of them, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems), code="invalid_jobs")
        self.problems = tuple(problems)


async def check(spec: RunSpec, lines: Iterable[bytes], chat_of: ChatOf) -> CheckedRun:
    """Check every job against every stage.

    Raises:
        InvalidInput: a template or a line is wrong, or there is no job.
        RunProblems: fields are missing; each sentence names job, stage and field.
        Unavailable: templates can't be rendered now.
    """
    renderer = Renderer(spec)
    try:
        await renderer.open()
        spec = with_needs(spec, renderer.names)
        reader = _reader(spec)
        problems: list[str] = []
        size = 0
        lots = _lots(reader.read(lines))
        while lot := await asyncio.to_thread(next, lots, None):
            size += lot.size
            if spec.stages[0].chat:
                problems += await asyncio.to_thread(_chat_problems, lot.jobs, chat_of)
            else:
                problems += await _missing(spec, renderer, lot.jobs)
            if len(problems) >= MOST_PROBLEMS:
                break
    finally:
        await renderer.aclose()
    if problems:
        raise RunProblems(problems[:MOST_PROBLEMS])
    if not reader.count:
        raise InvalidInput("there is no job in this file; write one JSON object on each line", field="jobs")
    return CheckedRun(spec, reader.count, reader.digest, size)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run is held to, where that was given; None: as the run file, or whoever handed it in before, says."""

    between: str | None = None
    max_failures: str | None = None


async def hand_in(
    records: RunRecords,
    checked: CheckedRun,
    lines: Iterable[bytes],
    limits: Limits,
    *,
    foreground: bool,
    owner: str | None = None,
    metadata: Mapping[str, str] | None = None,
    expires_at: datetime | None = None,
) -> Run:
    """Store a checked run and its jobs; the run as it is then. ``lines`` are read again.

    What was handed in before goes on where it was; a run that was only half stored is completed. ``foreground`` says
    that only the command which hands it in works on it.

    Raises:
        InvalidInput: the lines are not those that were checked.
        Unavailable: the database does not answer; to repeat it is harmless.
    """
    run = await records.begin(_new(checked, limits, foreground, owner, metadata, expires_at))
    if run.status == "cancelled" and not run.jobs:  # before all of it was stored: its jobs are missing
        await records.move(run.id, ("cancelled",), "loading")
    elif run.status != "loading":
        await records.go_on(run.id, foreground=foreground, between=limits.between, max_failures=limits.max_failures)
        return await records.run(run.id)
    reader = _reader(checked.spec)
    lots = _lots(reader.read(lines))
    while lot := await asyncio.to_thread(next, lots, None):
        await records.add_jobs(run.id, lot.jobs)
    if reader.digest != checked.digest:
        raise InvalidInput("the jobs have changed while they were read; try again", field="jobs")
    await records.complete(run.id, reader.count, checked.size)
    return await records.run(run.id)


def _new(
    checked: CheckedRun,
    limits: Limits,
    foreground: bool,
    owner: str | None,
    metadata: Mapping[str, str] | None,
    expires_at: datetime | None,
) -> NewRun:
    return NewRun(
        checked.run_id(owner),
        checked.spec,
        owner,
        foreground,
        limits.between or "",
        checked.spec.max_failures if limits.max_failures is None else limits.max_failures,
        metadata,
        expires_at,
    )


def with_needs(spec: RunSpec, names: Iterable[frozenset[str]]) -> RunSpec:
    """The spec with the earlier stages that each stage reads; ``names`` are what its templates read.

    Raises:
        InvalidInput: a stage reads itself or a later one.
    """
    places = {stage.name: number for number, stage in enumerate(spec.stages)}
    stages = []
    for number, (stage, read) in enumerate(zip(spec.stages, names, strict=True)):
        needs = sorted(places[name] for name in read & places.keys())
        for need in needs:
            if need >= number:
                later = spec.stages[need].name
                why = f"stage {stage.name} reads {later}, which has no answer yet; put {later} before it"
                raise InvalidInput(why, field=f"stages.{number}.prompt")
        stages.append(replace(stage, needs=tuple(needs)))
    return replace(spec, stages=tuple(stages))


def _reader(spec: RunSpec) -> JobLines:
    chat = spec.stages[0].chat
    return JobLines(chat=chat, reserved=() if chat else [stage.name for stage in spec.stages])


@dataclass(frozen=True, slots=True)
class _Lot:
    jobs: list[JobLine]
    size: int


def _lots(jobs: Iterator[JobLine]) -> Iterator[_Lot]:
    """Jobs a few at a time, by number and by bytes: lines may be long."""
    lot: list[JobLine] = []
    size = 0
    for job in jobs:
        lot.append(job)
        size += len(orjson.dumps(dict(job.fields)))
        if len(lot) == LOT or size >= LOT_BYTES:
            yield _Lot(lot, size)
            lot, size = [], 0
    if lot:
        yield _Lot(lot, size)


async def _missing(spec: RunSpec, renderer: Renderer, jobs: list[JobLine]) -> list[str]:
    items = [(job, stage) for job in jobs for stage in range(len(spec.stages))]
    replies = await renderer.replies([RenderItem(stage, job.custom_id, job.fields, None) for job, stage in items])
    problems = []
    for (job, stage), reply in zip(items, replies, strict=True):
        where = f"line {job.line}, job {job.custom_id!r}, stage {spec.stages[stage].name}"
        if reply.error == "missing":
            problems.append(f"{where}: the field {reply.why!r} is missing; add it to the job or change the template")
        elif reply.error:
            problems.append(f"{where}: {reply.why or reply.error}")
    return problems


def _chat_problems(jobs: list[JobLine], chat_of: ChatOf) -> list[str]:
    problems = []
    for job in jobs:
        try:
            chat_of(job.fields)
        except InvalidInput as error:
            problems.append(f"line {job.line}, job {job.custom_id!r}: {error.sentence}")
    return problems
