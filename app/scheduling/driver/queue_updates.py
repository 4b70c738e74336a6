"""Shows the viewers of waiting answers their place and how long it may take, without flooding the log of a battle.

A change of state is published at once; a change of place or of the estimate at most every ``EVERY_S`` for each answer,
and an estimate only when it is off by more than a countdown from the last one published would be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic

import structlog

from app.scheduling.job import Job
from app.scheduling.planning.eta import QueueUpdate
from app.scheduling.ports import AnswerSink
from app.tasks import cancel_and_wait

EVERY_S = 1.0
"""Between two estimates that are shown: people read no faster, and each is an entry in the battle's log."""

SHOW_LIMIT_S = 5.0
"""How long Redis may take for one: by then it is outdated."""

TOLERANCE_S = 2.0
TOLERANCE_SHARE = 0.25
"""An estimate is published again when it is off by more than both of these."""


@dataclass(frozen=True, slots=True)
class _Published:
    update: QueueUpdate
    at: float


class QueueUpdates:
    """What was published last to the viewers of one host's waiting answers; ``clock`` is monotonic."""

    def __init__(self, sink: AnswerSink, host: str, clock: Callable[[], float] = monotonic) -> None:
        self._sink = sink
        self._clock = clock
        self._published: dict[str, _Published] = {}
        self._sending: asyncio.Task[None] | None = None
        self._host = host
        self._log = structlog.get_logger("app.scheduling.driver.queue_updates").bind(host=host)

    def publish(self, waiting: Iterable[Job], updates: Mapping[str, QueueUpdate]) -> None:
        """Send what is new, in the background; nothing while the last ones are still being sent."""
        if self._sending is not None and not self._sending.done():
            return
        jobs = {job.id: job for job in waiting}
        self._published = {job_id: published for job_id, published in self._published.items() if job_id in jobs}
        now = self._clock()
        due = [(job, updates[job.id]) for job in jobs.values() if self._is_due(job, updates[job.id], now)]
        if due:
            self._published.update({job.id: _Published(update, now) for job, update in due})
            self._sending = asyncio.create_task(self._send(due), name=f"queue updates {self._host}")

    async def aclose(self) -> None:
        """Give up what is being sent."""
        if self._sending is not None:
            await cancel_and_wait(self._sending)

    def _is_due(self, job: Job, update: QueueUpdate, now: float) -> bool:
        published = self._published.get(job.id)
        if published is None or published.update.state != update.state:
            return True
        passed = now - published.at
        if passed < EVERY_S:
            return False
        off = abs(published.update.eta_s - passed - update.eta_s)
        return published.update.place != update.place or off > max(TOLERANCE_S, TOLERANCE_SHARE * update.eta_s)

    async def _send(self, due: list[tuple[Job, QueueUpdate]]) -> None:
        try:
            async with asyncio.timeout(SHOW_LIMIT_S):
                for job, update in due:
                    await self._sink.show(job, update.state, update.place, update.eta_s)
        except Exception as error:  # no answer depends on a queue update
            self._log.warning("notices_failed", why=type(error).__name__)
            for job, _ in due:
                self._published.pop(job.id, None)
