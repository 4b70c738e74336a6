"""Batch runs over HTTP: hand in, follow, stop, fetch. Whoever runs the arena sees all, the owner of a key his own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.batch.outlook import host_models, likely_time, recorded_figures, refuse_missing
from app.batch.reading import figures_of
from app.batch.removal import remove
from app.batch.report import report_json, report_markdown
from app.batch.results import Form, written
from app.batch.run_values import RunStatus
from app.batch.runs import Run
from app.errors import Conflict, NotFound
from app.web.api.run_bodies import FORM_SCHEMA, submission
from app.web.api.run_events import ENDED, event_id, progress, state_of
from app.web.api.run_views import plan_view, run_view
from app.web.schemas.base import Responses, answered
from app.web.schemas.errors import INVALID, TOO_LARGE, UNAVAILABLE, refused
from app.web.schemas.runs import LISTED, PLAN, REPORT, RETRIED, RUNNING, RunList, RunPlan, RunReport, RunState
from app.web.shared.answering import DocumentedRoute, JsonBytes
from app.web.shared.event_stream import STREAM_HEADERS, EventStream
from app.web.shared.keys import Owned, owner_of
from app.web.shared.services import BatchServices, Wired
from app.web.shared.streams import unless_left

router = APIRouter(prefix="/api/arena", tags=["runs"], route_class=DocumentedRoute)

PIECE_BYTES = 64 * 1024

RunId = Annotated[str, Path(min_length=1, max_length=64, pattern="^[A-Za-z0-9_-]+$")]

_NO_RUN: Responses = {
    404: refused(
        "There is no such run, or it is somebody else's",
        {"error": "there is no run '7f4ee1c0a2b95d3e8c11'; GET /api/arena/runs lists yours", "code": "not_found"},
    )
}
_KEY: Responses = {
    403: refused(
        "Neither the admin key nor one of ARENA_API_KEYS",
        {"error": "send your key as Authorization: Bearer …; the arena's operator has it", "code": "key_needed"},
    )
}
_FULL: Responses = {
    507: refused(
        "The disk, or what a key may have of it, is full",
        {"error": "this key has 1,000 of 2,000,000,000 bytes left; delete runs", "code": "quota_exceeded"},
    )
}
_STATE: Responses = {
    409: refused(
        "The run's state does not allow it",
        {"error": "the run is completed: it can't be paused", "code": "conflict"},
    )
}
_STREAM = 'id: 5b1c7a90e1f2d3c4\nevent: progress\ndata: {"id":"7f4ee1c0a2b95d3e8c11","status":"running"}\n\n'
_EVENTS = {
    "description": "`progress` and `end`, each with the run as it is (the schema RunState); docs/batch.md",
    "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM}},
}
_RESULTS = {
    "description": "JSON lines or, with `format=csv`, a table",
    "content": {kind: {"schema": {"type": "string"}} for kind in ("application/x-ndjson", "text/csv")},
}
_SENT: Responses = {**INVALID, **_KEY, **TOO_LARGE, **_FULL, **UNAVAILABLE}
_NOW = answered(RunState, "The run as it is now", RUNNING)
_MOVED: Responses = {200: _NOW, **_NO_RUN, **_STATE, **UNAVAILABLE}
# The form only: clients that are made for two kinds of bodies do not compile. The JSON object has the form's fields.
_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM_SCHEMA}}}}


async def batch_of(services: Wired) -> BatchServices:
    """What this process has of batch runs."""
    return services.batch


Batch = Annotated[BatchServices, Depends(batch_of)]


async def own_run(run_id: RunId, request: Request, services: Wired) -> Run:
    """The run that is asked for.

    Raises:
        NotFound: there is none, or it is not the caller's: nobody learns which runs others have.
    """
    owner = owner_of(request, services)
    unknown = NotFound(f"there is no run {run_id!r}; GET /api/arena/runs lists yours")
    if owner is None:
        raise unknown
    try:
        run = await services.batch.records.run(run_id)
    except NotFound:
        raise unknown from None
    if not owner.sees(run.owner):
        raise unknown
    return run


OwnRun = Annotated[Run, Depends(own_run)]


@router.post(
    "/runs",
    name="submit_run",
    status_code=201,
    openapi_extra=_BODY,
    responses={201: answered(RunState, "The run", RUNNING), **_SENT},
)
async def submit_run(request: Request, batch: Batch, owner: Owned) -> JsonBytes:
    """Hand a run in: all of it is checked first, then stored, then worked off beside battles.

    A form has the run file as `run` (TOML or JSON) and the jobs as `jobs` (JSON lines); a small run fits in one JSON
    object. Lines of OpenAI's Batch API need no `run`. The same stages and jobs with the same key are the same run: it
    goes on where it was.
    """
    async with submission(request, batch.intake, owner) as given:
        checked = await unless_left(request, batch.intake.check(given.spec, given.jobs))
        run = await batch.intake.hand_in(checked, given.jobs, given.limits, owner.key)
    return JsonBytes(run_view(run, await batch.records.sums(run.id)), 201, {"Location": f"/api/arena/runs/{run.id}"})


@router.post(
    "/runs/check",
    name="check_run",
    openapi_extra=_BODY,
    responses={200: answered(RunPlan, "What would be done", PLAN), **_SENT},
)
async def check_run(request: Request, services: Wired, batch: Batch, owner: Owned) -> dict[str, Any]:
    """Check a run as `POST /api/arena/runs` does, and its models against the hosts; nothing is stored or generated."""
    async with submission(request, batch.intake, owner) as given:
        checked = await unless_left(request, batch.intake.check(given.spec, given.jobs))
    if checked.spec.stages[0].chat:
        return plan_view(checked, owner.key, (), None)
    hosts = host_models(services.fleet.roster, services.fleet.hosts, checked.spec)
    refuse_missing(checked.spec, hosts)
    recorded = await recorded_figures(batch.database, checked.spec.models)
    return plan_view(checked, owner.key, hosts, likely_time(checked.spec, checked.jobs, recorded, hosts))


@router.get(
    "/runs", name="list_runs", responses={200: answered(RunList, "Runs", LISTED), **INVALID, **_KEY, **UNAVAILABLE}
)
async def list_runs(batch: Batch, owner: Owned, limit: Annotated[int, Query(ge=1, le=200)] = 20) -> dict[str, Any]:
    """Your runs, the newest first; those who run the arena see everybody's."""
    runs = await batch.records.runs(owner.key, limit, everybody=owner.key is None)
    return {"runs": [run_view(run, await batch.records.sums(run.id)) for run in runs]}


