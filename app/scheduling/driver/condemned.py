"""Answers that are failing at this moment: a battle must not lose all of its answers because one host cut them off."""

from __future__ import annotations

import asyncio

from app.scheduling.job import Job
from app.scheduling.ports import AnswerSink


class CondemnedAnswers:
    """The answers of one host that may fail, by battle.

    One decision at a time, so that of two answers of a battle that are cut off at once the second knows of the first.
    """

    def __init__(self, sink: AnswerSink) -> None:
        self._sink = sink
        self._deciding = asyncio.Lock()
        self._condemned: dict[str, set[int]] = {}

    async def may_fail(self, job: Job) -> bool:
        """Decide whether an answer that was cut off may fail; False: its battle would end without a verdict."""
        async with self._deciding:
            condemned = self._condemned.setdefault(job.battle, set())
            if await self._sink.is_needed(job, frozenset(condemned)):
                return False
            condemned.add(job.answer)
            return True

    def forget(self, job: Job) -> None:
        """Forget an answer that was completed or given to another host."""
        condemned = self._condemned.get(job.battle, set())
        condemned.discard(job.answer)
        if not condemned:
            self._condemned.pop(job.battle, None)
