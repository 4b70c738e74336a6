"""Runs that come in over the network: how much of them is taken, from whom, and that nothing is left of what was not.

An upload is a file without a name until all of it is there and was checked. ``owner`` is the name of the key that it
came with; None are those who run the arena, who have no quota.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.backends.base import GenerationRequest
from app.batch.requests import ChatOf
from app.batch.runs import Run, RunRecords
from app.batch.spec import RunSpec
from app.batch.spool import Spool, too_large
from app.batch.submission import CheckedRun, Limits, check, hand_in
from app.database.database import Database
from app.errors import StorageFull, Unavailable
from app.records.batch_tables import batch_files, batch_runs

MOST_JOBS = 250_000
"""Jobs of a run that comes over the network: their ids are in memory while they are checked."""
UPLOADS = 4
"""How many uploads a process reads and checks at once."""
HALF_DONE = timedelta(hours=1)
"""How long a run may take to be stored; one that is older was left by a process that died."""


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """The most bytes of an upload, the most lines of one for /v1, the most bytes that a key may have here."""

    upload_bytes: int
    lines: int
    quota_bytes: int


class RunIntake:
    """Takes runs in; ``folder`` is where uploads are put while they are read."""

    def __init__(
        self, database: Database, records: RunRecords, chat_of: ChatOf, folder: Path, limits: IntakeLimits
    ) -> None:
        self.limits = limits
        self._database = database
        self._records = records
        self._chat_of = chat_of
        self._folder = folder
        self._room: Counter[str] = Counter()
        self._uploads = 0

    @asynccontextmanager
    async def upload(self, owner: str | None, announced: int = 0, lines: int = MOST_JOBS) -> AsyncIterator[Spool]:
        """Room for an upload of ``announced`` bytes, and for more as they come; it is gone when the block ends.

        Raises:
            MessageTooLarge: it is over the limit of all.
            StorageFull: it is over what the owner has left, or the disk is full.
            Unavailable: too many are under way.
        """
        most = self.limits.upload_bytes
        if announced > most + FORM_BYTES:
            raise too_large(most)
        if self._uploads >= UPLOADS:
            why = "other uploads are being read; send this one again in a moment"
            raise Unavailable(why, code="too_many_uploads", retry_after_s=5)
        self._uploads += 1
        reserved = 0

        async def reserve(size: int) -> None:
            nonlocal reserved
            if owner is not None and size > reserved:
                self._room[owner] += size - reserved
                reserved = size
                await self._refuse_over_quota(owner, size)

        try:
            await reserve(min(announced, most))
            async with await Spool.open(self._folder, most, lines, reserve) as spool:
                yield spool
        finally:
            self._uploads -= 1
            if owner is not None:
                self._room[owner] -= reserved

    async def _refuse_over_quota(self, owner: str, size: int) -> None:
        """Refuse an upload of ``size`` bytes, which are in the owner's room already."""
        used = await self.used(owner) + self._room[owner] - size
        if used + size > self.limits.quota_bytes:
            left = max(self.limits.quota_bytes - used, 0)
            raise StorageFull(
                f"this key has {left:,} of {self.limits.quota_bytes:,} bytes left; delete runs and files that are no "
                "longer needed",
                code="quota_exceeded",
            )

    async def used(self, owner: str) -> int:
        """Bytes that the owner's runs and files have."""
        sums = [
            sa.select(sa.func.coalesce(sa.func.sum(table.c.bytes), 0)).where(table.c.owner == owner)
            for table in (batch_runs, batch_files)
        ]
        return await self._database.read(
            lambda connection: sum(int(connection.execute(one).scalar_one()) for one in sums)
        )

    @asynccontextmanager
    async def stored(self, content: AsyncGenerator[bytes]) -> AsyncIterator[Spool]:
        """What is stored already, as a file on this machine; it is gone when the block ends.

        Raises:
            MessageTooLarge: the limits were larger when it was stored.
            StorageFull: the disk is full.
        """
        async with await Spool.open(self._folder, self.limits.upload_bytes, self.limits.lines) as spool:
            async with aclosing(content) as pieces:
                async for piece in pieces:
                    await spool.write(piece)
            yield spool

    async def check(
        self, spec: RunSpec, spool: Spool, also: Callable[[GenerationRequest], None] | None = None
    ) -> CheckedRun:
        """Check a run against what was uploaded; raises what ``submission.check`` does.

        ``also`` may refuse what a line of OpenAI's Batch API asks for, with an ``InvalidInput``.
        """
        await spool.flush()
        return await check(spec, spool.read(), self._chat_of if also is None else self._chat_with(also))

    def _chat_with(self, also: Callable[[GenerationRequest], None]) -> ChatOf:
        def read(body: Mapping[str, Any]) -> GenerationRequest:
            request = self._chat_of(body)
            also(request)
            return request

        return read

    async def hand_in(
        self,
        checked: CheckedRun,
        spool: Spool,
        limits: Limits,
        owner: str | None,
        *,
        metadata: Mapping[str, str] | None = None,
        expires_at: datetime | None = None,
    ) -> Run:
        """Store a run that was checked, to its end also when its caller is cancelled."""
        work = hand_in(
            self._records,
            checked,
            spool.read(),
            limits,
            foreground=False,
            owner=owner,
            metadata=metadata,
            expires_at=expires_at,
        )
        task = asyncio.create_task(work, name=f"hand in {checked.run_id(owner)}")
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise


FORM_BYTES = 1_100_000
"""What a form may have beside its file: the run, and the names of its parts."""
