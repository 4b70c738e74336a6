"""What a lane needs of those who own the answers, and nothing more: ``app.arena`` implements it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal, Protocol

from app.backends.base import GenerationRequest
from app.scheduling.job import Job
from app.timing.stopwatch import Timing

FinishReason = Literal["stop", "length", "error", "cancelled"]
ErrorCode = Literal["unavailable", "timeout", "overloaded", "cut_off", "empty", "interrupted", "cancelled"]


@dataclass(frozen=True, slots=True)
class Finish:
    """How an answer ended; ``error`` is the public code and set exactly when ``reason`` is error or cancelled."""

    reason: FinishReason
    timing: Timing
    error: ErrorCode | None = None


class Attempt(Protocol):
    """One attempt at an answer, fenced by its token. What it refuses, a newer attempt or the battle's end refused."""

    request: GenerationRequest
    over: asyncio.Event
    """Set when the attempt was refused from outside (stopped, fenced off, gone): close the socket, write nothing."""

    def write(self, text: str) -> None:
        """Append to the answer. Never blocks: the first text is sent at once, later ones by the tick."""
        ...

    async def finish(self, finish: Finish) -> bool:
        """Send what is left and the end; True when it is stored, False when the attempt was over."""
        ...


class AnswerSink(Protocol):
    """Where answers are begun, written and handed in."""

    async def begin(self, job: Job, token: int, host: str) -> Attempt | None:
        """Open an attempt with a token that is higher than every earlier one; None: nothing is to be written."""
        ...

    async def fail(self, job: Job, token: int, host: str, finish: Finish) -> None:
        """End an answer that can't be begun, whatever keeps ``begin`` from it; nothing if it has ended already."""
        ...

    async def show(self, job: Job, state: Literal["queued", "loading"], place: int | None, eta_s: int | None) -> None:
        """Tell the viewers of an answer that is not being written yet why it is not; place counts from 1."""
        ...

    async def needed(self, job: Job, doomed: frozenset[int]) -> bool:
        """Whether the battle of ``job`` would end without a single verdict if this answer failed.

        ``doomed`` are answers of the same battle that are failing at this moment, too.
        """
        ...

    async def ended(self, job: Job) -> None:
        """Settle the job's battle. The lane deletes the job after this returned, not before."""
        ...


class Reroute(Protocol):
    """The other hosts, for answers that this one can't begin."""

    async def move(self, job: Job, origin: str, *, begun: bool = True) -> str | None:
        """Give ``job`` to another host; return its name, None when no other can write it.

        When it returned a name, the job is in that host's queue, and no longer in that of ``origin``. What was
        ``begun`` goes to no host that has tried it before.
        """
        ...

    async def forward(self, job: Job, origin: str) -> bool:
        """See whether ``job``, found in the queue of ``origin``, is another host's; if so it is put there instead."""
        ...

    async def settled(self, job: Job) -> None:
        """``job`` is over: nobody has to know any more where it was."""
        ...