@router.get("/runs/{run_id}", name="read_run", responses={200: _NOW, **_NO_RUN, **UNAVAILABLE})
async def read_run(run: OwnRun, batch: Batch) -> dict[str, Any]:
    """How far a run is, what it waits for, and when it may end."""
    return run_view(run, await batch.records.sums(run.id))


@router.delete(
    "/runs/{run_id}",
    name="delete_run",
    status_code=204,
    response_class=Response,
    responses={204: {"description": "Deleted"}, **_NO_RUN, **_STATE, **UNAVAILABLE},
)
async def delete_run(run: OwnRun, batch: Batch) -> Response:
    """Delete a run that does not go on, with its jobs and all answers."""
    if run.status == "loading":
        raise Conflict("this run is still being handed in; cancel it first, then delete it", code="still_running")
    await remove(batch.database, run)
    return Response(status_code=204)


@router.get(
    "/runs/{run_id}/events",
    name="watch_run",
    response_class=Response,
    responses={
        200: _EVENTS,
        204: {"description": "`after` is the end's: nothing follows"},
        **_NO_RUN,
        **UNAVAILABLE,
    },
)
async def watch_run(
    run: OwnRun, request: Request, batch: Batch, after: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """A run as server-sent events until its end; resume with ``Last-Event-ID`` or ``?after=``."""
    seen = request.headers.get("last-event-id") or after
    if run.status in ENDED and seen == event_id(run_view(*await state_of(batch.records, run.id))):
        return Response(status_code=204, headers=STREAM_HEADERS)
    return EventStream(progress(batch.records, run.id, seen))


@router.get(
    "/runs/{run_id}/results",
    name="read_results",
    response_class=Response,
    responses={200: _RESULTS, **INVALID, **_NO_RUN, **UNAVAILABLE},
)
async def read_results(run: OwnRun, batch: Batch, form: Annotated[Form, Query(alias="format")] = "jsonl") -> Response:
    """What came of a run so far, in the order of its jobs: JSON lines, `csv`, or `openai` for that API's lines."""
    kind, ending = ("text/csv; charset=utf-8", "csv") if form == "csv" else ("application/x-ndjson", "jsonl")
    headers = {**STREAM_HEADERS, "Content-Disposition": f'attachment; filename="{run.id}.{ending}"'}
    return StreamingResponse(_pieces(batch, run, form), media_type=kind, headers=headers)


async def _pieces(batch: BatchServices, run: Run, form: Form) -> AsyncGenerator[bytes]:
    """The results, several lines in a piece."""
    held = bytearray()
    async with aclosing(written(batch.database, run, form)) as lines:
        async for line in lines:
            held += line
            if len(held) >= PIECE_BYTES:
                yield bytes(held)
                held.clear()
    yield bytes(held)


@router.get(
    "/runs/{run_id}/report",
    name="read_report",
    responses={200: answered(RunReport, "The report", REPORT), **INVALID, **_NO_RUN, **UNAVAILABLE},
)
async def read_report(
    run: OwnRun, batch: Batch, form: Annotated[Literal["json", "markdown"], Query(alias="format")] = "json"
) -> Any:
    """Time, jobs/min, tokens, loads, failures, slowest jobs, also while it goes on; `format=markdown` for people."""
    figures = await figures_of(batch.database, batch.records, run.id)
    if form == "markdown":
        return Response(report_markdown(figures), media_type="text/markdown; charset=utf-8")
    return dict(report_json(figures))


@router.post("/runs/{run_id}/pause", name="pause_run", responses=_MOVED)
async def pause_run(run: OwnRun, batch: Batch) -> dict[str, Any]:
    """Let a run rest until it is resumed; calls that are being written are cut off and made again."""
    return await _moved(batch, run, ("queued", "running"), "paused")


@router.post("/runs/{run_id}/cancel", name="cancel_run", responses=_MOVED)
async def cancel_run(run: OwnRun, batch: Batch) -> dict[str, Any]:
    """End a run; what is done stays, and it can be resumed."""
    return await _moved(batch, run, ("loading", "queued", "running", "paused"), "cancelled")


@router.post("/runs/{run_id}/resume", name="resume_run", responses=_MOVED)
async def resume_run(run: OwnRun, batch: Batch) -> dict[str, Any]:
    """Let a run go on that was paused, cancelled or stopped."""
    if run.status in ("loading", "completed"):
        raise Conflict(f"the run is {run.status}: it can't be resumed")
    await batch.records.go_on(run.id, foreground=False, between=None, max_failures=None)
    return await _now(batch, run)


@router.post(
    "/runs/{run_id}/retry",
    name="retry_run",
    responses={200: answered(RunState, "The run as it is now", RETRIED), **_NO_RUN, **_STATE, **UNAVAILABLE},
)
async def retry_run(run: OwnRun, batch: Batch) -> dict[str, Any]:
    """Do the failed jobs again, and of them only what failed; `retried` says how many there are."""
    retried = await batch.records.retry_failed(run.id)
    return await _now(batch, run) | {"retried": retried}


async def _moved(
    batch: BatchServices, run: Run, origins: Sequence[RunStatus], target: Literal["paused", "cancelled"]
) -> dict[str, Any]:
    moved = await batch.records.move(run.id, origins, target)
    now = await batch.records.run(run.id)
    if not moved and now.status != target:
        raise Conflict(f"the run is {now.status}: it can't be {target}")
    return run_view(now, await batch.records.sums(run.id))


async def _now(batch: BatchServices, run: Run) -> dict[str, Any]:
    return run_view(*await state_of(batch.records, run.id))
