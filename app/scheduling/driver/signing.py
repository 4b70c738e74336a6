"""Which weights write an answer: asked while it is written, for a tag that is created anew changes them at once.

The server lists the old digest until the next request, so it is asked after an answer's first piece and not before. A
model that the server refuses as unknown is passed on at once, too: nobody should draw it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from app.backends.base import ModelNotFound
from app.scheduling.driver.residency import Residency
from app.scheduling.job import Job
from app.scheduling.ports import ModelObserver
from app.tasks import cancel_and_wait

TOGETHER_S = 0.005
"""How long the first piece of an answer waits for others': one question is enough for all of them."""

SIGN_LIMIT_S = 2.0
"""How long an answer that has ended waits for its digest."""


class Signing:
    """Signs the answers of ``host`` with what the server lists; ``observer`` keeps it."""

    def __init__(self, host: str, residency: Residency, observer: ModelObserver) -> None:
        self._host = host
        self._residency = residency
        self._observer = observer
        self._reading = asyncio.Lock()
        self._begun = 0
        self._answered = False

    @asynccontextmanager
    async def of(self, job: Job) -> AsyncGenerator[asyncio.Event]:
        """Sign the answer of ``job`` once the event is set, which its first piece does."""
        begun = asyncio.Event()
        signing = asyncio.create_task(self._sign(job, begun), name=f"digest {job.id}")
        try:
            yield begun
            if begun.is_set():
                await asyncio.wait({signing}, timeout=SIGN_LIMIT_S)
        except ModelNotFound:
            self._observer.refused(self._host, job.model)
            raise
        finally:
            await cancel_and_wait(signing)

    async def _sign(self, job: Job, begun: asyncio.Event) -> None:
        await begun.wait()
        if await self._read_since_now() and (digest := self._residency.digest(job.model)):
            self._observer.written(self._host, job.battle, job.model, digest)

    async def _read_since_now(self) -> bool:
        """Read what is in memory, unless another answer begins to read it after this call; False: no answer."""
        begun = self._begun
        await asyncio.sleep(TOGETHER_S)
        async with self._reading:
            if self._begun == begun:
                self._begun += 1
                self._answered = await self._residency.refresh()
            return self._answered
