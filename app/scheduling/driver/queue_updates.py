"""Tells the viewers of waiting answers their place and how long it may take, without flooding the log of a battle.

A change of state is told at once; a change of place or of the estimate at most every ``EVERY_S`` for each answer, and
an estimate only when it is off by more than a countdown from the last one told would be.
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
SHOW_LIMIT_S = 5.0

TOLERANCE_S = 2.0
TOLERANCE_SHARE = 0.25
"""An estimate is told again when it is off by more than both of these."""


@dataclass(frozen=True, slots=True)
class _Told:
    outlook: QueueUpdate
    at: float


class QueueUpdates:
    """What the viewers of one host's waiting answers were told last; ``clock`` is monotonic."""

    def __init__(self, desk: AnswerSink, host: str, clock: Callable[[], float] = monotonic) -> None:
        self._desk = desk
        self._clock = clock
        self._told: dict[str, _Told] = {}
        self._sending: asyncio.Task[None] | None = None
        self._host = host
        self._log = structlog.get_logger("app.scheduling.driver.queue_updates").bind(host=host)

    def tell(self, waiting: Iterable[Job], outlooks: Mapping[str, QueueUpdate]) -> None:
        """Send what is new, in the background; nothing while the last ones are still being sent."""
        if self._sending is not None and not self._sending.done():
            return
        jobs = {job.id: job for job in waiting}
        self._told = {job_id: told for job_id, told in self._told.items() if job_id in jobs}
        now = self._clock()
        due = [(job, outlooks[job.id]) for job in jobs.values() if self._is_due(job, outlooks[job.id], now)]
        if due:
            self._told.update({job.id: _Told(outlook, now) for job, outlook in due})
            self._sending = asyncio.create_task(self._send(due), name=f"notices {self._host}")

    async def aclose(self) -> None:
        """Give up what is being sent."""
        if self._sending is not None:
            await cancel_and_wait(self._sending)

    def _is_due(self, job: Job, outlook: QueueUpdate, now: float) -> bool:
        told = self._told.get(job.id)
        if told is None or told.outlook.state != outlook.state:
            return True
        passed = now - told.at
        if passed < EVERY_S:
            return False
        off = abs(told.outlook.eta_s - passed - outlook.eta_s)
        return told.outlook.place != outlook.place or off > max(TOLERANCE_S, TOLERANCE_SHARE * outlook.eta_s)

    async def _send(self, due: list[tuple[Job, QueueUpdate]]) -> None:
        try:
            async with asyncio.timeout(SHOW_LIMIT_S):
                for job, outlook in due:
                    await self._desk.show(job, outlook.state, outlook.place, outlook.eta_s)
        except Exception as error:  # nobody's answer depends on a notice
            self._log.warning("notices_failed", why=type(error).__name__)
            for job, _ in due:
                self._told.pop(job.id, None)
