"""Queue, lease and sink without Redis: the second implementation, for tests and for simulations in virtual time.

They keep the same promises as the ones in Redis (bounds, priorities, fences, repeats), within one process.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import monotonic
from typing import Literal

from app.backends.base import GenerationRequest, Message
from app.scheduling.dispatch.queue import MOST_PREWARM_REQUESTS, queue_full
from app.scheduling.job import Job, Removed
from app.scheduling.lease import LEASE
from app.scheduling.memory_request import MemoryRequest
from app.scheduling.ports import MOST_SILENT, Finish
from app.scheduling.testing.reports import MemoryReports as MemoryReports
from app.timing.stopwatch import Timing
from app.timing.story import Step


class MemoryQueue:
    """The jobs of one host in a dictionary; every driver of the process that shares it is nudged."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._listeners: set[asyncio.Queue[tuple[Job, ...] | Removed | None]] = set()
        self._prewarm: dict[str, float] = {}
        self._memory: dict[str, MemoryRequest] = {}

    async def enqueue(self, jobs: Sequence[Job], bound: int) -> None:
        """Add ``jobs`` all together, or none.

        Raises:
            QueueFull: there would be more than ``bound`` jobs.
        """
        new = {job.id for job in jobs} - set(self._jobs)
        if new and len(self._jobs) + len(new) > bound:
            raise queue_full()
        if jobs:
            self._nudge(tuple(changed for job in jobs if (changed := self._put(job)) is not None))

    async def remove(self, ids: Iterable[str]) -> None:
        """Delete jobs."""
        wanted = tuple(ids)
        for job_id in wanted:
            self._jobs.pop(job_id, None)
        if wanted:
            self._nudge(Removed(wanted))

    async def read(self) -> tuple[Job, ...]:
        """Return all jobs."""
        return tuple(self._jobs.values())

    async def length(self) -> int:
        """Return how many jobs there are."""
        return len(self._jobs)

    async def request_prewarm(self, models: Iterable[str], until: float) -> None:
        """Announce that ``models`` will be wanted soon."""
        if wanted := sorted(models)[:MOST_PREWARM_REQUESTS]:
            self._prewarm = dict.fromkeys(wanted, until)
            self._nudge(None)

    async def prewarm_requests(self) -> dict[str, float]:
        """Return what was announced last; whoever reads it sees to its end."""
        return dict(self._prewarm)

    async def request_memory(self, model: str, request: MemoryRequest) -> None:
        """Keep what an operator asks for ``model``."""
        self._memory[model] = request
        self._nudge(None)

    async def memory_requests(self) -> dict[str, MemoryRequest]:
        """Return what operators asked for, by model."""
        return dict(self._memory)

    async def nudges(self) -> AsyncGenerator[tuple[Job, ...] | Removed | None]:
        """Yield None at first, then what is added, made more urgent or removed, and None when anything else changed."""
        inbox: asyncio.Queue[tuple[Job, ...] | Removed | None] = asyncio.Queue()
        self._listeners.add(inbox)
        try:
            yield None
            while True:
                yield await inbox.get()
        finally:
            self._listeners.discard(inbox)

    def _put(self, job: Job) -> Job | None:
        """Add a job, or make the one that is there more urgent; None when that changes nothing."""
        old = self._jobs.get(job.id)
        if old is not None and old.priority <= job.priority:
            return None
        self._jobs[job.id] = job if old is None else replace(old, priority=job.priority)
        return self._jobs[job.id]

    def _nudge(self, news: tuple[Job, ...] | Removed | None) -> None:
        for listener in self._listeners:
            listener.put_nowait(news)


@dataclass
class Attempts:
    """The counter of attempts, one for all hosts."""

    newest: int = 0

    def next(self) -> int:
        """Return a number above all before it."""
        self.newest += 1
        return self.newest


@dataclass
class MemoryLeases:
    """What several ``MemoryLease`` of one host share: who holds the lease until when, and the counter of attempts.

    Boards of several hosts that share a sink must share the counter, as in Redis.
    """

    owner: object | None = None
    until: float = 0.0
    attempts: Attempts = field(default_factory=Attempts)


class MemoryLease:
    """The right to drive a host, among the drivers that share a ``MemoryLeases``; ``clock`` is monotonic."""

    def __init__(
        self, board: MemoryLeases | None = None, *, term: timedelta = LEASE, clock: Callable[[], float] = monotonic
    ) -> None:
        self._board = board or MemoryLeases()
        self._term = term.total_seconds()
        self._clock = clock

    @property
    def held(self) -> bool:
        """Whether it is ours and has not expired."""
        return self._board.owner is self and self._clock() < self._board.until

    async def acquire(self) -> bool:
        """Become the owner, unless another is."""
        others = self._board.owner not in (None, self)
        if others and self._clock() < self._board.until:
            return False
        self._board.owner, self._board.until = self, self._clock() + self._term
        return True

    async def renew(self) -> bool:
        """Stay the owner for another term; False when it is no longer ours."""
        if not self.held:
            return False
        self._board.until = self._clock() + self._term
        return True

    async def next_token(self) -> int | None:
        """Return the next attempt's number; None when the lease isn't ours."""
        if not self.held:
            return None
        return self._board.attempts.next()

    async def release(self) -> None:
        """Let another become the owner at once."""
        if self._board.owner is self:
            self._board.owner = None


