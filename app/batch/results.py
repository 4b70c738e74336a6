"""What came of a run, in the order of its jobs, read and written a few jobs at a time; also of a run that goes on.

JSON lines hold the job's id, its status, each stage's answer and, for a failed job, stage, class and sentence. The
lines of OpenAI's Batch API are written as that API does. In CSV, what a spreadsheet would take for a formula gets an
apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.batch.chain import CallRecord, Part
from app.batch.runs import Run, calls_in
from app.batch.spec import RunSpec
from app.database.database import Database
from app.legible import harmless
from app.records.batch_tables import batch_jobs

CHUNK = 200

Form = Literal["jsonl", "csv", "openai"]


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job and what came of it; ``stage`` is the one that failed."""

    n: int
    custom_id: str
    fields: Mapping[str, Any]
    status: str
    stage: int | None
    error_code: str
    error: str
    ended_at: datetime | None
    calls: Mapping[Part, CallRecord]


async def results(database: Database, run: Run, *, ended: bool = True) -> AsyncGenerator[JobResult]:
    """Yield the jobs in order; with ``ended`` only those that have.

    Raises:
        Unavailable: the database does not answer.
    """
    after = -1
    while chunk := await database.read(lambda connection: _chunk(connection, run.id, after, ended=ended)):  # noqa: B023
        for result in chunk:
            yield result
        after = chunk[-1].n


def _chunk(connection: Connection, run: str, after: int, *, ended: bool) -> list[JobResult]:
    columns = batch_jobs.c
    query = sa.select(batch_jobs).where(columns.run_id == run, columns.n > after).order_by(columns.n).limit(CHUNK)
    if ended:
        query = query.where(columns.status != "waiting")
    rows = connection.execute(query).all()
    calls = calls_in(connection, run, [row.n for row in rows]) if rows else {}
    return [
        JobResult(
            row.n,
            row.custom_id,
            row.fields,
            row.status,
            row.stage,
            row.error_code or "",
            row.error or "",
            row.ended_at,
            calls.get(row.n, {}),
        )
        for row in rows
    ]


async def written(database: Database, run: Run, form: Form, *, ended: bool = True) -> AsyncGenerator[bytes]:
    """Yield the results as a file."""
    if form == "csv":
        yield _csv_row(header_of(run.spec))
    async for result in results(database, run, ended=ended):
        if form == "csv":
            yield _csv_row(cells_of(run.spec, result))
        else:
            value = openai_line(run, result) if form == "openai" else line_of(run.spec, result)
            yield orjson.dumps(value) + b"\n"


def line_of(spec: RunSpec, result: JobResult) -> dict[str, Any]:
    """A job as a JSON line."""
    line: dict[str, Any] = {"custom_id": result.custom_id, "status": result.status}
    if result.status == "failed":
        stage = None if result.stage is None else spec.stages[result.stage].name
        line["error"] = {"stage": stage, "code": result.error_code, "message": result.error}
    line["stages"] = {stage.name: _stage(spec, number, result.calls) for number, stage in enumerate(spec.stages)}
    return line


def _stage(spec: RunSpec, number: int, calls: Mapping[Part, CallRecord]) -> Any:
    """A stage's answers: none, one, or a list where it has several models or samples."""
    found = sorted((part, call) for (stage, part), call in calls.items() if stage == number)
    answers = [_answer(spec, number, call) for _, call in found if call.status in ("done", "skipped")]
    if spec.stages[number].parts > 1 and not any(call.status == "skipped" for _, call in found):
        return answers
    return answers[0] if answers else None


def _answer(spec: RunSpec, stage: int, call: CallRecord) -> dict[str, Any]:
    if call.status == "skipped":
        return {"skipped": True}
    answer: dict[str, Any] = {"model": call.model, "text": call.text, "finish_reason": call.finish_reason}
    if spec.stages[stage].json is not None:
        answer["json"] = orjson.loads(call.text)
    if call.cached:
        answer["cached"] = True
    return answer


def openai_line(run: Run, result: JobResult) -> dict[str, Any]:
    """A job as OpenAI's Batch API writes it to its output file or its error file."""
    call = result.calls.get((0, 0))
    line: dict[str, Any] = {"id": f"batch_req_{run.id}_{result.n}", "custom_id": result.custom_id}
    if call is None or call.status != "done":
        code = result.error_code or "batch_cancelled"
        return line | {"response": None, "error": {"code": code, "message": result.error or "it was not done"}}
    body: dict[str, Any] = {
        "id": f"chatcmpl-{run.id}-{result.n}",
        "object": "chat.completion",
        "created": int((result.ended_at or run.created_at).timestamp()),
        "model": call.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": call.text},
                "logprobs": None,
                "finish_reason": call.finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": call.prompt_tokens,
            "completion_tokens": call.tokens,
            "total_tokens": call.prompt_tokens + call.tokens,
        },
    }
    if call.cached:
        body["cached"] = True
    response = {"status_code": 200, "request_id": f"{run.id}-{result.n}", "body": body}
    return line | {"response": response, "error": None}


def header_of(spec: RunSpec) -> list[str]:
    """The columns of the table."""
    marks = ["cached"] if spec.cache else []
    columns = ("custom_id", "status", "error_stage", "error_code", "error", *marks)
    return [*columns, *(name for _, _, name in _columns(spec))]


def _columns(spec: RunSpec) -> list[tuple[int, int, str]]:
    return [
        (number, part, stage.name if stage.parts == 1 else f"{stage.name}.{part + 1}")
        for number, stage in enumerate(spec.stages)
        for part in range(stage.parts)
    ]


def cells_of(spec: RunSpec, result: JobResult) -> list[str]:
    """A job as a row."""
    stage = "" if result.stage is None else spec.stages[result.stage].name
    answers = [result.calls.get((number, part)) for number, part, _ in _columns(spec)]
    texts = ["" if call is None or call.status != "done" else call.text for call in answers]
    marks = [" ".join(_cached(spec, answers))] if spec.cache else []
    return [result.custom_id, result.status, stage, result.error_code, result.error, *marks, *texts]


def _cached(spec: RunSpec, answers: Sequence[CallRecord | None]) -> list[str]:
    """The columns whose answers come from the cache."""
    named = zip(_columns(spec), answers, strict=True)
    return [name for (_, _, name), call in named if call is not None and call.cached]


def _csv_row(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer).writerow([harmless(cell) for cell in cells])
    return buffer.getvalue().encode("utf-8", "replace")
