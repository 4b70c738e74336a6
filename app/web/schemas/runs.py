"""Batch runs: how far they are, what would be done, and their reports."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.web.schemas.base import Schema

RunStatusName = Literal["loading", "queued", "running", "paused", "completed", "failed", "cancelled"]


class JobCounts(Schema):
    """Jobs of a run: all, and those that have ended."""

    total: int
    done: int
    failed: int


class RunStage(Schema):
    """How far a stage is; `calls` are all that it has at most, the rest is what came of them so far."""

    name: str
    models: list[str]
    calls: int
    done: int
    failed: int
    skipped: int
    cached: int
    cold: int = Field(description="Calls that waited for their model to be loaded.")
    tokens: int = Field(description="Tokens that were written.")
    prompt_tokens: int = Field(description="Tokens of the prompts; 0 where a server does not tell.")
    decode_s: float
    load_s: float
    work_s: float = Field(description="What all calls took together, from their start to their end.")


class RunState(Schema):
    """A run and how far it is."""

    id: str
    name: str
    owner: str | None = Field(description="The name of the key it came with; null: those who run the arena.")
    status: RunStatusName
    note: str = Field(description="What it waits for, or why it stopped.")
    jobs: JobCounts
    jobs_per_min: float | None
    eta_s: list[float] | None = Field(description="The earliest and the latest end that is likely, from now.")
    active_s: float = Field(description="How long it has worked.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    between: str | None
    max_failures: str | None
    stages: list[RunStage]
    events: str
    results: str
    report: str
    retried: int | SkipJsonSchema[None] = Field(default=None, description="Jobs that are done again, after a retry.")


class RunList(Schema):
    """Runs, the newest first."""

    runs: list[RunState]


class PlannedStage(Schema):
    """A stage as it would be done."""

    name: str
    models: list[str]
    samples: int


class PlannedHost(Schema):
    """A host for a run: which of its models it has, in bytes of their files, and whether all of these fit at once."""

    name: str
    answers: bool
    models: dict[str, int]
    slots: int
    fit_together: bool


class LikelyTime(Schema):
    """How long a run may take, in seconds, and what that is based on."""

    low_s: float
    high_s: float
    loads: int
    basis: Literal["runs", "battles", "guess"]


class RunPlan(Schema):
    """What would be done. `time` is null for lines of OpenAI's Batch API, whose models are in each line."""

    run_id: str
    jobs: int
    calls: int
    stages: list[PlannedStage]
    hosts: list[PlannedHost]
    time: LikelyTime | None


class RunLoads(Schema):
    """The loads that were seen while a run was going on."""

    count: int
    seconds: float
    share: float | None
    each: list[dict[str, Any]]


class RunWait(Schema):
    """What a run waited for, or did without."""

    why: str
    since: datetime
    until: datetime | None
    seconds: float | None


class RunReport(Schema):
    """What a run took."""

    run: str
    name: str
    status: RunStatusName
    started_at: datetime | None
    ended_at: datetime | None
    active_s: float
    jobs: JobCounts
    jobs_per_min: float | None
    stages: list[dict[str, Any]]
    loads: RunLoads
    waits: list[RunWait]
    failures: dict[str, int]
    slowest_jobs: list[dict[str, Any]]


_ID = "7f4ee1c0a2b95d3e8c11"
_LINKS = {name: f"/api/arena/runs/{_ID}/{name}" for name in ("events", "results", "report")}
STAGE: dict[str, Any] = {
    "name": "draft",
    "models": ["llama3.1:8b"],
    "calls": 1764,
    "done": 500,
    "failed": 2,
    "skipped": 0,
    "cached": 0,
    "cold": 9,
    "tokens": 104300,
    "prompt_tokens": 61250,
    "decode_s": 1411.5,
    "load_s": 38.2,
    "work_s": 1580.0,
}
RUNNING: dict[str, Any] = {
    "id": _ID,
    "name": "debate",
    "owner": "anna",
    "status": "running",
    "note": "",
    "jobs": {"total": 1764, "done": 480, "failed": 2},
    "jobs_per_min": 13.8,
    "eta_s": [5100.0, 6000.0],
    "active_s": 2095.2,
    "created_at": "2026-03-01T22:00:00Z",
    "started_at": "2026-03-01T22:00:01Z",
    "ended_at": None,
    "between": "22:00-07:00",
    "max_failures": "5%",
    "stages": [STAGE],
    **_LINKS,
}
RETRIED: dict[str, Any] = {
    **RUNNING,
    "status": "queued",
    "jobs": {"total": 1764, "done": 1762, "failed": 0},
    "retried": 2,
}
LISTED: dict[str, Any] = {"runs": [RUNNING]}
PLAN: dict[str, Any] = {
    "run_id": _ID,
    "jobs": 1764,
    "calls": 5292,
    "stages": [{"name": "draft", "models": ["llama3.1:8b"], "samples": 1}],
    "hosts": [
        {
            "name": "gpu-1",
            "answers": True,
            "models": {"llama3.1:8b": 4920753328},
            "slots": 4,
            "fit_together": False,
        }
    ],
    "time": {"low_s": 6900.0, "high_s": 11500.0, "loads": 57, "basis": "runs"},
}
REPORT: dict[str, Any] = {
    "run": _ID,
    "name": "debate",
    "status": "completed",
    "started_at": "2026-03-01T22:00:01Z",
    "ended_at": "2026-03-02T00:08:31Z",
    "active_s": 7710.0,
    "jobs": {"total": 1764, "done": 1762, "failed": 2},
    "jobs_per_min": 13.7,
    "stages": [
        {
            "name": "draft",
            "models": ["llama3.1:8b"],
            "done": 1762,
            "failed": 2,
            "skipped": 0,
            "cached": 0,
            "prompt_tokens": 215900,
            "tokens": 367100,
            "tokens_per_s": 73.9,
            "seconds": 5560.0,
            "waited_for_loads_s": 131.0,
        }
    ],
    "loads": {
        "count": 1,
        "seconds": 4.1,
        "share": 0.0005,
        "each": [{"host": "gpu-1", "model": "llama3.1:8b", "at": 1772402401.2, "seconds": 4.1}],
    },
    "waits": [
        {
            "why": "waits: no host works now",
            "since": "2026-03-01T23:10:00Z",
            "until": "2026-03-01T23:14:00Z",
            "seconds": 240.0,
        }
    ],
    "failures": {"timeout": 2},
    "slowest_jobs": [{"custom_id": "job-17", "seconds": 41.3}],
}
