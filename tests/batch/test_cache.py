"""A run that asks for the cache: what was answered before is not asked again, and is marked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.batch.reading import figures_of
from app.batch.report import report_json
from app.batch.results import cells_of, header_of, openai_line, results
from app.batch.run_file import read_run
from app.database.database import migrate
from app.errors import InvalidInput
from tests.batch.process import chat, chats, runs_on, settings_of
from tests.whole.harness import ModelServer

STAGE = '[[stages]]\nname = "a"\nmodel = "m"\nprompt = "x"\n'


@pytest.mark.parametrize(("written", "read"), [("", False), ("cache = true\n", True), ('cache = "all"\n', "all")])
def test_the_run_file_says_what_may_come_from_the_cache(written: str, read: object) -> None:
    assert read_run(written + STAGE).cache == read


def test_anything_else_is_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidInput, match='cache: write true, or "all"'):
        read_run("cache = 1\n" + STAGE)


async def test_what_was_answered_before_is_not_asked_again(tmp_path: Path, redis_url: str) -> None:
    server = ModelServer(("granite:1b",), load_s=0.01, tokens_per_s=4000.0, answer_tokens=5)
    asked: list[str] = []
    machine: Any = server.running.machine
    answer = machine.answer

    async def noted(ask: Any, sink: Any) -> Any:
        asked.append(ask.prompt)
        return await answer(ask, sink)

    server.do(lambda: setattr(machine, "answer", noted))
    jobs = [
        {"custom_id": "seeded", **chat("granite:1b", "one", seed=7)},
        {"custom_id": "greedy", **chat("granite:1b", "two", temperature=0)},
        {"custom_id": "drawn", **chat("granite:1b", "three", temperature=1)},
    ]
    settings = settings_of(tmp_path, redis_url, server)
    await migrate(settings.database_url)
    try:
        async with runs_on(settings) as runs:
            first = await runs.work_off(chats(cache=True), jobs)
            made = len(asked)
            again = await runs.work_off(chats(cache=True, name="again"), jobs)
            uncached = await runs.work_off(chats(name="uncached"), jobs[:1])
            lines, before = await runs.lines(again), await runs.lines(first)
            figures = await figures_of(runs.process.database, runs.process.batch.records, again.id)
            rows = [result async for result in results(runs.process.database, again)]
    finally:
        await asyncio.to_thread(server.close)
    assert (first.jobs_done, again.jobs_done, uncached.jobs_done) == (3, 3, 1)
    assert len(asked) == made + 2  # the drawn one, and that of the run without the cache
    assert [line["stages"]["chat"].get("cached", False) for line in lines] == [True, True, False]
    assert [line["stages"]["chat"].get("cached", False) for line in before] == [False] * 3
    assert lines[0]["stages"]["chat"] == before[0]["stages"]["chat"] | {"cached": True}
    stage = report_json(figures)["stages"][0]
    assert (stage["done"], stage["cached"]) == (3, 2)
    assert stage["tokens"] == rows[2].calls[0, 0].tokens > 0
    assert stage["prompt_tokens"] == rows[2].calls[0, 0].prompt_tokens > 0
    assert all(openai_line(again, row)["response"]["body"]["usage"]["prompt_tokens"] > 0 for row in rows)
    assert len(figures.slowest) == 1  # what was not written took no time
    assert [openai_line(again, row)["response"]["body"].get("cached", False) for row in rows] == [True, True, False]
    table = dict(zip(header_of(again.spec), cells_of(again.spec, rows[0]), strict=True))
    assert table["cached"] == "chat"
    assert "cached" not in header_of(replace(again.spec, cache=False))