@dataclass
class MemoryAnswer:
    """What became of one answer: its text, how it ended, and what its viewers were shown before."""

    text: str = ""
    finish: Finish | None = None
    closed: bool = False
    token: int = 0
    attempts: list[MemoryAttempt] = field(default_factory=list)
    left: int = 0
    silent: set[int] = field(default_factory=set)
    shown: list[tuple[str, int | None, int | None]] = field(default_factory=list)
    reconciled: int = 0
    story: list[Step] = field(default_factory=list)


class MemoryAttempt:
    """One attempt at an answer; a newer one puts an end to it."""

    def __init__(self, answer: MemoryAnswer, request: GenerationRequest, token: int, host: str) -> None:
        self.request = request
        self.over = asyncio.Event()
        self.token = token
        self.host = host
        self._answer = answer

    def write(self, text: str) -> None:
        """Append to the answer, unless the attempt is over."""
        if not self.over.is_set():
            self._answer.text += text

    def restart(self) -> None:
        """Drop what was written, unless the attempt is over."""
        if not self.over.is_set():
            self._answer.text = ""

    async def finish(self, finish: Finish) -> bool:
        """End the answer; False when the attempt is over."""
        if self.over.is_set():
            return False
        self._answer.finish, self._answer.story = finish, [*self._answer.story, *finish.steps]
        return True


def _request_for(job: Job) -> GenerationRequest:
    return GenerationRequest(job.model, (Message("user", job.battle),))


class MemorySink:
    """Answers in a dictionary, by job id; ``requests`` makes what a backend is sent for a job."""

    def __init__(self, requests: Callable[[Job], GenerationRequest] = _request_for) -> None:
        self.answers: dict[str, MemoryAnswer] = {}
        self._requests = requests

    def answer(self, job: Job) -> MemoryAnswer:
        """Return what there is of the answer of ``job``."""
        return self.answers.setdefault(job.id, MemoryAnswer())

    def stop(self, job: Job) -> None:
        """Refuse all that is still to come for the answer, as the end of its battle does."""
        answer = self.answer(job)
        answer.closed = True
        for attempt in answer.attempts:
            attempt.over.set()

    async def begin(self, job: Job, token: int, host: str) -> MemoryAttempt | None:
        """Open an attempt that ends those with lower tokens; None when the answer is finished or closed.

        With a lower token than another's the attempt is over already.
        """
        answer = self.answer(job)
        if answer.closed or answer.finish is not None:
            return None
        if token == answer.token:
            return answer.attempts[-1]
        if token > answer.token:
            if not self._is_opened(answer, token):
                return None
            answer.attempts.append(MemoryAttempt(answer, self._requests(job), token, host))
            return answer.attempts[-1]
        fenced_off = MemoryAttempt(answer, self._requests(job), token, host)
        fenced_off.over.set()
        return fenced_off

    async def fail(self, job: Job, token: int, host: str, finish: Finish) -> None:  # noqa: ARG002 - the Protocol's
        """End the answer, unless it has ended or an attempt with a higher token has it."""
        answer = self.answer(job)
        if answer.closed or answer.finish is not None or token < answer.token:
            return
        if token == answer.token or self._is_opened(answer, token):
            answer.finish = finish

    async def leave(self, job: Job, token: int) -> None:
        """Hold nothing against the answer: the attempt of that token has not killed its process."""
        answer = self.answer(job)
        answer.silent.discard(token)
        if token == answer.token:
            answer.left = token

    @staticmethod
    def _is_opened(answer: MemoryAnswer, token: int) -> bool:
        """Begin the answer anew under ``token``; False when it was interrupted too often, and has ended."""
        if answer.attempts and answer.left != answer.token:
            answer.silent.add(answer.token)
        answer.token = token
        for attempt in answer.attempts:
            attempt.over.set()
        if len(answer.silent) >= MOST_SILENT:
            answer.finish = Finish("error", Timing(), "interrupted")
            return False
        answer.text = ""
        return True

    async def note(self, job: Job, steps: Sequence[Step]) -> None:
        """Keep the steps."""
        self.answer(job).story.extend(steps)

    async def show(self, job: Job, state: Literal["queued", "loading"], place: int | None, eta_s: int | None) -> None:
        """Note what the viewers are shown."""
        self.answer(job).shown.append((state, place, eta_s))

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:  # noqa: ARG002 - the Protocol's
        """False: there are no battles."""
        return False

    async def ended(self, job: Job) -> None:
        """Note that the battle was reconciled."""
        self.answer(job).reconciled += 1
