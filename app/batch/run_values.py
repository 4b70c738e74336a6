"""The values of a run: what SQL has of it, and what a step changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from app.batch.call import CallKey
from app.batch.chain import CallRecord, CallStatus, Part
from app.batch.spec import RunSpec

RunStatus = Literal["loading", "queued", "running", "paused", "completed", "failed", "cancelled"]
ACTIVE: tuple[RunStatus, ...] = ("queued", "running")
LIVE: tuple[RunStatus, ...] = ("loading", "queued", "running", "paused")


@dataclass(frozen=True, slots=True)
class StageSums:
    """How far a stage is: calls by their end, those from the cache, those that waited for a load, tokens, seconds.

    ``prompt_tokens`` are those of the prompts, ``tokens`` those that were written; answers from the cache cost none.
    ``work_s`` is what all calls took together, from their start to their end.
    """

    stage: int
    done: int = 0
    failed: int = 0
    skipped: int = 0
    cached: int = 0
    cold: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
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
