"""Requests of a host that were sent before their answers were begun: what comes is held until somebody takes it.

Each occupies a slot of its model from the moment it is sent. It is taken by the attempt at its answer, if that asks the
same; what nobody takes within ``TAKEN_WITHIN_S`` is closed, as is what is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

from app.backends.base import Backend, BackendError, Chunk, GenerationRequest
from app.backends.retrying import repeated
from app.scheduling.driver.answer_story import AnswerStory
from app.scheduling.driver.jobs import JobTable
from app.scheduling.driver.tasks import DriverTasks
from app.scheduling.job import Job
from app.tasks import cancel_and_wait

TAKEN_WITHIN_S = 5.0
"""A commit takes milliseconds; one that takes longer than this is not waited for."""


class EarlyAnswer:
    """One request under way; ``sent_at`` and ``heard_at`` are by ``clock``, the latter None until something came."""

    def __init__(self, job: Job, request: GenerationRequest, backend: Backend, clock: Callable[[], float]) -> None:
        self.model = job.model
        self.request = request
        self.sent_at = clock()
        self.heard_at: float | None = None
        self.retries: list[BackendError] = []
        self._clock = clock
        self._chunks = backend.stream(request)
        self._first = asyncio.create_task(self._read_first(), name=f"early {job.id}")
        self._first.add_done_callback(_retrieved)

    def of(self, request: GenerationRequest) -> EarlyAnswer | None:
        """It, if that is what it was asked."""
        return self if self.request == request else None

    async def stream(self, story: AnswerStory) -> AsyncGenerator[Chunk]:
        """Yield what came so far, then what comes, as the backend's own stream does; ``story`` hears of the retries.

        Raises:
            BackendError: what the backend raised.
        """
        async with aclosing(self._chunks):
            try:
                first = await self._first
            finally:
                await cancel_and_wait(self._first)
                for error in self.retries:
                    story.add("retried", cause=error.code)
            if first is not None:
                yield first
            async for chunk in self._chunks:
                yield chunk

    async def aclose(self) -> None:
        """Close the socket."""
        await cancel_and_wait(self._first)
        await self._chunks.aclose()

    async def _read_first(self) -> Chunk | None:
        repeated.set(self.retries.append)
        first = await anext(self._chunks, None)
        self.heard_at = self._clock()
        return first


class NothingEarly:
    """Where nothing was sent early."""

    def of(self, request: GenerationRequest) -> None:
        """There is none."""

    async def aclose(self) -> None:
        """There is no socket."""


NOTHING_EARLY = NothingEarly()


def _retrieved(task: asyncio.Task[Chunk | None]) -> None:
    """What an early answer failed with is told when it is taken; of one that was dropped nobody asks."""
    if not task.cancelled():
        task.exception()


class EarlyAnswers:
    """The early requests of one host, by job id; ``tasks`` run what closes them."""

    def __init__(self, backend: Backend, tasks: DriverTasks, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._tasks = tasks
        self._clock = clock
        self._answers: dict[str, tuple[EarlyAnswer, asyncio.TimerHandle]] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._answers

    def begin(self, job: Job, request: GenerationRequest) -> None:
        """Send a request."""
        answer = EarlyAnswer(job, request, self._backend, self._clock)
        timer = asyncio.get_running_loop().call_later(TAKEN_WITHIN_S, self.drop, job.id)
        self._answers[job.id] = answer, timer

    def take(self, job_id: str) -> EarlyAnswer | None:
        """The early answer of a job that is begun now, whose stream is the caller's from now on."""
        found = self._answers.pop(job_id, None)
        if found is None:
            return None
        answer, timer = found
        timer.cancel()
        return answer

    def beside(self, writing: Mapping[str, int], known: JobTable) -> Mapping[str, int]:
        """The slots of each model that are occupied: ``writing``, and by answers whose jobs are not known yet."""
        occupied = dict(writing)
        for job_id, (answer, _) in self._answers.items():
            if job_id not in known:
                occupied[answer.model] = occupied.get(answer.model, 0) + 1
        return occupied

    def drop(self, job_id: str) -> None:
        """Close one that nobody takes."""
        if (answer := self.take(job_id)) is not None:
            self._tasks.spawn(answer.aclose(), f"drop early {job_id}")

    def drop_all(self) -> None:
        """Close all."""
        for job_id in list(self._answers):
            self.drop(job_id)
