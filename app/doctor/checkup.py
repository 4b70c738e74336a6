"""One examination for many callers: started once, kept for a while, and never waited for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic

from app.doctor.diagnose import Diagnosis
from app.doctor.finding import Finding
from app.doctor.texts.machine import examination_slow

LIMIT = timedelta(seconds=10)
KEPT = timedelta(seconds=15)
"""How long findings are served before the next examination, which sends requests to every host."""


class Checkup:
    """What ``diagnose`` found, run once for all callers and kept for ``kept``."""

    def __init__(
        self,
        diagnose: Callable[[], Awaitable[Diagnosis]],
        *,
        limit: timedelta = LIMIT,
        kept: timedelta = KEPT,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._diagnose, self._clock = diagnose, clock
        self._limit_s, self._kept_s = limit.total_seconds(), kept.total_seconds()
        self._turn = asyncio.Lock()
        self._until = float("-inf")
        self._found: tuple[Finding, ...] = ()

    async def findings(self) -> tuple[Finding, ...]:
        """What is wrong; ``examination_slow`` when the examination takes too long."""
        async with self._turn:
            if self._clock() >= self._until:
                self._found = await self._diagnosed()
                self._until = self._clock() + self._kept_s
            return self._found

    async def _diagnosed(self) -> tuple[Finding, ...]:
        try:
            async with asyncio.timeout(self._limit_s):
                return (await self._diagnose()).findings
        except TimeoutError:
            return (examination_slow(self._limit_s),)
