"""A process that works on runs, in this event loop: real drivers, a real Redis and database, a simulated server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from app.arena.states import AnswerState
from app.backends.base import GenerationRequest
from app.batch.call import BatchCall
from app.batch.progress import summary_of
from app.batch.results import line_of, results
from app.batch.runs import CallChange, Changes, JobChange, Run, RunRecords
from app.batch.spec import CHAT_STAGE, RunSpec
from app.batch.submission import Limits, check, hand_in
from app.database.database import Database
from app.process.batch import CommandProcess, working
from app.records.ledger import utc_now
from app.settings.settings import Settings
from tests.services import settings_with
from tests.whole.harness import ModelServer


@dataclass
class Runs:
    """A process and its runs; ``tasks`` work on those that were begun."""

    process: CommandProcess
    tasks: dict[str, asyncio.Task[Run]] = field(default_factory=dict)

    async def begin(self, spec: RunSpec, jobs: Sequence[Mapping[str, Any]], **limits: Any) -> str:
        """Hand a run in and begin to work on it; its id."""
        lines = [orjson.dumps(job) for job in jobs]
        batch = self.process.batch
        checked = await check(spec, lines, batch.chat_of)
        run = await hand_in(batch.records, checked, lines, Limits(**limits), foreground=True)
        self.tasks[run.id] = asyncio.create_task(batch.worker.see_through(run.id), name=run.id)
        return run.id

    async def end(self, run: str) -> Run:
        """Wait until a run has ended."""
        async with asyncio.timeout(60):
            return await self.tasks[run]

    async def work_off(self, spec: RunSpec, jobs: Sequence[Mapping[str, Any]]) -> Run:
        """Hand a run in and see it through."""
        return await self.end(await self.begin(spec, jobs))

    async def lines(self, run: Run) -> list[dict[str, Any]]:
        """What came of a run."""
        return [line_of(run.spec, result) async for result in results(self.process.database, run)]

    def is_waiting(self, run: str) -> bool:
        """Whether the run waits for a store now."""
        runner = self.process.batch.worker._runners.get(run)
        return runner is not None and runner.outage.lasts

    async def status(self, run: str) -> dict[str, Any]:
        """A run as ``arena batch status --json`` shows it."""
        records = self.process.batch.records
        return summary_of(await records.run(run), await records.sums(run))


@asynccontextmanager
async def runs_on(settings: Settings) -> AsyncIterator[Runs]:
    """A process with these settings; at its end nobody works on a run any more."""
    async with working(settings) as process:
        runs = Runs(process)
        try:
            yield runs
        finally:
            for task in runs.tasks.values():
                task.cancel()
            await asyncio.gather(*runs.tasks.values(), return_exceptions=True)


def settings_of(folder: Path, redis: str, *hosts: ModelServer, **known: Any) -> Settings:
    """The settings of such a process; its hosts are named h0, h1 …"""
    tables = tuple({"name": f"h{place}", "url": host.url, "num_parallel": 2} for place, host in enumerate(hosts))
    given = {
        "redis_url": redis,
        "database_url": f"sqlite:///{folder}/arena.db",
        "arena_data_dir": folder,
        "arena_prewarm": False,
        "[[hosts]]": tables,
    }
    return settings_with(**given | known)


def chat(model: str, text: str, **more: Any) -> dict[str, Any]:
    """A line of OpenAI's Batch API, without its id."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return {"method": "POST", "url": "/v1/chat/completions", "body": body}


def chats(cache: bool | str = False, name: str = "chats") -> RunSpec:
    """A run of such lines."""
    return RunSpec(name, (CHAT_STAGE,), cache=cache)  # type: ignore[arg-type]


async def stored_run(database: Database, spec: RunSpec, jobs: int, text_of: Callable[[int, str], str]) -> Run:
    """A run that has ended, without a process: every model says ``text_of(job, model)`` in every stage."""
    records = RunRecords(database, utc_now)
    lines = [orjson.dumps({"custom_id": f"j{n}", "topic": f"thing {n}"}) for n in range(jobs)]
    checked = await check(spec, lines, lambda _: GenerationRequest("", ()))
    run = await hand_in(records, checked, lines, Limits(), foreground=False)
    for n in range(jobs):
        for number, stage in enumerate(checked.spec.stages):
            for part in range(stage.parts):
                call = BatchCall(run.id, n, number, part, 0, GenerationRequest(stage.model_of(part), ()))
                text = text_of(n, stage.model_of(part))
                answer = AnswerState(1, "done", 1, "stop", None, None, "h", stage=False, text=text)
                await records.store_answer(call, answer, "sha256:aa")
                await records.apply(run.id, Changes([CallChange(call.key, "done")]))
        await records.apply(run.id, Changes((), [JobChange(n, "done")]))
    return await records.run(run.id)
