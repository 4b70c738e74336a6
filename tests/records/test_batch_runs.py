"""Runs in SQL, on both databases: stored once, judged once, counted once."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.arena.states import AnswerState
from app.backends.base import GenerationRequest
from app.batch.call import BatchCall, CallKey
from app.batch.reading import figures_of
from app.batch.report import report_json, report_markdown
from app.batch.results import written
from app.batch.runs import CallChange, Changes, JobChange, LoadSeen, Run, RunRecords
from app.batch.submission import CheckedRun, Limits, hand_in
from app.cli.batch_report import write_report
from app.database.database import Database
from app.errors import NotFound
from app.legible import harmless
from app.timing.stopwatch import Timing
from tests.batch.builders import chain

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SPEC = chain("a", "b")


@pytest.fixture
async def database(url: str) -> Any:
    database = Database(url)
    yield database
    await database.aclose()


@pytest.fixture
def records(database: Database) -> RunRecords:
    return RunRecords(database, lambda: NOW)


def lines(count: int) -> list[bytes]:
    return [orjson.dumps({"custom_id": f"j{n}", "topic": n}) for n in range(count)]


async def handed_in(records: RunRecords, count: int = 3, **limits: Any) -> Run:
    checked = CheckedRun(SPEC, count, digest_of(lines(count)), 100)
    return await hand_in(records, checked, lines(count), Limits(**limits), foreground=False)


def digest_of(given: Iterable[bytes]) -> bytes:
    from app.batch.jobs_file import JobLines

    reader = JobLines(chat=False)
    list(reader.read(given))
    return reader.digest


def call(run: Run, n: int = 0, stage: int = 0, tries: int = 0) -> BatchCall:
    return BatchCall(run.id, n, stage, 0, tries, GenerationRequest("a", ()))


def answer(text: str = "yes", finish: str = "stop") -> AnswerState:
    timing = Timing(queue_s=1.0, load_s=0.5, decode_s=2.0, total_s=4.0, tokens=20, prompt_tokens=7)
    error = {"code": "timeout", "message": "m"} if finish == "error" else None
    return AnswerState(1, "done", 1, finish, error, timing, "h", False, text)


async def finish(records: RunRecords, run: Run, n: int, text: str = "yes") -> None:
    for stage in (0, 1):
        await records.store_answer(call(run, n, stage), answer(text), "d")
        await records.apply(run.id, Changes([CallChange(CallKey(n, stage, 0), "done")]))
    await records.apply(run.id, Changes((), [JobChange(n, "done")], timedelta(seconds=5)))


async def fail(records: RunRecords, run: Run, n: int) -> None:
    await records.store_answer(call(run, n), answer("", "error"), "")
    change = CallChange(CallKey(n, 0, 0), "failed", 3, 3, "timeout", "no answer")
    await records.apply(run.id, Changes([change], [JobChange(n, "failed", 0, "timeout", "no answer")]))


async def test_a_run_that_is_handed_in_twice_is_one_run(records: RunRecords) -> None:
    first, second = await handed_in(records), await handed_in(records)
    assert (first.id, first.jobs, first.status) == (second.id, 3, "queued")
    assert [run.id for run in await records.runs()] == [first.id]
    assert (await handed_in(records, 4)).id != first.id


async def test_jobs_come_in_order_with_their_calls_and_without_those_in_flight(records: RunRecords) -> None:
    run = await handed_in(records)
    await records.store_answer(call(run, 1), answer(), "d")
    jobs = await records.waiting(run.id, frozenset({0}), 5)
    assert [(job.n, job.custom_id, dict(job.fields)) for job in jobs] == [
        (1, "j1", {"topic": 1}),
        (2, "j2", {"topic": 2}),
    ]
    assert jobs[0].calls[0, 0].status == "answered"
    assert jobs[1].calls == {}


async def test_an_answer_is_stored_once_and_never_asked_for_again(records: RunRecords) -> None:
    run = await handed_in(records)
    assert await records.wants(run.id, CallKey(0, 0, 0), 0)
    stored = await asyncio.gather(*(records.store_answer(call(run), answer(text), "d") for text in ("one", "two")))
    assert sorted(stored) == [False, True]
    assert not await records.wants(run.id, CallKey(0, 0, 0), 0)
    await records.apply(run.id, Changes([CallChange(CallKey(0, 0, 0), "open", 1, 1, "invalid_output", "why")]))
    assert await records.wants(run.id, CallKey(0, 0, 0), 1)
    assert not await records.store_answer(call(run), answer("late"), "d")
    assert await records.store_answer(call(run, tries=1), answer("three"), "d")
    found = (await records.calls(run.id, [0]))[0][0, 0]
    assert (found.text, found.tries, found.faults) == ("three", 1, 1)


async def test_every_end_is_counted_once(records: RunRecords) -> None:
    run = await handed_in(records)
    await finish(records, run, 0)
    await records.apply(run.id, Changes([CallChange(CallKey(0, 0, 0), "done")], [JobChange(0, "done")]))
    sums = await records.sums(run.id)
    assert [(stage.done, stage.tokens, stage.prompt_tokens, stage.work_s) for stage in sums] == [(1, 20, 7, 2.5)] * 2
    assert (await records.run(run.id)).jobs_done == 1


async def test_a_run_that_does_not_go_on_wants_nothing(records: RunRecords) -> None:
    run = await handed_in(records)
    assert await records.move(run.id, ("queued",), "paused")
    assert not await records.wants(run.id, CallKey(0, 0, 0), 0)
    assert not await records.wants("nobody", CallKey(0, 0, 0), 0)
    await records.go_on(run.id, foreground=True, between="22:00-07:00", max_failures=None)
    again = await records.run(run.id)
    assert (again.status, again.between, again.foreground) == ("queued", "22:00-07:00", True)
    with pytest.raises(NotFound):
        await records.run("nobody")


async def test_only_what_failed_is_done_again(records: RunRecords) -> None:
    run = await handed_in(records)
    await finish(records, run, 0)
    await fail(records, run, 1)
    await records.move(run.id, ("queued",), "completed")
    assert await records.commonest_error(run.id) == "timeout"
    assert await records.retry_failed(run.id) == 1
    again = await records.run(run.id)
    assert (again.status, again.jobs_done, again.jobs_failed) == ("queued", 1, 0)
    assert [job.n for job in await records.waiting(run.id, frozenset(), 9)] == [1, 2]
    assert [job.n for job in await records.waiting(run.id, frozenset(), 9) if job.calls] == []
    assert await records.retry_failed(run.id) == 0


async def lines_of(database: Database, run: Run, form: Any) -> bytes:
    return b"".join([piece async for piece in written(database, run, form)])


async def test_results_come_in_order_also_while_a_run_goes_on(database: Database, records: RunRecords) -> None:
    run = await handed_in(records, 4)
    await finish(records, run, 2, "=HYPERLINK(1)")
    await fail(records, run, 1)
    found = [orjson.loads(line) for line in (await lines_of(database, run, "jsonl")).splitlines()]
    assert [line["custom_id"] for line in found] == ["j1", "j2"]
    assert found[0]["error"] == {"stage": "s0", "code": "timeout", "message": "no answer"}
    assert found[1]["stages"]["s1"] == {"model": "a", "text": "=HYPERLINK(1)", "finish_reason": "stop"}
    rows = list(csv.reader(io.StringIO((await lines_of(database, run, "csv")).decode())))
    assert rows[0] == ["custom_id", "status", "error_stage", "error_code", "error", "s0", "s1"]
    assert rows[2] == ["j2", "done", "", "", "", "'=HYPERLINK(1)", "'=HYPERLINK(1)"]
    openai = [orjson.loads(line) for line in (await lines_of(database, run, "openai")).splitlines()]
    assert openai[0]["error"]["code"] == "timeout"
    assert openai[1]["response"]["body"]["choices"][0]["message"]["content"] == "=HYPERLINK(1)"


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\uff1d1", "plain"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert harmless(cell) == (cell if cell == "plain" else f"'{cell}")


async def test_the_report_says_what_it_took(database: Database, records: RunRecords, tmp_path: Path) -> None:
    run = await handed_in(records)
    await records.move(run.id, ("queued",), "running")
    await finish(records, run, 0)
    await fail(records, run, 1)
    load = LoadSeen("h", NOW.timestamp() + 1, "a", 1.5, 0)
    await records.add_load(run.id, load)
    await records.add_load(run.id, load)
    figures = await figures_of(database, records, run.id)
    report = report_json(figures)
    assert report["jobs_per_min"] == 24.0
    assert report["stages"][0]["tokens_per_s"] == 10.0
    assert report["stages"][0]["prompt_tokens"] == 14
    assert report["loads"]["count"] == 1
    assert report["loads"]["share"] == 0.3
    assert report["failures"] == {"timeout": 1}
    assert report["slowest_jobs"][0] == {"custom_id": "j0", "seconds": 5.0}
    assert "| s0 | a | 1 | 1 | 0 | 0 | 14 | 40 | 10.0 |" in report_markdown(figures)
    names = [file.name for file in write_report(figures, tmp_path / "new" / "report")]
    assert names == ["report.md", "report.json", "progress.png"]
    assert (tmp_path / "new" / "report" / "progress.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "new" / "report" / "report.json").read_bytes().startswith(b"{")
