"""A host that is dead for an hour, in virtual time: the run waits, says so, and no job fails for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from app.arena.states import AnswerState
from app.backends.base import GenerationOptions, GenerationRequest
from app.batch.call import BatchCall
from app.batch.feeding import HostState
from app.batch.hosts import RunHosts
from app.batch.parts import RunnerParts
from app.batch.runner import BatchRunner
from app.batch.runs import RunRecords
from app.batch.submission import Limits, check, hand_in
from app.database.database import Database, migrate
from app.records.answer_cache import AnswerCache
from app.timing.time import Time
from tests.batch.process import chat, chats

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
JOBS = 6


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.s)


class OneHost:
    """A host that answers at once while it is alive, and loses what it has when it dies."""

    def __init__(self, records: RunRecords) -> None:
        self._records = records
        self.dead = False
        self.answers = False
        self.has: list[BatchCall] = []

    async def seen(self, models: Iterable[str], in_flight: Mapping[str, Mapping[str, int]]) -> RunHosts:
        names = frozenset(models)
        alive = (HostState("h", 4, names, names, in_flight.get("h", {})),)
        return RunHosts((), lost=("h",)) if self.dead else RunHosts(alive)

    async def put(self, calls: Sequence[tuple[BatchCall, str]]) -> dict[str, str]:
        self.has += [call for call, _ in calls]
        if self.answers:
            await self.end("stop")
        return {call.id: host for call, host in calls}

    async def end(self, finish: str) -> None:
        """End what it has: with answers, or as drivers do when a host is gone."""
        error = {"code": "unavailable", "message": "m"} if finish == "error" else None
        for call in self.has:
            answer = AnswerState(1, "done", 1, finish, error, None, "h", stage=False, text="yes")
            await self._records.store_answer(call, answer, "d")
        self.has = []

    async def take_back(self, ids: Iterable[str]) -> None:
        """Nothing is under way."""


def nothing(body: Mapping[str, Any]) -> GenerationRequest:
    return GenerationRequest(str(body["model"]), ())


async def test_an_hour_without_its_host_costs_a_run_nothing_but_the_hour(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    await migrate(url)
    database, clock = Database(url), Clock()
    records = RunRecords(database, clock.now)
    lines = [orjson.dumps({"custom_id": f"j{n}", **chat("m:1b", "why")}) for n in range(JOBS)]
    checked = await check(chats(), lines, nothing)
    run = await hand_in(records, checked, lines, Limits(), foreground=True)
    host: Any = OneHost(records)
    cache = AnswerCache(database, clock.now, 0, timedelta(days=1))
    time = Time(now=lambda: clock.now().timestamp(), monotonic=lambda: clock.s)
    options = GenerationOptions()
    parts = RunnerParts(records, host, lambda _: options, nothing, time, cache, lambda _: frozenset())
    runner = BatchRunner(parts, run, waits=True)
    try:
        assert await runner.step()
        assert len(host.has) == JOBS
        host.dead = True
        await host.end("error")
        for _ in range(120):
            clock.s += 30
            assert await runner.step()
        assert (await records.run(run.id)).note == "waits: no host works now"
        host.dead, host.answers = False, True
        while await runner.step():
            clock.s += 30
            assert clock.s < 3600 + 300
        ended = await records.run(run.id)
        assert (ended.status, ended.jobs_done, ended.jobs_failed) == ("completed", JOBS, 0)
        (wait,) = await records.waits(run.id)
        assert wait.until is not None
        assert timedelta(seconds=3500) < wait.until - wait.since < timedelta(seconds=3700)
        calls = await records.calls(run.id, range(JOBS))
        assert {(call.tries, call.faults) for of_job in calls.values() for call in of_job.values()} == {(1, 0)}
    finally:
        await database.aclose()
