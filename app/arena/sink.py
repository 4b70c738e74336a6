"""Where drivers write answers: ``app.scheduling.ports.AnswerSink`` over the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Literal

import structlog

from app.arena.document import Document
from app.arena.guard import Guard
from app.arena.states import D
from app.arena.store import LogStore, Store
from app.arena.writer import AnswerWriter, BatchWriter
from app.backends.base import GenerationRequest
from app.battle.rules import lost_without
from app.scheduling.job import Job
from app.scheduling.ports import Attempt, Finish
from app.timing.story import Step

#: The waits that viewers are shown, in seconds: the next larger one is used.
COARSE_S = (10, 20, 30, 60, 120, 300, 600)

log = structlog.get_logger(__name__)


class LogSink(Generic[D]):
    """Begins answers and shows why they wait; ``ended`` is called with the id of what an answer that ended is of.

    ``request_of`` builds what a model is asked: (document, model) -> request.
    """

    def __init__(
        self,
        store: LogStore[D],
        writer: BatchWriter,
        request_of: Callable[[D, str], GenerationRequest],
        ended: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._writer = writer
        self._request_of = request_of
        self._ended = ended

    async def begin(self, job: Job, token: int, host: str) -> Attempt | None:
        """Open an attempt; None when nothing is to be written (finished, ended or gone: see to it)."""
        begun = await self._store.begin(job.battle, job.answer, token, host)
        log.debug("answer_begun", battle=job.battle, answer=job.answer, host=host, token=token, status=begun.status)
        if begun.status == "stale":
            return self._fenced_off(job, token, begun.name)
        if begun.document is None:
            return None
        # The driver writes each answer in a task of its own: its lines bear the id of the request that asked for it.
        structlog.contextvars.bind_contextvars(request_id=begun.document.request_id)
        request = self._request_of(begun.document, job.model)
        return await self._guarded(AnswerWriter(self._writer, job.battle, job.answer, token, begun.name, request), job)

    async def _guarded(self, writer: AnswerWriter, job: Job) -> Attempt:  # noqa: ARG002 - for those who guard
        return writer

    def _fenced_off(self, job: Job, token: int, name: str) -> AnswerWriter:
        """A newer owner writes this answer: the job is its own, so this attempt is over and nothing is removed."""
        writer = self._without_request(job, token, name)
        writer.over.set()
        return writer

    async def fail(self, job: Job, token: int, host: str, finish: Finish) -> None:
        """End an answer that can't be begun: without its request and its guard, which may be what is wrong."""
        begun = await self._store.begin(job.battle, job.answer, token, host)
        if begun.document is not None:
            await self._without_request(job, token, begun.name).finish(finish)

    async def leave(self, job: Job, token: int) -> None:
        """Hold nothing against the answer: its worker lives."""
        await self._store.leave(job.battle, job.answer, token)

    def _without_request(self, job: Job, token: int, name: str) -> AnswerWriter:
        return AnswerWriter(self._writer, job.battle, job.answer, token, name, GenerationRequest(job.model, ()))

    async def note(self, job: Job, steps: Sequence[Step]) -> None:
        """Append to the answer's story."""
        await self._store.note(job.battle, job.answer, steps)

    async def show(
        self,
        job: Job,
        state: Literal["queued", "loading"],  # noqa: ARG002 - viewers are not told which
        place: int | None,
        eta_s: int | None,
    ) -> None:
        """Show viewers that the answer is not being written yet.

        That its model is being loaded would tell which model it is: they see it queued, and for about how long.
        """
        self._writer.show_state(job.battle, job.answer, "queued", place, coarse(eta_s))

    async def ended(self, job: Job) -> None:
        """See to what the answer is of: a battle is reconciled."""
        await self._ended(job.battle)


class ArenaSink(LogSink[Document]):
    """The answers of battles; a guard reads along, and ``reconcile`` is called for each that has ended."""

    def __init__(
        self,
        store: Store,
        writer: BatchWriter,
        request_of: Callable[[Document, str], GenerationRequest],
        reconcile: Callable[[str], Awaitable[None]],
        guard: Guard | None = None,
    ) -> None:
        super().__init__(store, writer, request_of, reconcile)
        self._guard = guard or Guard()

    async def _guarded(self, writer: AnswerWriter, job: Job) -> Attempt:
        return await self._guard.wrap(writer, job)

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:
        """Whether the battle would end without a verdict if this answer failed, beside the ``condemned`` ones."""
        state = await self._store.state(job.battle)
        if state is None or state.ended:
            return False
        failed = {entry for entry, answer in enumerate(state.answers) if answer.finish == "error"}
        return lost_without(state.document.battle, {*failed, *condemned, job.answer})


def coarse(eta_s: int | None) -> int | None:
    """A wait as viewers are told it: too coarse to tell the load of one model from another's."""
    if eta_s is None:
        return None
    return next((step for step in COARSE_S if eta_s <= step), COARSE_S[-1])
