"""Keeps the batches of OpenAI's Batch API going, and clears away what nobody will miss.

======================= ====== =========================================== ======
key                     type   holds                                       bound
======================= ====== =========================================== ======
``arena:batch:keeper``  string a lock: one process keeps batches and files 10 s
======================= ====== =========================================== ======

The lock only saves work: a batch that is checked twice becomes the same run, for its id is in the run's name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.backends.base import GenerationRequest
from app.batch.files import FileStore
from app.batch.intake import HALF_DONE, RunIntake
from app.batch.openai_batches import OpenAiBatch, OpenAiBatches
from app.batch.outputs import error_lines, forget_outputs, output_lines
from app.batch.removal import half_stored, remove
from app.batch.run_values import LIVE
from app.batch.runs import RunRecords
from app.batch.spec import CHAT_STAGE, RunSpec
from app.batch.submission import Limits, RunProblems
from app.database.database import Database
from app.errors import ArenaError, InvalidInput, NotFound, Unavailable
from app.hosts.names import same_model
from app.redis.lock import WorkerLock
from app.tasks import until_beat

TERM = timedelta(seconds=10)
CHECK_EVERY_S = 1.0
CLEAR_EVERY_S = 60.0
_LINE = re.compile(r"line (\d+)")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeeperParts:
    """What a keeper works with; ``models`` are the names that can be asked now, None while not all hosts answer."""

    database: Database
    records: RunRecords
    intake: RunIntake
    files: FileStore
    batches: OpenAiBatches
    models: Callable[[], Sequence[str] | None]
    now: Callable[[], datetime]


class BatchKeeper:
    """The keeper of one process; ``news`` is set when a batch was created here."""

    def __init__(self, redis: Redis, parts: KeeperParts) -> None:
        self._redis = redis
        self._parts = parts
        self._cleared_at = float("-inf")
        self.news = asyncio.Event()

    async def run(self) -> None:
        """Keep batches, until cancelled."""
        while True:
            with suppress(RedisError, OSError):
                await WorkerLock(self._redis, "arena:batch:keeper", TERM).run_if_free(self._keep)
            await asyncio.sleep(until_beat(CHECK_EVERY_S))

    async def _keep(self) -> None:
        while True:
            self.news.clear()
            try:
                await self.step()
            except Unavailable as error:
                log.warning("batch_keeper_waits", why=error.sentence)
            with suppress(TimeoutError):
                async with asyncio.timeout(until_beat(CHECK_EVERY_S)):
                    await self.news.wait()

    async def step(self) -> None:
        """Check what is new, end what is late, measure what has ended, clear away what is old."""
        if await self._parts.batches.any_due():
            await self._bring_on()
        if monotonic() - self._cleared_at >= CLEAR_EVERY_S:
            self._cleared_at = monotonic()
            await self.clear()

    async def _bring_on(self) -> None:
        batches = self._parts.batches
        for batch in await batches.validating():
            await self._validate(batch)
        for batch in await batches.late():
            await batches.stamp(batch.id, "expired_at")
            await self._cancel(batch, "its completion window is over")
        for batch in await batches.unfinished():
            await self._finalize(batch)

    async def _validate(self, batch: OpenAiBatch) -> None:
        """Make a run of a batch, or say why it is none."""
        parts = self._parts
        if batch.cancelling_at is not None:
            await parts.batches.change(batch.id, status="cancelled", ended_at=parts.now())
            return
        try:
            run_id, model = await self._handed_in(batch)
        except Unavailable:
            raise
        except RunProblems as problems:
            await self._fail(batch, list(problems.problems))
        except ArenaError as error:
            await self._fail(batch, [error.sentence], error)
        else:
            await parts.batches.change(batch.id, status="started", run_id=run_id, model=model)
            now = await parts.batches.batch(batch.id)
            if now is not None and now.cancelling_at is not None:
                await self._cancel(now, "")

    async def _handed_in(self, batch: OpenAiBatch) -> tuple[str, str | None]:
        """The run of a batch, and the model that all its lines name."""
        parts, models = self._parts, set[str]()

        def see(request: GenerationRequest) -> None:
            self._refuse_unknown(request.model)
            models.add(request.model)

        if await parts.files.file(batch.file_id) is None:
            raise NotFound(f"the file {batch.file_id} is gone", code="file_not_found")
        async with parts.intake.stored(parts.files.content(batch.file_id)) as spool:
            spec = RunSpec(batch.id, (CHAT_STAGE,))
            checked = await parts.intake.check(spec, spool, see)
            run = await parts.intake.hand_in(
                checked, spool, Limits(), batch.owner, metadata=batch.metadata, expires_at=batch.expires_at
            )
        return run.id, models.pop() if len(models) == 1 else None

    def _refuse_unknown(self, model: str) -> None:
        """Refuse a model that no host has, if that is known."""
        models = self._parts.models()
        if models is not None and not any(same_model(model, one) for one in models):
            why = f"the model {model[:100]!r} does not exist; GET /v1/models lists those that there are"
            raise InvalidInput(why, field="body.model", code="model_not_found")

    async def _fail(self, batch: OpenAiBatch, sentences: list[str], error: ArenaError | None = None) -> None:
        code = "invalid_request" if error is None else error.code
        param = None if error is None else error.field
        errors = [problem_of(sentence, code, param) for sentence in sentences]
        await self._parts.batches.change(batch.id, status="failed", errors=errors, ended_at=self._parts.now())

    async def _cancel(self, batch: OpenAiBatch, note: str) -> None:
        if batch.run_id is not None:
            await self._parts.records.move(batch.run_id, LIVE, "cancelled", note)

    async def _finalize(self, batch: OpenAiBatch) -> None:
        """Measure the files of a batch: from then on they are there."""
        now = self._parts.now()
        sizes = {}
        for name, lines in (("output_bytes", output_lines), ("error_bytes", error_lines)):
            size = 0
            async with aclosing(lines(self._parts.database, batch)) as pieces:
                async for piece in pieces:
                    size += len(piece)
            sizes[name] = size
        await self._parts.batches.change(batch.id, finalized_at=now, **sizes)

    async def clear(self) -> None:
        """Clear away what has expired, and what processes that died have left."""
        parts = self._parts
        await parts.files.remove_old(HALF_DONE)
        for run_id in await half_stored(parts.database, parts.now() - HALF_DONE):
            with suppress(NotFound):
                await remove(parts.database, await parts.records.run(run_id))
        for batch in await parts.batches.outdated():
            await forget_outputs(parts.database, parts.batches, batch, ("output_bytes", "error_bytes"))


def problem_of(sentence: str, code: str, param: str | None) -> Mapping[str, Any]:
    """An error of a batch as OpenAI's clients read it; the line stands in the sentence."""
    found = _LINE.match(sentence)
    return {"code": code, "line": int(found[1]) if found else None, "message": sentence, "param": param}
