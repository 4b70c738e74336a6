"""The HTTP calls of runs, files and batches, on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from app.batch.intake import HALF_DONE, IntakeLimits
from app.batch.jobs_file import JobLine
from app.database.database import Database
from tests.helpers import wait_until
from tests.web.batches import answer, asked, batch, content, created, fail, lines, run_of, uploaded
from tests.web.runs import ANNA, BERT, RUNS, RunsApplication, bearer, finish, form, runs_application_on, submitted

LIMITS = IntakeLimits(10_000_000, 50_000, 3_000_000)


@pytest.fixture
async def application(database: Database, tmp_path: Path) -> AsyncIterator[RunsApplication]:
    async with runs_application_on(database, tmp_path, keys=True, limits=LIMITS) as application:
        application.http.headers.update(bearer(ANNA))
        yield application


async def test_a_run_is_handed_in_followed_fetched_and_deleted(application: RunsApplication) -> None:
    odd = b'{"custom_id": "\\u0000", "topic": "a\\u0000b \xf0\x9f\x8c\x8d"}\n{"custom_id": "j1", "topic": 1e300}\n'
    run = await submitted(application, **form(lines=odd))
    path = f"{RUNS}/{run['id']}"
    assert (await application.http.post(f"{path}/pause")).json()["status"] == "paused"
    assert (await submitted(application, **form(lines=odd)))["id"] == run["id"]
    await finish(application, run["id"], 1, "=1 \0")
    await finish(application, run["id"], 0)
    await application.records.move(run["id"], ("queued",), "completed")
    shown = (await application.http.get(path)).json()
    assert (shown["status"], shown["jobs"]) == ("completed", {"total": 2, "done": 2, "failed": 0})
    assert [stage["tokens"] for stage in shown["stages"]] == [40, 40]
    found = [orjson.loads(line) for line in (await application.http.get(f"{path}/results")).content.splitlines()]
    assert [(line["custom_id"], line["stages"]["reply"]["text"]) for line in found] == [
        ("\ufffd", "yes"),
        ("j1", "=1 \ufffd"),
    ]
    table = list(csv.reader(io.StringIO((await application.http.get(f"{path}/results?format=csv")).text)))
    assert [row[-1] for row in table[1:]] == ["yes", "'=1 \ufffd"]
    assert (await application.http.get(f"{path}/report")).json()["stages"][0]["tokens_per_s"] == 10.0
    assert b"event: end" in (await application.http.get(f"{path}/events")).content
    assert (await application.http.get(path, headers=bearer(BERT))).status_code == 404
    assert (await application.http.delete(path)).status_code == 204
    assert (await application.http.get(RUNS)).json() == {"runs": []}


async def test_ids_that_are_one_in_the_database_are_refused(application: RunsApplication) -> None:
    same = '{"custom_id": "\\u0000", "topic": 1}\n{"custom_id": "\ufffd", "topic": 2}'.encode()
    refused = await application.http.post(RUNS, **form(lines=same))
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_line")
    assert "was on line 1 already" in refused.json()["error"]


async def test_a_file_is_its_bytes_and_counts_until_it_is_deleted(application: RunsApplication) -> None:
    sent = bytes(range(256)) * 7_000  # two parts
    file = await uploaded(application, sent)
    assert (await application.http.get(f"/v1/files/{file['id']}/content")).content == sent
    assert await application.intake.used("anna") == len(sent)
    full = await application.http.post("/v1/files", files={"file": ("b", sent)}, data={"purpose": "batch"})
    assert (full.status_code, full.json()["error"]["code"]) == (507, "quota_exceeded")
    assert (await application.http.delete(f"/v1/files/{file['id']}")).json()["deleted"]
    assert (await application.http.get("/v1/files")).json()["data"] == []
    assert await application.intake.used("anna") == 0


async def test_a_batch_comes_to_its_end(application: RunsApplication) -> None:
    keep = {"anchor": "created_at", "seconds": 3600}
    made = await created(application, lines(3), metadata={"night": "1\0"}, output_expires_after=keep)
    await application.keeper.step()
    run = await run_of(application, made["id"])
    for n in (2, 0):
        await answer(application, run, n)
    await fail(application, run, 1)
    await application.records.move(run, ("queued",), "completed")
    await application.keeper.step()
    done = await batch(application, made["id"])
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 3, "completed": 2, "failed": 1})
    assert (done["model"], done["metadata"]) == ("a:1b", {"night": "1\ufffd"})
    assert (done["usage"]["input_tokens"], done["usage"]["output_tokens"]) == (22, 10)
    answers = await content(application, done["output_file_id"])
    assert [(one["custom_id"], one["response"]["body"]["usage"]["prompt_tokens"]) for one in answers] == [
        ("r0", 11),
        ("r2", 11),
    ]
    assert [one["error"]["code"] for one in await content(application, done["error_file_id"])] == ["timeout"]
    assert [one["id"] for one in (await application.http.get("/v1/batches")).json()["data"]] == [made["id"]]
    application.later = HALF_DONE + timedelta(seconds=1)
    await application.keeper.clear()
    assert (await application.http.get(f"/v1/files/{done['output_file_id']}")).status_code == 404
    assert (await batch(application, made["id"]))["request_counts"]["completed"] == 2


async def test_batches_end_by_their_client_by_their_window_and_by_a_wrong_line(application: RunsApplication) -> None:
    late, ended = await created(application, lines(2), completion_window="1h"), await created(application, lines(2))
    wrong = await created(application, lines(1) + b"{}\n")
    await application.keeper.step()
    assert (await application.http.post(f"/v1/batches/{ended['id']}/cancel")).json()["status"] == "cancelling"
    application.later = timedelta(hours=1, seconds=1)
    await application.keeper.step()
    shown = [await batch(application, one["id"]) for one in (late, ended, wrong)]
    assert [one["status"] for one in shown] == ["expired", "cancelled", "failed"]
    assert shown[2]["errors"]["data"][0]["line"] == 2
    left = [[line["error"]["code"] for line in await content(application, one["error_file_id"])] for one in shown[:2]]
    assert left == [["batch_expired"] * 2, ["batch_cancelled"] * 2]
    retry = {"x-stainless-retry-count": "1"}
    again = await application.http.post("/v1/batches", json=asked(ended["input_file_id"]), headers=retry)
    assert again.json()["id"] != ended["id"]  # the first is too long ago


class SlowJobs:
    """Holds back the storing of jobs: ``began`` counts those who want to."""

    def __init__(self, application: RunsApplication, patch: pytest.MonkeyPatch) -> None:
        self.began = 0
        self.may = asyncio.Event()
        self._add = application.records.add_jobs
        patch.setattr(application.records, "add_jobs", self._slow)

    async def _slow(self, run: str, jobs: Sequence[JobLine]) -> None:
        self.began += 1
        await self.may.wait()
        await self._add(run, jobs)


async def test_a_client_that_leaves_while_its_run_is_stored_finds_it_by_handing_it_in_again(
    application: RunsApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowJobs(application, monkeypatch)
    leaving = asyncio.create_task(application.http.post(RUNS, **form()), name="a client that leaves")
    await wait_until(lambda: slow.began)
    (half,) = await application.records.runs()
    assert (half.status, half.jobs) == ("loading", 0)
    leaving.cancel()
    slow.may.set()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    kept = await application.records.run(half.id)
    assert (kept.status, kept.jobs) == ("queued", 3)
    again = await submitted(application)
    assert (again["id"], again["status"], again["jobs"]["total"]) == (half.id, "queued", 3)
    assert await _ids(application, half.id) == ["j0", "j1", "j2"]


async def test_who_hands_a_run_in_again_before_it_is_stored_gets_the_same_run(
    application: RunsApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowJobs(application, monkeypatch)
    leaving = asyncio.create_task(application.http.post(RUNS, **form()), name="a client that leaves")
    await wait_until(lambda: slow.began == 1)
    leaving.cancel()
    at_once = asyncio.create_task(submitted(application), name="the same client at once")
    await wait_until(lambda: slow.began == 2)
    slow.may.set()
    shown = await at_once
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert (shown["status"], shown["jobs"]["total"]) == ("queued", 3)
    assert await _ids(application, shown["id"]) == ["j0", "j1", "j2"]


async def _ids(application: RunsApplication, run: str) -> list[str]:
    """The jobs of the only run that there is."""
    assert [one.id for one in await application.records.runs()] == [run]
    assert list(application.folder.iterdir()) == []
    return [job.custom_id for job in await application.records.waiting(run, frozenset(), 9)]
