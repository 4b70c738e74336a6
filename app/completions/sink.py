"""Where drivers write completions, and the sink that distinguishes them from battles."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from app.arena.sink import LogSink
from app.arena.store import LogStore
from app.arena.writer import BatchWriter
from app.completions.completion import Completion
from app.scheduling.job import Job
from app.scheduling.ports import AnswerSink, Attempt, Finish
from app.timing.story import Step


class CompletionSink(LogSink[Completion]):
    """Begins completions and shows why they wait; ``ended`` is called with the id of one whose answer has ended."""

    def __init__(
        self, store: LogStore[Completion], writer: BatchWriter, ended: Callable[[str], Awaitable[None]]
    ) -> None:
        super().__init__(store, writer, lambda completion, _: completion.request, ended)

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:  # noqa: ARG002 - the Protocol's
        """Nobody else waits for it; whoever does has read its beginning, which can't be taken back."""
        return False


class SinkByKind:
    """``app.scheduling.ports.AnswerSink`` over that of battles and those of other kinds, by the job's id.

    ``others`` are the kinds: whether an id is of it, and its sink.
    """

    def __init__(self, battles: AnswerSink, others: Sequence[tuple[Callable[[str], bool], AnswerSink]]) -> None:
        self._battles, self._others = battles, tuple(others)

    def _of(self, job: Job) -> AnswerSink:
        return next((sink for is_of, sink in self._others if is_of(job.battle)), self._battles)

    async def begin(self, job: Job, token: int, host: str) -> Attempt | None:
        """Open an attempt; None: nothing is to be written."""
        return await self._of(job).begin(job, token, host)

    async def fail(self, job: Job, token: int, host: str, finish: Finish) -> None:
        """End an answer that can't be begun."""
        await self._of(job).fail(job, token, host, finish)

    async def leave(self, job: Job, token: int) -> None:
        """Hold nothing against an answer that was left without an end."""
        await self._of(job).leave(job, token)

    async def note(self, job: Job, steps: Sequence[Step]) -> None:
        """Keep what happened to the answer on its way."""
        await self._of(job).note(job, steps)

    async def show(self, job: Job, state: Literal["queued", "loading"], place: int | None, eta_s: int | None) -> None:
        """Show why the answer is not being written yet."""
        await self._of(job).show(job, state, place, eta_s)

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:
        """Whether everything would be lost with this answer."""
        return await self._of(job).is_needed(job, condemned)

    async def ended(self, job: Job) -> None:
        """Act on the job's end."""
        await self._of(job).ended(job)
