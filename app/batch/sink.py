"""Where drivers write the calls of batches: an answer that has ended is in SQL before its job leaves the queue.

So whatever dies, a call is in one of three places: still to be made, in Redis, or in SQL, where it stays.
"""

from __future__ import annotations

from collections.abc import Callable

from app.arena.sink import LogSink
from app.arena.store import LogStore
from app.arena.writer import BatchWriter
from app.batch.call import BatchCall, CallKey
from app.batch.runs import RunRecords
from app.errors import Unavailable
from app.scheduling.job import Job
from app.scheduling.ports import Attempt

DigestOf = Callable[[str, str, str], str]
"""(host, call, model) -> the digest of the weights that wrote it; empty when it is not known."""


class CallSink(LogSink[BatchCall]):
    """``app.scheduling.ports.AnswerSink`` for calls; ``news`` is called with the run of each that was stored.

    ``not_stored`` is called when that fails; the job stays, and is seen to again.
    """

    def __init__(
        self,
        store: LogStore[BatchCall],
        writer: BatchWriter,
        records: RunRecords,
        digest_of: DigestOf,
        news: Callable[[str], None],
        not_stored: Callable[[str, Exception], None],
    ) -> None:
        super().__init__(store, writer, lambda call, _: call.request, self._stored)
        self._calls = store
        self._records = records
        self._digest_of = digest_of
        self._news = news
        self._not_stored = not_stored

    async def begin(self, job: Job, token: int, host: str) -> Attempt | None:
        """Open an attempt; None: nothing is to be written, since the answer is in SQL or nobody wants it."""
        run, key, tries = read_id(job.battle)
        if not await self._records.wants(run, key, tries):
            return None
        return await super().begin(job, token, host)

    async def is_needed(self, job: Job, condemned: frozenset[int]) -> bool:  # noqa: ARG002 - the Protocol's
        """No battle is lost with it."""
        return False

    async def _stored(self, id_: str) -> None:
        """Put an answer that has ended into SQL, then forget it here."""
        state = await self._calls.state(id_, "all")
        if state is None:
            return
        answer = state.answers[0]
        if answer.finish in ("stop", "length", "error"):
            call = state.document
            digest = self._digest_of(answer.host, id_, call.request.model)
            try:
                await self._records.store_answer(call, answer, digest)
            except Unavailable as error:
                self._not_stored(call.run, error)
                raise
            self._news(call.run)
        await self._calls.drop(id_)


def read_id(id_: str) -> tuple[str, CallKey, int]:
    """The run, the call and the tries that an id stands for."""
    run, n, stage, part, tries = id_.removeprefix("batch-").rsplit("-", 4)
    return run, CallKey(int(n), int(stage), int(part)), int(tries)
