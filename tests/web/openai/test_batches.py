"""/v1/files and /v1/batches: uploads, validation, states, outputs, whose they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.batch.intake import IntakeLimits
from tests.web.batches import answer, asked, batch, content, created, fail, line, lines, run_of, uploaded
from tests.web.runs import ADMIN, ANNA, BERT, RunsApplication, bearer, migrated, runs_application


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("migrated"))


@pytest.fixture
async def application(template: Path, tmp_path: Path) -> AsyncIterator[RunsApplication]:
    async with runs_application(template, tmp_path, keys=True) as application:
        application.http.headers.update(bearer(ANNA))
        yield application


async def test_a_file_is_kept_as_it_was_sent_until_it_is_deleted(application: RunsApplication) -> None:
    sent = lines(9000)  # more than one part
    file = await uploaded(application, sent)
    assert (file["object"], file["bytes"], file["filename"], file["purpose"]) == (
        "file",
        len(sent),
        "in.jsonl",
        "batch",
    )
    assert (await application.http.get(f"/v1/files/{file['id']}")).json() == file
    assert (await application.http.get(f"/v1/files/{file['id']}/content")).content == sent
    deleted = await application.http.delete(f"/v1/files/{file['id']}")
    assert deleted.json() == {"id": file["id"], "object": "file", "deleted": True}
    assert (await application.http.get(f"/v1/files/{file['id']}")).status_code == 404


async def test_a_batch_becomes_a_run_and_its_run_two_files(application: RunsApplication) -> None:
    made = await created(application, lines(3), metadata={"night": "1"})
    assert (made["status"], made["request_counts"]) == ("validating", {"total": 0, "completed": 0, "failed": 0})
    assert (made["metadata"], made["completion_window"]) == ({"night": "1"}, "24h")
    assert made["expires_at"] - made["created_at"] == 86400
    assert (made["model"], made["usage"]) == (None, None)
    await application.keeper.step()
    now = await batch(application, made["id"])
    assert (now["status"], now["request_counts"]["total"]) == ("in_progress", 3)
    run = await run_of(application, made["id"])
    for n in (0, 2):
        await answer(application, run, n)
    await fail(application, run, 1)
    assert (await batch(application, made["id"]))["status"] == "finalizing"
    await application.records.move(run, ("queued",), "completed")
    before = await batch(application, made["id"])
    assert (before["status"], before["output_file_id"]) == ("finalizing", None)
    await application.keeper.step()
    done = await batch(application, made["id"])
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 3, "completed": 2, "failed": 1})
    assert done["completed_at"] >= done["created_at"]
    answers = await content(application, done["output_file_id"])
    assert [one["custom_id"] for one in answers] == ["r0", "r2"]
    assert answers[0]["response"]["body"]["choices"][0]["message"]["content"] == "Because."
    usage = {"prompt_tokens": 11, "completion_tokens": 5, "total_tokens": 16}
    assert [one["response"]["body"]["usage"] for one in answers] == [usage, usage]
    assert done["model"] == "a:1b"
    assert done["usage"] == {
        "input_tokens": 22,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 32,
    }
    (failed,) = await content(application, done["error_file_id"])
    assert (failed["custom_id"], failed["response"], failed["error"]["code"]) == ("r1", None, "timeout")
    shown = (await application.http.get(f"/v1/files/{done['output_file_id']}")).json()
    raw = await application.http.get(f"/v1/files/{done['output_file_id']}/content")
    assert (shown["bytes"], shown["purpose"]) == (len(raw.content), "batch_output")
    listed = (await application.http.get("/v1/files", params={"purpose": "batch_output"})).json()["data"]
    assert {one["id"] for one in listed} == {done["output_file_id"], done["error_file_id"]}


async def test_a_batch_of_which_every_line_failed_is_completed_without_an_output_file(
    application: RunsApplication,
) -> None:
    made = await created(application, lines(1))
    await application.keeper.step()
    run = await run_of(application, made["id"])
    await fail(application, run, 0)
    await application.records.move(run, ("queued",), "completed")
    await application.keeper.step()
    done = await batch(application, made["id"])
    assert (done["status"], done["output_file_id"]) == ("completed", None)
    assert done["error_file_id"]


async def test_deleting_an_output_file_deletes_the_answers(application: RunsApplication) -> None:
    made = await created(application, lines(2))
    await application.keeper.step()
    run = await run_of(application, made["id"])
    await answer(application, run, 0)
    await fail(application, run, 1)
    await application.records.move(run, ("queued",), "completed")
    await application.keeper.step()
    file = (await batch(application, made["id"]))["output_file_id"]
    assert (await application.http.delete(f"/v1/files/{file}")).status_code == 200
    assert (await application.http.get(f"/v1/files/{file}/content")).status_code == 404
    assert (await batch(application, made["id"]))["output_file_id"] is None
    assert await application.records.calls(run, [0]) == {}
    assert len(await content(application, (await batch(application, made["id"]))["error_file_id"])) == 1


async def test_a_batch_of_several_models_names_none(application: RunsApplication) -> None:
    made = await created(application, line("a") + line("b", model="b:1b"))
    await application.keeper.step()
    now = await batch(application, made["id"])
    assert (now["status"], now["model"], now["usage"]["total_tokens"]) == ("in_progress", None, 0)


@pytest.mark.parametrize(
    ("content", "where", "said"),
    [
        (line("a") + line("a"), 2, "custom_id 'a' was on line 1 already"),
        (line("a") + b"no json\n", 2, "that is no JSON"),
        (line("a", n=2), 1, "n must be 1"),
        (line("a", stream=True), 1, "a batch is not streamed"),
        (line("a") + line("b", model="zirkon:7b"), 2, "the model 'zirkon:7b' does not exist"),
        (line("a", model="arena"), 1, "the model 'arena' does not exist"),
        (b'{"custom_id": "a"}\n', 1, "has custom_id, method, url and body"),
    ],
)
async def test_a_batch_with_a_wrong_line_fails_with_the_line(
    application: RunsApplication, content: bytes, where: int, said: str
) -> None:
    application.models = ["a:1b"]
    made = await created(application, content)
    await application.keeper.step()
    failed = await batch(application, made["id"])
    assert failed["status"] == "failed"
    assert failed["failed_at"]
    (error,) = failed["errors"]["data"]
    assert error["line"] == where
    assert said in error["message"]
    assert await application.records.runs() == []


async def test_a_batch_that_is_cancelled_keeps_what_is_done(application: RunsApplication) -> None:
    made = await created(application, lines(3))
    await application.keeper.step()
    run = await run_of(application, made["id"])
    await answer(application, run, 1)
    reply = (await application.http.post(f"/v1/batches/{made['id']}/cancel")).json()
    assert reply["status"] == "cancelling"
    await application.keeper.step()
    ended = await batch(application, made["id"])
    assert (ended["status"], ended["request_counts"]["completed"]) == ("cancelled", 1)
    assert ended["cancelled_at"] >= ended["cancelling_at"]
    assert [one["custom_id"] for one in await content(application, ended["output_file_id"])] == ["r1"]
    left = await content(application, ended["error_file_id"])
    assert [(one["custom_id"], one["error"]["code"]) for one in left] == [
        ("r0", "batch_cancelled"),
        ("r2", "batch_cancelled"),
    ]
    assert (await application.http.post(f"/v1/batches/{made['id']}/cancel")).json()["status"] == "cancelled"


async def test_a_batch_that_is_cancelled_before_it_was_checked_never_becomes_a_run(
    application: RunsApplication,
) -> None:
    made = await created(application, lines(3))
    assert (await application.http.post(f"/v1/batches/{made['id']}/cancel")).json()["status"] == "cancelling"
    await application.keeper.step()
    assert (await batch(application, made["id"]))["status"] == "cancelled"
    assert await application.records.runs() == []


async def test_a_batch_ends_with_its_window(application: RunsApplication) -> None:
    made = await created(application, lines(2), completion_window="2h")
    await application.keeper.step()
    await answer(application, await run_of(application, made["id"]), 0)
    application.later = timedelta(hours=2, seconds=1)
    await application.keeper.step()
    ended = await batch(application, made["id"])
    assert (ended["status"], bool(ended["expired_at"])) == ("expired", True)
    (left,) = await content(application, ended["error_file_id"])
    assert left["error"]["code"] == "batch_expired"
    assert len(await content(application, ended["output_file_id"])) == 1


async def test_files_are_kept_as_long_as_was_asked(application: RunsApplication) -> None:
    short = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = await uploaded(application, lines(1), data=short)
    assert file["expires_at"] - file["created_at"] == 3600
    made = await created(application, lines(1), output_expires_after={"anchor": "created_at", "seconds": 3600})
    await application.keeper.step()
    run = await run_of(application, made["id"])
    await answer(application, run, 0)
    await application.records.move(run, ("queued",), "completed")
    await application.keeper.step()
    output = (await batch(application, made["id"]))["output_file_id"]
    shown = (await application.http.get(f"/v1/files/{output}")).json()
    assert shown["expires_at"] - shown["created_at"] == 3600
    application.later = timedelta(hours=1, seconds=1)
    await application.keeper.clear()
    for id_ in (file["id"], output):
        assert (await application.http.get(f"/v1/files/{id_}")).status_code == 404


async def test_a_second_try_of_a_client_is_not_a_second_batch(application: RunsApplication) -> None:
    file = await uploaded(application, lines(1))
    first = (await application.http.post("/v1/batches", json=asked(file["id"]))).json()
    again = await application.http.post("/v1/batches", json=asked(file["id"]), headers={"x-stainless-retry-count": "1"})
    assert again.json()["id"] == first["id"]
    wanted = (await application.http.post("/v1/batches", json=asked(file["id"]))).json()
    assert wanted["id"] != first["id"]


async def test_lists_have_pages(application: RunsApplication) -> None:
    ids = [(await created(application, lines(1)))["id"] for _ in range(3)][::-1]
    first = (await application.http.get("/v1/batches", params={"limit": 2})).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
    rest = (await application.http.get("/v1/batches", params={"limit": 2, "after": first["last_id"]})).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
    files = (await application.http.get("/v1/files", params={"limit": 2, "order": "asc"})).json()
    assert (len(files["data"]), files["has_more"]) == (2, True)
    assert (await application.http.get("/v1/batches", params={"after": "nothing"})).status_code == 400


async def test_nobody_sees_what_is_somebody_elses(application: RunsApplication) -> None:
    made = await created(application, lines(1))
    file = made["input_file_id"]
    theirs = bearer(BERT)
    for verb, path in [
        ("GET", f"/v1/files/{file}"),
        ("GET", f"/v1/files/{file}/content"),
        ("DELETE", f"/v1/files/{file}"),
        ("GET", f"/v1/batches/{made['id']}"),
        ("POST", f"/v1/batches/{made['id']}/cancel"),
    ]:
        refused = await application.http.request(verb, path, headers=theirs)
        assert (refused.status_code, refused.json()["error"]["type"]) == (404, "invalid_request_error")
        assert (await application.http.request(verb, path, headers={"Authorization": ""})).status_code == 401
    assert (await application.http.post("/v1/batches", json=asked(file), headers=theirs)).status_code == 404
    for path in ("/v1/files", "/v1/batches"):
        assert (await application.http.get(path, headers=theirs)).json()["data"] == []
        assert len((await application.http.get(path, headers=bearer(ADMIN))).json()["data"]) == 1
    assert (await application.http.delete(f"/v1/files/{file}")).status_code == 409  # it is being checked


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"endpoint": "/v1/embeddings"}, "endpoint"),
        ({"completion_window": "soon"}, "completion_window"),
        ({"completion_window": "9999d"}, "completion_window"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 5}}, "output_expires_after.seconds"),
    ],
)
async def test_what_can_not_be_done_is_refused_at_once(
    application: RunsApplication, change: dict[str, Any], param: str
) -> None:
    file = await uploaded(application, lines(1))
    refused = await application.http.post("/v1/batches", json=asked(file["id"]) | change)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_uploads_have_limits(template: Path, tmp_path: Path) -> None:
    async with runs_application(template, tmp_path, keys=True, limits=IntakeLimits(50_000, 10, 1_800)) as application:
        application.http.headers.update(bearer(ANNA))
        form: dict[str, Any] = {"data": {"purpose": "batch"}}
        many = await application.http.post("/v1/files", files={"file": ("a", b"x\n" * 11)}, **form)
        assert (many.status_code, many.json()["error"]["message"][:27]) == (413, "the file has over 10 lines;")
        await uploaded(application, lines(10))
        full = await application.http.post("/v1/files", files={"file": ("a", lines(10))}, **form)
        again = await application.http.post("/v1/files", files={"file": ("a", lines(10))}, **form)
        assert (full.status_code, again.status_code) == (507, 507)
        assert again.headers["x-should-retry"] == "false"
        assert again.json()["error"]["code"] == "quota_exceeded"
        other = await application.http.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "vision"})
        assert (other.status_code, other.json()["error"]["param"]) == (400, "purpose")
        assert len(await application.files.files("anna", everybody=False)) == 1


async def test_a_batch_whose_run_was_deleted_has_its_status_and_no_files(application: RunsApplication) -> None:
    made = await created(application, lines(1))
    await application.keeper.step()
    run = await run_of(application, made["id"])
    await answer(application, run, 0)
    await application.records.move(run, ("queued",), "completed")
    await application.keeper.step()
    assert (await application.http.delete(f"/api/arena/runs/{run}")).status_code == 204
    left = await batch(application, made["id"])
    assert (left["status"], left["output_file_id"]) == ("completed", None)
