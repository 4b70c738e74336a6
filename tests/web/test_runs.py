"""Batch runs over HTTP: how they come in, whose they are, how they are followed and fetched."""

from __future__ import annotations

import csv
import io
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.batch.call import CallKey
from app.batch.intake import IntakeLimits
from app.batch.jobs_file import LONGEST_LINE
from app.batch.run_file import read_run
from app.batch.runs import CallChange, Changes, JobChange, NewRun
from app.batch.spool import Spool
from app.batch.submission import CheckedRun
from app.errors import StorageFull
from app.records.batch_tables import batch_runs
from app.web.api.run_events import progress
from app.web.connection_limits import ConnectionLimits
from tests.web.runs import (
    ADMIN,
    ANNA,
    BERT,
    RUN,
    RUNS,
    RunsApplication,
    bearer,
    finish,
    form,
    jobs,
    migrated,
    runs_application,
    submitted,
)

OPENAI_LINE = {
    "custom_id": "one",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "a:1b", "messages": [{"role": "user", "content": "Why?"}]},
}


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("migrated"))


@pytest.fixture
async def application(template: Path, tmp_path: Path) -> AsyncIterator[RunsApplication]:
    async with runs_application(template, tmp_path) as application:
        yield application


@pytest.fixture
async def keyed(template: Path, tmp_path: Path) -> AsyncIterator[RunsApplication]:
    async with runs_application(template, tmp_path, keys=True) as application:
        yield application


async def test_a_form_becomes_a_run_and_the_same_form_the_same_run(application: RunsApplication) -> None:
    first, second = await submitted(application), await submitted(application)
    assert first["id"] == second["id"]
    assert (first["status"], first["name"], first["owner"]) == ("queued", "debate", None)
    assert first["jobs"] == {"total": 3, "done": 0, "failed": 0}
    assert [stage["calls"] for stage in first["stages"]] == [3, 3]
    listed = (await application.http.get(RUNS)).json()["runs"]
    assert [run["id"] for run in listed] == [first["id"]]
    assert (await application.http.get(first["results"])).content == b""


async def test_a_small_run_is_one_json_object_and_the_same_run_as_its_form(application: RunsApplication) -> None:
    body = {"run": RUN, "jobs": [orjson.loads(line) for line in jobs(3).splitlines()], "between": "22:00-07:00"}
    sent = await application.http.post(RUNS, json=body)
    assert sent.status_code == 201
    assert sent.json()["between"] == "22:00-07:00"
    assert sent.json()["id"] == (await submitted(application))["id"]
    table = {"stages": [{"name": "draft", "model": "a:1b", "prompt": "Argue for {{ topic }}."}]}
    assert (await application.http.post(RUNS, json={**body, "run": table})).json()["stages"][0]["name"] == "draft"


async def test_lines_of_openais_batch_api_are_a_run_by_themselves(application: RunsApplication) -> None:
    run = await submitted(application, **form(None, orjson.dumps(OPENAI_LINE)))
    assert (run["name"], run["jobs"]["total"], run["stages"][0]["name"]) == ("jobs", 1, "chat")
    plan = await application.http.post(f"{RUNS}/check", **form(None, orjson.dumps(OPENAI_LINE)))
    assert (plan.json()["run_id"], plan.json()["calls"], plan.json()["time"]) == (run["id"], 1, None)


