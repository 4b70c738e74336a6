"""What a run does while something that it needs is not there: it waits or goes on elsewhere, and says so."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.batch.reading import figures_of
from app.batch.report import report_json, report_markdown
from app.batch.runs import Run
from app.database.database import migrate
from tests.batch.process import Runs, chat, chats, runs_on, settings_of
from tests.helpers import wait_until
from tests.records.postgres_server import PostgresServer
from tests.whole.harness import ModelServer

DEAD = {"connection_refused": True, "tcp_reset": "request"}
"""Nobody answers, on kept connections neither."""
GRANITE, BASALT = "granite:1b", "basalt:1b"


@contextmanager
def server(made: Counter[str], *models: str) -> Iterator[ModelServer]:
    """A model server that notes each call that it answers to its end."""
    found = ModelServer(models or (GRANITE,), load_s=0.01, tokens_per_s=200.0, answer_tokens=20, num_parallel=2)
    machine: Any = found.running.machine
    answer = machine.answer

    async def noted(ask: Any, sink: Any) -> Any:
        result = await answer(ask, sink)
        made[ask.prompt] += 1
        return result

    found.do(lambda: setattr(machine, "answer", noted))
    try:
        yield found
    finally:
        found.close()


def jobs(count: int, *models: str) -> list[dict[str, Any]]:
    names = models or (GRANITE,)
    return [{"custom_id": f"j{n}", **chat(names[n % len(names)], f"question {n}", seed=n)} for n in range(count)]


async def waits_of(runs: Runs, run: Run) -> list[str]:
    """What the run waited for, as the report has it; all of it is over."""
    figures = await figures_of(runs.process.database, runs.process.batch.records, run.id)
    waits = report_json(figures)["waits"]
    assert all(wait["seconds"] is not None for wait in waits)
    text = report_markdown(figures)
    assert all(wait["why"] in text for wait in waits)
    return [wait["why"] for wait in waits]


async def note_of(runs: Runs, run: str, words: str) -> bool:
    return words in str((await runs.status(run))["note"])


def calls_of(made: Counter[str]) -> dict[str, int]:
    return {prompt: count for prompt, count in made.items() if "question" in prompt}


async def test_a_run_waits_for_a_database_that_is_away(
    tmp_path: Path, redis_url: str, postgres: PostgresServer
) -> None:
    made: Counter[str] = Counter()
    url = postgres.url(await asyncio.to_thread(postgres.create))
    await migrate(url)
    with server(made) as host:
        async with runs_on(settings_of(tmp_path, redis_url, host, database_url=url)) as runs:
            run = await runs.begin(chats(), jobs(12))
            await wait_until(lambda: len(calls_of(made)) >= 3)
            await asyncio.to_thread(postgres.kill)
            await wait_until(lambda: runs.is_waiting(run))
            await wait_until(lambda: host.busy == 0)  # what was begun is written to its end
            await asyncio.to_thread(postgres.start)
            ended = await runs.end(run)
            assert (ended.status, ended.jobs_done) == ("completed", 12)
            assert "waits: the database was unavailable" in await waits_of(runs, ended)
    assert set(calls_of(made).values()) == {1}


async def test_a_run_waits_until_a_full_disk_has_room(tmp_path: Path, redis_url: str) -> None:
    made: Counter[str] = Counter()
    with server(made) as host:
        settings = settings_of(tmp_path, redis_url, host)
        await migrate(settings.database_url)
        async with runs_on(settings) as runs:
            await runs.process.database.autocommit(lambda c: c.exec_driver_sql("VACUUM"))  # migrations leave free pages
            run = await runs.begin(chats(), jobs(40))
            await wait_until(lambda: len(calls_of(made)) >= 2)
            await limit_pages(runs, 1)
            await wait_until(lambda: runs.is_waiting(run))
            done = (await runs.status(run))["jobs"]["done"]
            await limit_pages(runs, 1_000_000)
            ended = await runs.end(run)
            assert done < 40
            assert (ended.status, ended.jobs_done) == ("completed", 40)
            waits = await waits_of(runs, ended)
            assert waits
            assert all("the database took no writes (full)" in wait for wait in waits)
    assert set(calls_of(made).values()) == {1}


async def limit_pages(runs: Runs, pages: int) -> None:
    """How large the database may be; at least it keeps what it has. The limit is the connection's, and one writes."""
    await runs.process.database.autocommit(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}"))


async def test_a_run_goes_on_elsewhere_or_waits_and_says_so(tmp_path: Path, redis_url: str) -> None:
    made: Counter[str] = Counter()
    with server(made, GRANITE, BASALT) as one, server(made) as two:
        settings = settings_of(tmp_path, redis_url, one, two, arena_probe=timedelta(seconds=0.3))
        await migrate(settings.database_url)
        async with runs_on(settings) as runs:
            run = await runs.begin(chats(), jobs(80, GRANITE, BASALT))
            await wait_until(lambda: len(calls_of(made)) >= 4)
            two.set(**DEAD)
            await wait_until(lambda: note_of(runs, run, "goes on without h1: down"))
            with one.without(BASALT):  # deleted half way
                await wait_until(lambda: note_of(runs, run, f"waits: no host that works has {BASALT}"))
            one.set(**DEAD)
            await wait_until(lambda: note_of(runs, run, "waits: no host works now"))
            two.clear()
            one.clear()
            ended = await runs.end(run)
            assert (ended.status, ended.jobs_done, ended.jobs_failed) == ("completed", 80, 0)
            waits = await waits_of(runs, ended)
    expected = ["goes on without h1: down", f"waits: no host that works has {BASALT}; pull it, or start its host"]
    assert {*expected, "waits: no host works now"} <= set(waits)
