"""Where drivers write answers: ``app.scheduling.ports.AnswerSink`` over the store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

import structlog

from app.arena.document import Document
from app.arena.guard import Guard, GuardedWriter
from app.arena.store import Store
from app.arena.writer import AnswerWriter, BatchWriter
from app.backends.base import GenerationRequest
from app.battle.rules import lost_without
from app.scheduling.job import Job
from app.scheduling.ports import Finish

log = structlog.get_logger(__name__)

#: Builds what a model is asked: (document, model) -> request.
RequestOf = Callable[[Document, str], GenerationRequest]


class ArenaSink:
    """Begins answers, shows why they wait, and reconciles their battles when they have ended."""

    def __init__(
        self,
        store: Store,
        writer: BatchWriter,
        request_of: RequestOf,
        reconcile: Callable[[str], Awaitable[None]],
        guard: Guard | None = None,
    ) -> None:
        self._store = store
        self._writer = writer
        self._request_of = request_of
        self._reconcile = reconcile
        self._guard = guard or Guard()

    async def begin(self, job: Job, token: int, host: str) -> AnswerWriter | GuardedWriter | None:
        """Open an attempt; None when nothing is to be written (finished, ended or gone: reconcile it)."""
        begun = await self._store.begin(job.battle, job.answer, token, host)
        log.debug("answer_begun", battle=job.battle, answer=job.answer, host=host, token=token, status=begun.status)
        if begun.status == "stale":
            return self._fenced_off(job, token, begun.name)
        if begun.document is None:
            return None
        # The driver writes each answer in a task of its own: its lines bear the id of the request that asked for it.
        structlog.contextvars.bind_contextvars(request_id=begun.document.request_id)
        request = self._request_of(begun.document, job.model)
        return await self._guard.wrap(
            AnswerWriter(self._writer, job.battle, job.answer, token, begun.name, request), job
        )

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

    def _without_request(self, job: Job, token: int, name: str) -> AnswerWriter:
        return AnswerWriter(self._writer, job.battle, job.answer, token, name, GenerationRequest(job.model, ()))

    async def show(self, job: Job, state: Literal["queued", "loading"], place: int | None, eta_s: int | None) -> None:
        """Show viewers why the answer is not being written yet."""
        self._writer.show_state(job.battle, job.answer, state, place, eta_s)

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:
        """Whether the battle would end without a verdict if this answer failed, beside the ``condemned`` ones."""
        state = await self._store.state(job.battle)
        if state is None or state.ended:
            return False
        failed = {entry for entry, answer in enumerate(state.answers) if answer.finish == "error"}
        return lost_without(state.document.battle, {*failed, *condemned, job.answer})

    async def ended(self, job: Job) -> None:
        """Reconcile the job's battle."""
        await self._reconcile(job.battle)
