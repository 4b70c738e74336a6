"""What a host's driver needs from outside, and nothing more.

``app.arena`` implements ``AnswerSink`` and ``Attempt``, ``dispatch`` the queue and rerouting; ``testing`` has a double
of each without Redis.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from app.backends.base import Backend, GenerationRequest, ToolCall
from app.metrics.counters import Counters
from app.scheduling.fair_share import AllHosts, Share
from app.scheduling.job import Job, Removed
from app.scheduling.lease import Lease
from app.scheduling.memory_request import MemoryRequest
from app.scheduling.report import Reports
from app.scheduling.spending import NoSpending, Spending
from app.timing.stopwatch import Timing
from app.timing.story import Step
from app.tracing.spans import NO_TRACER, Tracer

FinishReason = Literal["stop", "length", "error", "cancelled"]
ErrorCode = Literal["unavailable", "timeout", "overloaded", "cut_off", "empty", "interrupted", "cancelled"]


MOST_SILENT: Final = 5
"""An answer with so many attempts whose process fell silent (it died, or lost Redis for long) is given up."""


@dataclass(frozen=True, slots=True)
class Finish:
    """How an answer ended; ``error`` is the public code and set exactly when ``reason`` is error or cancelled.

    ``cause`` is the error's code for those who run the arena (``app.backends.errors``); ``calls`` are the functions
    that the model calls, ``steps`` the rest of its story.
    """

    reason: FinishReason
    timing: Timing
    error: ErrorCode | None = None
    cause: str = ""
    calls: tuple[ToolCall, ...] = ()
    steps: tuple[Step, ...] = ()


class Attempt(Protocol):
    """One attempt at an answer, fenced by its token. What it refuses, a newer attempt or the battle's end refused."""

    request: GenerationRequest
    over: asyncio.Event
    """Set when the attempt was refused from outside (stopped, fenced off, gone): close the socket, write nothing."""

    def write(self, text: str) -> None:
        """Append to the answer. Never blocks: the first text is sent at once, later ones by the tick."""
        ...

    def restart(self) -> None:
        """Drop what was written: it was no part of the answer, which begins with the next ``write``."""
        ...

    async def finish(self, finish: Finish) -> bool:
        """Send what is left and the end; True when it is stored, False when the attempt was over."""
        ...


class AnswerSink(Protocol):
    """Where answers are begun, written and completed."""

    async def begin(self, job: Job, token: int, host: str) -> Attempt | None:
        """Open an attempt with a token that is higher than every earlier one; None: nothing is to be written."""
        ...

    async def fail(self, job: Job, token: int, host: str, finish: Finish) -> None:
        """End an answer that can't be begun, whatever keeps ``begin`` from it; nothing if it has ended already."""
        ...

    async def leave(self, job: Job, token: int) -> None:
        """Say that the attempt of that token is over without an end, and its process lives; it is the next one's.

        An answer after whose attempts this is never said, again and again, is taken for one that kills its process,
        and ends as ``interrupted``.
        """
        ...

    async def note(self, job: Job, steps: Sequence[Step]) -> None:
        """Keep what happened to the answer on its way, for ``arena why``; nothing of it is for viewers."""
        ...

    async def show(self, job: Job, state: Literal["queued", "loading"], place: int | None, eta_s: int | None) -> None:
        """Show the viewers of a waiting answer why it is not being written yet; ``place`` counts from 1."""
        ...

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:
        """Whether the battle of ``job`` would end without a single verdict if this answer failed.

        ``condemned`` are answers of the same battle that are failing at this moment, too.
        """
        ...

    async def ended(self, job: Job) -> None:
        """Reconcile the job's battle. The driver deletes the job after this returned, not before."""
        ...


class Queue(Protocol):
    """The jobs of one host, shared by every process; ``testing`` has one without Redis."""

    async def enqueue(self, jobs: Sequence[Job], bound: int) -> None:
        """Add ``jobs`` all together, or none. One that is there keeps its time and the more urgent priority.

        Raises:
            QueueFull: there would be more than ``bound`` jobs.
        """
        ...

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete jobs: they have ended, or nobody wants them any more (the driver then stops writing)."""
        ...

    async def read(self) -> tuple[Job, ...]:
        """All jobs, waiting and running, in no order."""
        ...

    async def length(self) -> int:
        """How many jobs there are, waiting and running."""
        ...

    async def request_prewarm(self, models: Iterable[str], until: float) -> None:
        """Announce that ``models`` will be wanted soon, until that Unix time."""
        ...

    async def prewarm_requests(self) -> dict[str, float]:
        """The models that were announced, and until when (Unix time)."""
        ...

    async def request_memory(self, model: str, request: MemoryRequest) -> None:
        """Keep what an operator asks for ``model``, instead of what was asked for it before; nudges the driver."""
        ...

    async def memory_requests(self) -> dict[str, MemoryRequest]:
        """What operators asked for, by model; whoever reads it sees to its end."""
        ...

    def nudges(self) -> AsyncGenerator[tuple[Job, ...] | Removed | None]:
        """Yield the jobs that were added or became more urgent, those that were removed, or None: read all again.

        It begins with None, never ends and never raises. What it yields may be old: a job may be gone by then.
        """
        ...


class Reroute(Protocol):
    """The way to the other hosts, for answers that this one can't write."""

    async def move(self, job: Job, origin: str, *, begun: bool = True) -> str | None:
        """Give ``job`` to another host; return its name, None when no other can write it.

        When it returned a name, the job is in that host's queue, and no longer in that of ``origin``. What was
        ``begun`` goes to no host that has tried it before.
        """
        ...

    async def forward(self, job: Job, origin: str) -> bool:
        """See whether ``job``, found in the queue of ``origin``, is another host's; if so it is put there instead."""
        ...

    async def forget(self, job: Job) -> None:
        """Forget where ``job`` was: it has ended."""
        ...


class NoReroute:
    """Where there is one host, nothing is rerouted."""

    async def move(self, job: Job, origin: str, *, begun: bool = True) -> str | None:  # noqa: ARG002 - the Protocol's
        """No other host can write it."""
        return None

    async def forward(self, job: Job, origin: str) -> bool:  # noqa: ARG002 - the Protocol's
        """It is this host's."""
        return False

    async def forget(self, job: Job) -> None:
        """Nothing was written down."""


class ModelObserver(Protocol):
    """Who wants to know which weights wrote an answer, and which models a host does not have."""

    def written(self, host: str, battle: str, model: str, digest: str) -> None:
        """``host`` writes an answer of ``battle`` with the weights of that digest."""
        ...

    def refused(self, host: str, model: str) -> None:
        """``host`` says that it has no such model."""
        ...


class NoModelObserver:
    """Nobody wants to know."""

    def written(self, host: str, battle: str, model: str, digest: str) -> None:
        """Nothing is noted."""

    def refused(self, host: str, model: str) -> None:
        """Nothing is noted."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside the driver that it works with.

    ``backend`` should retry what heals before the first token. Models are loaded and unloaded only where it is a
    ``ResidencyControl``; otherwise all count as resident.
    """

    backend: Backend
    queue: Queue
    lease: Lease
    sink: AnswerSink
    reports: Reports
    reroute: Reroute = field(default_factory=NoReroute)
    share: Share = field(default_factory=AllHosts)
    counters: Counters = field(default_factory=Counters)
    spending: Spending = field(default_factory=NoSpending)
    observer: ModelObserver = field(default_factory=NoModelObserver)
    tracer: Tracer = NO_TRACER