async def test_a_check_stores_nothing_and_names_the_model_that_no_host_has(application: RunsApplication) -> None:
    refused = await application.http.post(f"{RUNS}/check", **form())
    assert refused.status_code == 400
    assert "no host has a:1b" in refused.json()["error"]
    assert (await application.http.get(RUNS)).json() == {"runs": []}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (form(None), "run is required"),
        (form("stages = 3"), "stages"),
        (form('[[stages]]\nname = "x"\nmodel = "a"\nprompt = "{{ nothing }}"'), "the field 'nothing' is missing"),
        (form(lines=b'{"custom_id": "a", "topic": 1}\n{"custom_id": "a", "topic": 2}'), "line 2: custom_id 'a'"),
        (form(lines=b"no json"), "line 1: that is no JSON"),
        (form(lines=b""), "there is no job"),
        (form(path="/etc/passwd"), "'path' is no part of this form"),
        (form(between="late"), "between: 'late'"),
        (form(max_failures="many"), "max_failures"),
        ({"json": {"jobs": [{"custom_id": "a"}], "ruN": "x"}}, "did you mean run?"),
        ({"json": {"run": RUN, "jobs": []}}, "jobs"),
        (
            {"content": b"--x\r\nnothing", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            "the form ends in the middle",
        ),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, "boundary"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_stored(
    application: RunsApplication, sent: dict[str, Any], said: str
) -> None:
    refused = await application.http.post(RUNS, **sent)
    assert refused.status_code == 400
    assert said in refused.json()["error"]
    assert await application.records.runs() == []


async def test_a_run_is_its_owners_and_those_who_run_the_arena_see_all(keyed: RunsApplication) -> None:
    mine = await submitted(keyed, headers=bearer(ANNA))
    theirs = await submitted(keyed, headers=bearer(ADMIN))
    assert (mine["owner"], theirs["owner"]) == ("anna", None)
    assert mine["id"] != theirs["id"]
    for headers, seen in ((bearer(ANNA), [mine]), (bearer(BERT), []), (bearer(ADMIN), [mine, theirs])):
        listed = (await keyed.http.get(RUNS, headers=headers)).json()["runs"]
        assert sorted(run["id"] for run in listed) == sorted(run["id"] for run in seen)
    calls = [("GET", end) for end in ("", "/events", "/results", "/report")]
    calls += [("POST", f"/{verb}") for verb in ("pause", "resume", "cancel", "retry")] + [("DELETE", "")]
    for headers in (bearer(BERT), bearer("a-key-that-nobody-has-set"), {}):
        for verb, end in calls:
            refused = await keyed.http.request(verb, f"{RUNS}/{mine['id']}{end}", headers=headers)
            assert refused.status_code == 404
            assert refused.json()["error"] == f"there is no run '{mine['id']}'; GET /api/arena/runs lists yours"
    assert (await keyed.http.get(f"{RUNS}/{theirs['id']}", headers=bearer(ANNA))).status_code == 404
    assert (await keyed.http.get(f"{RUNS}/{mine['id']}", headers=bearer(ADMIN))).status_code == 200
    for headers in (bearer("a-key-that-nobody-has-set"), {}):
        assert (await keyed.http.get(RUNS, headers=headers)).status_code == 403
        assert (await keyed.http.post(RUNS, **form(), headers=headers)).status_code == 403


async def test_without_keys_only_the_machine_itself_may(application: RunsApplication) -> None:
    run = await submitted(application)
    forwarded = {"X-Forwarded-For": "10.0.0.1"}
    assert (await application.http.get(RUNS, headers=forwarded)).status_code == 403
    assert (await application.http.get(f"{RUNS}/{run['id']}", headers=forwarded)).status_code == 404
    assert (await application.http.post(RUNS, **form(), headers=forwarded)).status_code == 403


async def test_a_key_named_admin_runs_nothing(template: Path, tmp_path: Path) -> None:
    async with runs_application(template, tmp_path, keys=True) as application:
        from app.settings.api_keys import parse_keys

        application.app.state.services.api_keys = parse_keys([f"admin:{ANNA}", f"local:{BERT}"])
        run = await submitted(application, headers=bearer(ADMIN))
        for key in (ANNA, BERT):
            assert (await application.http.get(f"{RUNS}/{run['id']}", headers=bearer(key))).status_code == 404


async def test_limits_of_an_upload(template: Path, tmp_path: Path) -> None:
    async with runs_application(template, tmp_path, limits=IntakeLimits(2_000, 10, 10_000)) as application:
        refused = await application.http.post(RUNS, **form(lines=jobs(3000)))
        assert (refused.status_code, refused.json()["code"]) == (413, "too_large")
        again = await application.http.post(RUNS, **_unannounced(jobs(300)))
        assert (again.status_code, again.json()["code"]) == (413, "too_large")
        json = await application.http.post(RUNS, json={"run": "x" * 1_000_001, "jobs": [{}]})
        assert json.status_code == 413
        assert await application.records.runs() == []
        assert list(application.folder.iterdir()) == []


def _unannounced(lines: bytes, run: str = "", key: str = "") -> dict[str, Any]:
    async def pieces() -> AsyncIterator[bytes]:
        if run:
            yield b'--x\r\nContent-Disposition: form-data; name="run"\r\n\r\n' + run.encode() + b"\r\n"
        yield b'--x\r\nContent-Disposition: form-data; name="jobs"; filename="jobs.jsonl"\r\n\r\n'
        for place in range(0, len(lines), 1000):
            yield lines[place : place + 1000]
        yield b"\r\n--x--\r\n"

    return {"content": pieces(), "headers": {"Content-Type": "multipart/form-data; boundary=x", **bearer(key)}}


async def test_a_key_has_a_quota_that_deleting_frees(template: Path, tmp_path: Path) -> None:
    async with runs_application(template, tmp_path, keys=True, limits=IntakeLimits(100_000, 10, 6_000)) as application:
        run = await submitted(application, **form(lines=jobs(100)), headers=bearer(ANNA))
        refused = await application.http.post(RUNS, **form(lines=jobs(110)), headers=bearer(ANNA))
        assert (refused.status_code, refused.json()["code"]) == (507, "quota_exceeded")
        assert "4,010 of 6,000 bytes left" in refused.json()["error"]
        assert (await application.http.post(RUNS, **form(lines=jobs(110)), headers=bearer(BERT))).status_code == 201
        assert (await application.http.post(RUNS, **form(lines=jobs(110)), headers=bearer(ADMIN))).status_code == 201
        going_on = await application.http.delete(f"{RUNS}/{run['id']}", headers=bearer(ANNA))
        assert (going_on.status_code, going_on.json()["code"]) == (409, "still_running")
        await application.http.post(f"{RUNS}/{run['id']}/cancel", headers=bearer(ANNA))
        assert (await application.http.delete(f"{RUNS}/{run['id']}", headers=bearer(ANNA))).status_code == 204
        assert (await application.http.get(f"{RUNS}/{run['id']}", headers=bearer(ANNA))).status_code == 404
        assert (await application.http.post(RUNS, **form(lines=jobs(110)), headers=bearer(ANNA))).status_code == 201


async def test_an_upload_of_unknown_length_takes_of_the_quota_what_has_come(template: Path, tmp_path: Path) -> None:
    async with runs_application(
        template, tmp_path, keys=True, limits=IntakeLimits(200_000_000, 10, 6_000)
    ) as application:
        sent = await application.http.post(RUNS, **_unannounced(jobs(100), RUN, ANNA))
        assert (sent.status_code, sent.json()["owner"]) == (201, "anna")
        for _ in range(2):
            refused = await application.http.post(RUNS, **_unannounced(jobs(120), RUN, ANNA))
            assert (refused.status_code, refused.json()["code"]) == (507, "quota_exceeded")
            assert refused.json()["error"].startswith("this key has 4,010 of 6,000 bytes left; delete runs and files")
        assert (await application.http.post(RUNS, **_unannounced(jobs(90), RUN, ANNA))).status_code == 201
        assert list(application.folder.iterdir()) == []


async def test_uploads_of_one_key_share_what_it_has_left(template: Path, tmp_path: Path) -> None:
    async with runs_application(template, tmp_path, keys=True, limits=IntakeLimits(100_000, 10, 6_000)) as application:
        async with application.intake.upload("anna") as one:
            await one.write(b"x" * 4_000)
            await one.flush()
            async with application.intake.upload("anna", 1_000) as two:
                await two.write(b"x" * 2_001)
                with pytest.raises(StorageFull, match="2,000 of 6,000 bytes left"):
                    await two.flush()
        async with application.intake.upload("anna", 6_000) as three:
            await three.write(b"x" * 6_000)
            await three.flush()


async def test_a_client_that_breaks_off_leaves_nothing_behind(application: RunsApplication) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="jobs"\r\n\r\n'
    came = iter([{"type": "http.request", "body": head + jobs(1000), "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(came)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await application.app(_scope(), receive, send)
    assert sent[0]["status"] == 400
    assert await application.records.runs() == []
    assert list(application.folder.iterdir()) == []
    for _ in range(5):  # the places of uploads were given back
        await submitted(application)


def _scope() -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"multipart/form-data; boundary=x")]
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": RUNS,
        "raw_path": RUNS.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [*headers, (b"transfer-encoding", b"chunked")],
        "client": ("127.0.0.1", 9),
        "server": ("127.0.0.1", 80),
    }


async def test_pause_resume_cancel_and_what_a_state_does_not_allow(application: RunsApplication) -> None:
    run = await submitted(application)

    async def post(verb: str) -> tuple[int, str]:
        reply = await application.http.post(f"{RUNS}/{run['id']}/{verb}")
        return reply.status_code, reply.json().get("status") or reply.json()["error"]

    assert await post("pause") == (200, "paused")
    assert await post("pause") == (200, "paused")
    assert await post("resume") == (200, "queued")
    assert await post("cancel") == (200, "cancelled")
    assert await post("pause") == (409, "the run is cancelled: it can't be paused")
    assert await post("resume") == (200, "queued")
    for n in range(3):
        await finish(application, run["id"], n)
    await application.records.move(run["id"], ("queued",), "completed")
    assert await post("resume") == (409, "the run is completed: it can't be resumed")
    assert await post("cancel") == (409, "the run is completed: it can't be cancelled")


async def test_a_run_that_was_cancelled_while_it_was_handed_in_is_handed_in_again_and_never_goes_on_without_its_jobs(
    application: RunsApplication,
) -> None:
    checked = CheckedRun(read_run(RUN), 3, b"", 0)
    begun = await application.records.begin(NewRun(checked.run_id(), checked.spec))
    assert begun.status == "loading"
    assert (await application.http.delete(f"{RUNS}/{begun.id}")).status_code == 409
    assert (await application.http.post(f"{RUNS}/{begun.id}/cancel")).json()["status"] == "cancelled"
    refused = await application.http.post(f"{RUNS}/{begun.id}/resume")
    assert (refused.status_code, "hand it in again" in refused.json()["error"]) == (409, True)
    run = (await submitted(application))["id"]
    change = batch_runs.update().where(batch_runs.c.id == run).values(status="cancelled", jobs=0)
    await application.database.transaction(lambda connection: connection.execute(change))
    again = await submitted(application)
    assert (again["id"], again["status"], again["jobs"]["total"]) == (run, "queued", 3)


async def test_failed_jobs_are_retried_alone(application: RunsApplication) -> None:
    run = (await submitted(application))["id"]
    await finish(application, run, 0)
    change = CallChange(CallKey(1, 0, 0), "failed", 3, 3, "timeout", "no answer", judged=False)
    await application.records.apply(run, Changes([change], [JobChange(1, "failed", 0, "timeout", "no answer")]))
    reply = (await application.http.post(f"{RUNS}/{run}/retry")).json()
    assert (reply["retried"], reply["jobs"]) == (1, {"total": 3, "done": 1, "failed": 0})


async def test_results_of_a_run_that_goes_on_come_in_order(application: RunsApplication) -> None:
    run = (await submitted(application))["id"]
    for n in (2, 0):
        await finish(application, run, n, "=yes")
    reply = await application.http.get(f"{RUNS}/{run}/results")
    assert reply.headers["content-type"] == "application/x-ndjson"
    lines = [orjson.loads(line) for line in reply.content.splitlines()]
    assert [line["custom_id"] for line in lines] == ["j0", "j2"]
    table = await application.http.get(f"{RUNS}/{run}/results", params={"format": "csv"})
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(table.text)))
    assert [row[0] for row in rows] == ["custom_id", "j0", "j2"]
    assert rows[1][-1] == "'=yes"
    assert (await application.http.get(f"{RUNS}/{run}/results", params={"format": "xml"})).status_code == 400


async def test_a_report_is_there_while_the_run_goes_on(application: RunsApplication) -> None:
    run = (await submitted(application))["id"]
    await finish(application, run, 0)
    report = (await application.http.get(f"{RUNS}/{run}/report")).json()
    assert (report["status"], report["jobs"]["done"]) == ("queued", 1)
    words = await application.http.get(f"{RUNS}/{run}/report", params={"format": "markdown"})
    assert words.text.startswith("# debate\n")


def parsed(frame: bytes) -> tuple[str, str, dict[str, Any]]:
    lines = dict(line.split(": ", 1) for line in frame.decode().strip().splitlines())
    return lines["id"], lines["event"], orjson.loads(lines["data"])


async def test_progress_is_told_when_something_changes_and_resumed_at_an_event(application: RunsApplication) -> None:
    run = (await submitted(application))["id"]
    stream = progress(application.records, run, "", every_s=0)
    first, event, data = parsed(await anext(stream))
    assert (event, data["status"], data["jobs"]["done"]) == ("progress", "queued", 0)
    await finish(application, run, 0)
    _, event, data = parsed(await anext(stream))
    assert (event, data["jobs"]["done"]) == ("progress", 1)
    await application.records.move(run, ("queued",), "completed")
    last, event, data = parsed(await anext(stream))
    assert (event, data["status"]) == ("end", "completed")
    assert [frame async for frame in stream] == []
    resumed = await application.http.get(f"{RUNS}/{run}/events", headers={"Last-Event-ID": first})
    assert parsed(resumed.content)[:2] == (last, "end")
    over = await application.http.get(f"{RUNS}/{run}/events", headers={"Last-Event-ID": last})
    assert over.status_code == 204


async def test_a_run_that_is_deleted_ends_its_streams(application: RunsApplication) -> None:
    run = (await submitted(application))["id"]
    stream = progress(application.records, run, "", every_s=0)
    await anext(stream)
    await application.http.post(f"{RUNS}/{run}/cancel")
    await application.http.delete(f"{RUNS}/{run}")
    assert [frame async for frame in stream] == []


def test_a_large_upload_has_as_much_time_as_its_size_takes_and_no_pause_is_longer() -> None:
    limits = ConnectionLimits()
    assert limits.body_until(0.0, 1000.0, 100_000_000, streamed=True) == 1000.0 + limits.body_s
    assert limits.body_until(0.0, 1000.0, 100_000_000) == limits.body_bytes / limits.body_rate + limits.body_s
    assert limits.body_until(0.0, 1000.0, 8 * 1024, streamed=True) == 1.0 + limits.body_s


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_an_upload_is_on_the_disk_and_never_whole_in_memory(tmp_path: Path) -> None:
    piece = b"x" * 65_536
    async with await Spool.open(tmp_path, 40_000_000, 10) as spool:
        tracemalloc.start()
        for _ in range(400):
            await spool.write(piece)
        await spool.flush()
        longest = max(len(line) for line in spool.read())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert spool.size == 400 * 65_536
    assert longest == LONGEST_LINE + 1
    assert peak < 6_000_000
    assert files_in(tmp_path) == []


async def test_a_full_disk_is_said_and_not_a_fault(tmp_path: Path) -> None:
    class Full(io.BytesIO):
        def write(self, _: object) -> int:
            raise OSError(28, "No space left on device")

    spool = Spool(Full(), 10_000_000, 10)
    with pytest.raises(StorageFull, match="operator has to make room"):
        await spool.write(b"x" * 1_000_000)
