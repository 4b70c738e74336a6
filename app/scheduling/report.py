"""What the driver of a host reports to every process: one small document, the source of routing, status and metrics.

Only the owner of a host's lease writes its report; it is replaced as a whole, at every change and at least every
``REPORT_EVERY``. A host whose report is missing has no owner at the moment: nothing is known, which is no trouble yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from app.network.addresses import shown

REPORT_EVERY = timedelta(seconds=2)
KEEP = timedelta(seconds=10)
"""A report outlives its writer this long: longer than a takeover, so that routing doesn't forget what is resident."""

FAILS_ANSWERS = 5
"""After so many answers in a row that failed by its fault, a host's probes are no sign that it works."""

BUDGET_SPENT = "budget_spent"
"""Why a host is down that has cost as much today as it may."""

Health = Literal["up", "trying", "down"]
"""``down``: nothing is sent there until a probe succeeds; ``trying``: one answer is, to see whether it lives again."""

EventKind = Literal[
    "unloaded_by_others",
    "expired",
    "pushed_out",
    "foreign_model",
    "offloaded",
    "context_shrunk",
    "memory_misread",
    "crashed",
    "replaced",
    "hung",
    "slow",
    "answer_refused",
    "load_failed",
    "load_hung",
    "host_down",
    "host_up",
]


@dataclass(frozen=True, slots=True)
class HostEvent:
    """Something that ops should know: when (Unix time), what, about which model, and a sentence."""

    at: float
    kind: EventKind
    model: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class UnloadReport:
    """A model that the driver unloaded itself: when (Unix time) and why, in words and as the planner's ``reason``."""

    at: float
    model: str
    why: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResidentReport:
    """A model in memory as the server lists it; ``flags`` are what is wrong with it and accepted.

    ``ours`` is false for a model, or a context length, that others loaded. Times are Unix time in seconds.
    """

    model: str
    size_bytes: int = 0
    vram_bytes: int = 0
    context_length: int | None = None
    expires_at: float | None = None
    since: float = 0.0
    used: float = 0.0
    flags: tuple[str, ...] = ()
    ours: bool = True


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host as its driver sees it at the Unix time ``at``.

    It is about the server at ``address`` (without a password; empty from an older version), not about whatever has the
    host's name by now. The model that is ``loading`` counts as hung after ``loading_limit_s``; 0 is unknown.

    ``waiting`` and ``running`` count answers, by model in ``waiting_by_model`` and ``running_by_model`` (for ops only:
    with a battle they would give away who writes). ``load_s`` and ``answer_s`` are what a load and an answer may
    take, ``change_s`` what it costs to bring a model (drain, unload, load, and the loads of what was pushed out),
    ``tokens_per_s`` the usual rate, each by model. ``max_models`` is how many models are taken to fit at once,
    whatever their size, ``sizes`` are the predicted bytes of each. ``planned`` are the models that should be in memory
    when nobody waits.
    ``waiting_since`` is when the oldest of the ``waiting`` was enqueued, those of batches left out; 0: nobody waits.
    ``why`` is the cause while it is not up, a backend's class of error. ``failed_answers`` counts the answers in a row
    that failed by its fault, ``failure`` is what the last of them ended with. ``slots`` answers of one model may run at
    once, 0 when it is an older report. ``seen_running`` and ``seen_waiting`` are requests that the server itself
    counts, others' included; None when it does not report it.
    """

    host: str
    at: float
    health: Health = "up"
    why: str = ""
    since: float = 0.0
    version: str = ""
    residents: tuple[ResidentReport, ...] = ()
    loading: str | None = None
    loading_since: float = 0.0
    loading_limit_s: float = 0.0
    waiting: int = 0
    running: int = 0
    waiting_by_model: Mapping[str, int] = field(default_factory=dict)
    running_by_model: Mapping[str, int] = field(default_factory=dict)
    load_s: Mapping[str, float] = field(default_factory=dict)
    change_s: Mapping[str, float] = field(default_factory=dict)
    answer_s: Mapping[str, float] = field(default_factory=dict)
    tokens_per_s: Mapping[str, float] = field(default_factory=dict)
    planned: tuple[str, ...] = ()
    max_models: int | None = None
    events: tuple[HostEvent, ...] = ()
    unloads: tuple[UnloadReport, ...] = ()
    failed_answers: int = 0
    failure: str = ""
    slots: int = 0
    seen_running: int | None = None
    seen_waiting: int | None = None
    address: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    waiting_since: float = 0.0

    def is_about(self, url: str) -> bool:
        """Whether it is about the server at ``url``."""
        return self.address in ("", shown(url))

    @property
    def fails_answers(self) -> bool:
        """Whether it fails its answers, though it may answer probes and load models."""
        return self.failed_answers >= FAILS_ANSWERS


class Reports(Protocol):
    """The newest report of each host, shared by every process; ``app.scheduling.testing`` has one without Redis."""

    async def put(self, report: HostReport) -> None:
        """Replace the report of its host."""
        ...

    async def read(self) -> Mapping[str, HostReport]:
        """All reports by host; a host that nobody drives is left out."""
        ...


_REPORT = TypeAdapter(HostReport)
_LOG = structlog.get_logger("app.scheduling.report")


class HostReports:
    """The reports of ``hosts`` in Redis.

    ============================== ====== ================= ================================ =====
    key                            type   holds             written by                       bound
    ============================== ====== ================= ================================ =====
    ``arena:host:{<host>}:report`` string the report, JSON  the owner of the host's lease    10 s
    ============================== ====== ================= ================================ =====
    """

    def __init__(self, redis: Redis, hosts: Sequence[str]) -> None:
        self._redis = redis
        self._keys = {host: f"arena:host:{{{host}}}:report" for host in hosts}
        self._unread: dict[str, str] = {}

    async def put(self, report: HostReport) -> None:
        """Replace the report of its host.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        await self._redis.set(self._keys[report.host], _REPORT.dump_json(report), px=KEEP)

    async def read(self) -> dict[str, HostReport]:
        """All reports by host, in the configured order; one of another version is left out, and logged once.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if not self._keys:
            return {}  # Redis refuses an MGET of nothing
        stored: list[Any] = await self._redis.mget(self._keys.values())
        reports = {}
        for host, raw in zip(self._keys, stored, strict=True):
            report = None if raw is None else self._understood(host, raw)
            if report is not None:
                reports[host] = report
        return reports

    def _understood(self, host: str, raw: bytes) -> HostReport | None:
        try:
            report = _REPORT.validate_json(raw)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            # Reports are read several times a second: while workers are replaced, one line is enough.
            if self._unread.get(host) != why:
                _LOG.warning("report_unreadable", host=host, why=why)
            self._unread[host] = why
            return None
        self._unread.pop(host, None)
        return report
