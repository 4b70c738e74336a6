"""``/v1/batches`` of OpenAI's API: a batch is a run whose jobs are the lines of an uploaded file."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from app.batch.jobs_file import CHAT_URL
from app.batch.openai_batches import OpenAiBatch
from app.batch.run_values import LIVE
from app.batch.runs import RunRecords
from app.errors import Conflict, InvalidInput, NotFound
from app.web.openai.callers import Known
from app.web.openai.files import V1Owner, checked_seconds, made_by, own_file, page_of, seconds_of
from app.web.shared.answering import DocumentedRoute
from app.web.shared.keys import Owner
from app.web.shared.services import BatchServices, Wired

router = APIRouter(prefix="/v1", route_class=DocumentedRoute, include_in_schema=False)

_WINDOW = re.compile(r"([1-9]\d{0,3})([hd])")
LONGEST_WINDOW = timedelta(days=30)
MOST_METADATA = 16


class OutputExpiresAfter(BaseModel):
    """How long the files that a batch makes are kept."""

    model_config = ConfigDict(extra="ignore")

    anchor: Literal["created_at"]
    seconds: StrictInt


class BatchRequest(BaseModel):
    """``POST /v1/batches``."""

    model_config = ConfigDict(extra="ignore")

    input_file_id: str = Field(min_length=1, max_length=200)
    endpoint: str
    completion_window: str
    metadata: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]] | None = None
    output_expires_after: OutputExpiresAfter | None = None


@router.post("/batches")
async def create_batch(body: BatchRequest, services: Wired, owner: V1Owner, caller: Known) -> dict[str, Any]:
    """Make a batch of an uploaded file; its lines are checked in a moment."""
    if body.endpoint != CHAT_URL:
        raise InvalidInput(f"endpoint must be {CHAT_URL}: nothing else is served here", field="endpoint")
    window = _window(body.completion_window)
    if body.metadata is not None and len(body.metadata) > MOST_METADATA:
        raise InvalidInput(f"metadata has over {MOST_METADATA} pairs", field="metadata")
    keep = body.output_expires_after
    keep_s = None if keep is None else checked_seconds(keep.seconds, "output_expires_after.seconds")
    file = await own_file(services.batch, owner, body.input_file_id)
    batch = await services.batch.openai.create(
        owner.key, file.id, (body.completion_window, window), body.metadata, keep_s, retry=caller.retry
    )
    services.batch.batch_created()
    return batch_view(batch)


def _window(given: str) -> timedelta:
    found = _WINDOW.fullmatch(given)
    if found is None:
        raise InvalidInput("completion_window is a number of hours or days, such as 24h", field="completion_window")
    number = int(found[1])
    window = timedelta(hours=number) if found[2] == "h" else timedelta(days=number)
    if window > LONGEST_WINDOW:
        raise InvalidInput("completion_window must be at most 30d", field="completion_window")
    return window


@router.get("/batches")
async def list_batches(
    services: Wired, owner: V1Owner, after: str = "", limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, Any]:
    """Your batches, the newest first."""
    found = await services.batch.openai.batches(owner.key, everybody=owner.key is None)
    return page_of([batch_view(batch) for batch in found], after, limit)


@router.get("/batches/{batch_id}")
async def read_batch(batch_id: str, services: Wired, owner: V1Owner) -> dict[str, Any]:
    """How far a batch is."""
    return batch_view(await _batch(services.batch, owner, batch_id))


@router.post("/batches/{batch_id}/cancel")
async def cancel_batch(batch_id: str, services: Wired, owner: V1Owner) -> dict[str, Any]:
    """End a batch; what is done stays in its output file."""
    batches, records = services.batch.openai, services.batch.records
    batch = await _batch(services.batch, owner, batch_id)
    if batch.shown_status not in ("validating", "in_progress", "cancelling", "cancelled"):
        raise Conflict(f"a batch that is {batch.shown_status} can't be cancelled")
    if batch.shown_status in ("validating", "in_progress"):
        await batches.stamp(batch.id, "cancelling_at")
        batch = await _batch(services.batch, owner, batch_id)
        await _end(records, batch)
        services.batch.batch_created()
        batch = await _batch(services.batch, owner, batch_id)
    return batch_view(batch)


async def _end(records: RunRecords, batch: OpenAiBatch) -> None:
    if batch.run_id is not None:
        await records.move(batch.run_id, LIVE, "cancelled")


async def _batch(services: BatchServices, owner: Owner, batch_id: str) -> OpenAiBatch:
    found = await services.openai.batch(batch_id)
    if found is None or not owner.sees(found.owner):
        raise NotFound(f"No batch found with id '{batch_id[:100]}'.", code="batch_not_found", field="id")
    return found


def batch_view(batch: OpenAiBatch) -> dict[str, Any]:
    """A batch as OpenAI's clients read it."""
    run, status = batch.run, batch.shown_status
    files = {made.kind: made.id for made in made_by(batch)}
    ended_at = batch.ended_at if run is None else run.ended_at
    finalized = seconds_of(batch.finalized_at if run is not None else ended_at)
    ends = {name: finalized if status == name else None for name in ("completed", "failed", "expired", "cancelled")}
    counts = (0, 0, 0) if run is None else (run.jobs, run.jobs_done, run.jobs_failed)
    return {
        "id": batch.id,
        "object": "batch",
        "endpoint": CHAT_URL,
        "errors": None if batch.errors is None else {"object": "list", "data": list(batch.errors)},
        "input_file_id": batch.file_id,
        "completion_window": batch.completion_window,
        "status": status,
        "output_file_id": files.get("output"),
        "error_file_id": files.get("errors"),
        "created_at": seconds_of(batch.created_at),
        "in_progress_at": None if run is None else seconds_of(run.started_at or run.created_at),
        "expires_at": seconds_of(batch.expires_at),
        "finalizing_at": None if run is None else seconds_of(run.ended_at),
        "cancelling_at": seconds_of(batch.cancelling_at),
        **{f"{name}_at": at for name, at in ends.items()},
        "request_counts": dict(zip(("total", "completed", "failed"), counts, strict=True)),
        "metadata": batch.metadata,
        "model": batch.model,
        "usage": None if run is None else _usage(*batch.tokens),
    }


def _usage(read: int, written: int) -> dict[str, Any]:
    """The tokens of a batch; the details are 0, for nobody counts them here."""
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }
