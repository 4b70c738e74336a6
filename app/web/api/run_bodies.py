"""A run as it is handed in: a form with the run file and the jobs file, or one JSON object; never a server's path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import orjson
from fastapi import Request
from pydantic import ConfigDict, Field, ValidationError

from app.batch.hours import hours_form
from app.batch.intake import RunIntake
from app.batch.jobs_file import begins_with_chat
from app.batch.run_file import failures_form, read_run, run_of_table
from app.batch.spec import CHAT_STAGE, RunSpec
from app.batch.spool import Spool
from app.batch.submission import Limits
from app.errors import InvalidInput
from app.web.shared.fields import UNKNOWN_FIELD, NativeBody
from app.web.shared.forms import MEDIA, FieldTexts, FormPart, announced_length, form_pieces, media_of
from app.web.shared.keys import Owner

FIELDS = ("run", "jobs", "name", "between", "max_failures")


class RunBody(NativeBody):
    """A small run in one JSON object; larger ones are sent as a form."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "run": {"stages": [{"name": "draft", "model": "llama3.1:8b", "prompt": "Argue for {{ topic }}."}]},
                    "jobs": [{"custom_id": "job-1", "topic": "tides"}],
                }
            ]
        }
    )

    run: dict[str, Any] | str | None = Field(
        default=None, description="The run file: its tables, or its TOML as text. Without it: OpenAI's batch lines."
    )
    jobs: list[dict[str, Any]] = Field(min_length=1)
    name: str = Field(default="", max_length=200)
    between: str | None = Field(default=None, description="The hours in which it may work: 22:00-07:00.")
    max_failures: str | int | None = Field(default=None, description="How many failed jobs stop it: 20, or 5%.")


FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run": {
            "type": "string",
            "format": "binary",
            "description": "The run file, TOML or JSON. Without it the jobs are lines of OpenAI's Batch API.",
        },
        "jobs": {"type": "string", "format": "binary", "description": "The jobs file: JSON lines."},
        "name": {"type": "string"},
        "between": {"type": "string", "example": "22:00-07:00"},
        "max_failures": {"type": "string", "example": "5%"},
    },
    "required": ["jobs"],
}


@dataclass(frozen=True, slots=True)
class Submission:
    """A run that was sent: what it does, its jobs, and what it is held to."""

    spec: RunSpec
    jobs: Spool
    limits: Limits


@asynccontextmanager
async def submission(request: Request, intake: RunIntake, owner: Owner) -> AsyncIterator[Submission]:
    """Read a run; what was read is gone when the block ends.

    Raises:
        InvalidInput: something is missing or malformed; the sentence says what.
        MessageTooLarge, StorageFull: there is too much of it.
    """
    async with intake.upload(owner.key, announced_length(request)) as spool:
        if media_of(request) == MEDIA:
            yield await _from_form(request, spool)
        else:
            yield await _from_json(request, spool)


async def _from_form(request: Request, spool: Spool) -> Submission:
    texts, part, files = FieldTexts(), FormPart(""), {"run": "", "jobs": ""}
    async with aclosing(form_pieces(request)) as pieces:
        async for piece in pieces:
            if isinstance(piece, FormPart):
                part = piece
                _check_part(part)
                files[part.name] = PurePath(part.filename).stem
                texts.add(part, b"")
            elif part.name == "jobs":
                await spool.write(piece)
            else:
                texts.add(part, piece)
    await spool.flush()
    run = texts.get("run")
    name = texts.get("name") or files["run"] or files["jobs"]
    spec = _openai_run(spool, name) if run is None else _read(run, name)
    return Submission(spec, spool, _limits(texts.get("between"), texts.get("max_failures")))


def _check_part(part: FormPart) -> None:
    if part.name not in FIELDS:
        remedy = f"the parts are {', '.join(FIELDS)}"
        raise InvalidInput(
            f"{part.name[:100]!r} is no part of this form; {remedy}", code=UNKNOWN_FIELD, field=part.name
        )


async def _from_json(request: Request, spool: Spool) -> Submission:
    try:
        body = RunBody.model_validate(orjson.loads(await request.body()))
    except orjson.JSONDecodeError:
        raise InvalidInput("the body is not valid JSON", code="invalid_json") from None
    except ValidationError as error:
        raise _invalid(error) from None
    for job in body.jobs:
        await spool.write(orjson.dumps(job) + b"\n")
    await spool.flush()
    if body.run is None:
        spec = _openai_run(spool, body.name)
    elif isinstance(body.run, str):
        spec = read_run(body.run, body.name)
    else:
        spec = run_of_table(body.run, body.name)
    return Submission(spec, spool, _limits(body.between, body.max_failures))


def _invalid(error: ValidationError) -> InvalidInput:
    first = error.errors()[0]
    if first["type"] == UNKNOWN_FIELD:
        return InvalidInput(first["ctx"]["sentence"], code=UNKNOWN_FIELD, field=first["ctx"]["field"])
    field = ".".join(map(str, first["loc"])) or "body"
    return InvalidInput(f"{field}: {first['msg'].lower()}", field=field)


def _read(text: str, name: str) -> RunSpec:
    """A run file, TOML or JSON."""
    if not text.lstrip().startswith("{"):
        return read_run(text, name)
    try:
        value: Mapping[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"run: that is no JSON ({error.msg})", field="run") from None
    return run_of_table(value, name)


def _openai_run(spool: Spool, name: str) -> RunSpec:
    first = next((line for line in spool.read() if line.strip()), b"")
    if not begins_with_chat(first):
        raise InvalidInput(
            "run is required: the run file with the stages; only lines of OpenAI's Batch API need none", field="run"
        )
    return RunSpec(name, (CHAT_STAGE,))


def _limits(between: str | None, max_failures: str | int | None) -> Limits:
    return Limits(
        None if between is None else hours_form(between),
        None if max_failures is None else failures_form(max_failures),
    )
