"""The files that a batch of OpenAI's Batch API has made: read from its run's rows whenever they are asked for."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import orjson
import sqlalchemy as sa

from app.batch.openai_batches import OpenAiBatch, OpenAiBatches
from app.batch.removal import remove_jobs
from app.batch.results import JobResult, openai_line, results
from app.database.database import Database
from app.records.batch_tables import batch_jobs

_WHICH = {
    "output_bytes": batch_jobs.c.status == "done",
    "error_bytes": batch_jobs.c.status != "done",
}


async def output_lines(database: Database, batch: OpenAiBatch) -> AsyncGenerator[bytes]:
    """Yield the lines of the jobs that are done."""
    async with aclosing(_lines(database, batch, done=True)) as lines:
        async for line in lines:
            yield line


async def error_lines(database: Database, batch: OpenAiBatch) -> AsyncGenerator[bytes]:
    """Yield the lines of all other jobs; of those that were never begun, too, once the batch has ended."""
    async with aclosing(_lines(database, batch, done=False)) as lines:
        async for line in lines:
            yield line


async def _lines(database: Database, batch: OpenAiBatch, *, done: bool) -> AsyncGenerator[bytes]:
    if batch.run is None:
        return
    async with aclosing(results(database, batch.run, ended=False)) as found:
        async for result in found:
            if (result.status == "done") == done:
                yield orjson.dumps(_line(batch, result)) + b"\n"


def _line(batch: OpenAiBatch, result: JobResult) -> dict[str, object]:
    assert batch.run is not None
    line = openai_line(batch.run, result)
    if result.status == "waiting":
        code = "batch_cancelled" if batch.expired_at is None else "batch_expired"
        line["error"] = {"code": code, "message": "this request was not done before the batch ended"}
    return line


async def forget_outputs(database: Database, batches: OpenAiBatches, batch: OpenAiBatch, which: Sequence[str]) -> None:
    """Remove what a batch has made: its ``output_bytes``, ``error_bytes``, or both; its counts stay."""
    if batch.run_id is None:
        return
    await remove_jobs(database, batch.run_id, sa.or_(*(_WHICH[name] for name in which)))
    await batches.change(batch.id, **dict.fromkeys(which, 0))
