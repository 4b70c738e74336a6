"""/v1/files and /v1/batches: uploads, validation, states, outputs, whose they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.batch.intake import IntakeLimits
from tests.web.batches import answer, asked, batch, content, created, fail, line, lines, run_of, uploaded
from tests.web.runs import ADMIN, ANNA, BERT, RunsHome, bearer, migrated, runs_home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("migrated"))


@pytest.fixture
async def home(template: Path, tmp_path: Path) -> AsyncIterator[RunsHome]:
    async with runs_home(template, tmp_path, keys=True) as home:
        home.http.headers.update(bearer(ANNA))
        yield home


async def test_a_file_is_kept_as_it_was_sent_until_it_is_deleted(home: RunsHome) -> None:
    sent = lines(9000)  # more than one part
    file = await uploaded(home, sent)
    assert (file["object"], file["bytes"], file["filename"], file["purpose"]) == (
        "file",
        len(sent),
        "in.jsonl",
        "batch",
    )
    assert (await home.http.get(f"/v1/files/{file['id']}")).json() == file
    assert (await home.http.get(f"/v1/files/{file['id']}/content")).content == sent
    deleted = await home.http.delete(f"/v1/files/{file['id']}")
    assert deleted.json() == {"id": file["id"], "object": "file", "deleted": True}
    assert (await home.http.get(f"/v1/files/{file['id']}")).status_code == 404


async def test_a_batch_becomes_a_run_and_its_run_two_files(home: RunsHome) -> None:
    made = await created(home, lines(3), metadata={"night": "1"})
    assert (made["status"], made["request_counts"]) == ("validating", {"total": 0, "completed": 0, "failed": 0})
    assert (made["metadata"], made["completion_window"]) == ({"night": "1"}, "24h")
    assert made["expires_at"] - made["created_at"] == 86400
    assert (made["model"], made["usage"]) == (None, None)
    await home.keeper.step()
    now = await batch(home, made["id"])
    assert (now["status"], now["request_counts"]["total"]) == ("in_progress", 3)
    run = await run_of(home, made["id"])
    for n in (0, 2):
        await answer(home, run, n)
    await fail(home, run, 1)
    assert (await batch(home, made["id"]))["status"] == "finalizing"
    await home.records.move(run, ("queued",), "completed")
    before = await batch(home, made["id"])
    assert (before["status"], before["output_file_id"]) == ("finalizing", None)
    await home.keeper.step()
    done = await batch(home, made["id"])
    assert (done["status"], done["request_counts"]) == ("completed", {"total": 3, "completed": 2, "failed": 1})
    assert done["completed_at"] >= done["created_at"]
    answers = await content(home, done["output_file_id"])
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
    (failed,) = await content(home, done["error_file_id"])
    assert (failed["custom_id"], failed["response"], failed["error"]["code"]) == ("r1", None, "timeout")
    shown = (await home.http.get(f"/v1/files/{done['output_file_id']}")).json()
    raw = await home.http.get(f"/v1/files/{done['output_file_id']}/content")
    assert (shown["bytes"], shown["purpose"]) == (len(raw.content), "batch_output")
    listed = (await home.http.get("/v1/files", params={"purpose": "batch_output"})).json()["data"]
    assert {one["id"] for one in listed} == {done["output_file_id"], done["error_file_id"]}


async def test_a_batch_of_which_every_line_failed_is_completed_without_an_output_file(home: RunsHome) -> None:
    made = await created(home, lines(1))
    await home.keeper.step()
    run = await run_of(home, made["id"])
    await fail(home, run, 0)
    await home.records.move(run, ("queued",), "completed")
    await home.keeper.step()
    done = await batch(home, made["id"])
    assert (done["status"], done["output_file_id"]) == ("completed", None)
    assert done["error_file_id"]


async def test_deleting_an_output_file_deletes_the_answers(home: RunsHome) -> None:
    made = await created(home, lines(2))
    await home.keeper.step()
    run = await run_of(home, made["id"])
    await answer(home, run, 0)
    await fail(home, run, 1)
    await home.records.move(run, ("queued",), "completed")
    await home.keeper.step()
    file = (await batch(home, made["id"]))["output_file_id"]
    assert (await home.http.delete(f"/v1/files/{file}")).status_code == 200
    assert (await home.http.get(f"/v1/files/{file}/content")).status_code == 404
    assert (await batch(home, made["id"]))["output_file_id"] is None
    assert await home.records.calls(run, [0]) == {}
    assert len(await content(home, (await batch(home, made["id"]))["error_file_id"])) == 1


async def test_a_batch_of_several_models_names_none(home: RunsHome) -> None:
    made = await created(home, line("a") + line("b", model="b:1b"))
    await home.keeper.step()
    now = await batch(home, made["id"])
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
    home: RunsHome, content: bytes, where: int, said: str
) -> None:
    home.models = ["a:1b"]
    made = await created(home, content)
    await home.keeper.step()
    failed = await batch(home, made["id"])
    assert failed["status"] == "failed"
    assert failed["failed_at"]
    (error,) = failed["errors"]["data"]
    assert error["line"] == where
    assert said in error["message"]
    assert await home.records.runs() == []


async def test_a_batch_that_is_cancelled_keeps_what_is_done(home: RunsHome) -> None:
    made = await created(home, lines(3))
    await home.keeper.step()
    run = await run_of(home, made["id"])
    await answer(home, run, 1)
    reply = (await home.http.post(f"/v1/batches/{made['id']}/cancel")).json()
    assert reply["status"] == "cancelling"
    await home.keeper.step()
    ended = await batch(home, made["id"])
    assert (ended["status"], ended["request_counts"]["completed"]) == ("cancelled", 1)
    assert ended["cancelled_at"] >= ended["cancelling_at"]
    assert [one["custom_id"] for one in await content(home, ended["output_file_id"])] == ["r1"]
    left = await content(home, ended["error_file_id"])
    assert [(one["custom_id"], one["error"]["code"]) for one in left] == [
        ("r0", "batch_cancelled"),
        ("r2", "batch_cancelled"),
    ]
    assert (await home.http.post(f"/v1/batches/{made['id']}/cancel")).json()["status"] == "cancelled"


async def test_a_batch_that_is_cancelled_before_it_was_checked_never_becomes_a_run(home: RunsHome) -> None:
    made = await created(home, lines(3))
    assert (await home.http.post(f"/v1/batches/{made['id']}/cancel")).json()["status"] == "cancelling"
    await home.keeper.step()
    assert (await batch(home, made["id"]))["status"] == "cancelled"
    assert await home.records.runs() == []


async def test_a_batch_ends_with_its_window(home: RunsHome) -> None:
    made = await created(home, lines(2), completion_window="2h")
    await home.keeper.step()
    await answer(home, await run_of(home, made["id"]), 0)
    home.later = timedelta(hours=2, seconds=1)
    await home.keeper.step()
    ended = await batch(home, made["id"])
    assert (ended["status"], bool(ended["expired_at"])) == ("expired", True)
    (left,) = await content(home, ended["error_file_id"])
    assert left["error"]["code"] == "batch_expired"
    assert len(await content(home, ended["output_file_id"])) == 1


async def test_files_are_kept_as_long_as_was_asked(home: RunsHome) -> None:
    short = {"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"}
    file = await uploaded(home, lines(1), data=short)
    assert file["expires_at"] - file["created_at"] == 3600
    made = await created(home, lines(1), output_expires_after={"anchor": "created_at", "seconds": 3600})
    await home.keeper.step()
    run = await run_of(home, made["id"])
    await answer(home, run, 0)
    await home.records.move(run, ("queued",), "completed")
    await home.keeper.step()
    output = (await batch(home, made["id"]))["output_file_id"]
    shown = (await home.http.get(f"/v1/files/{output}")).json()
    assert shown["expires_at"] - shown["created_at"] == 3600
    home.later = timedelta(hours=1, seconds=1)
    await home.keeper.clear()
    for id_ in (file["id"], output):
        assert (await home.http.get(f"/v1/files/{id_}")).status_code == 404


async def test_a_second_try_of_a_client_is_not_a_second_batch(home: RunsHome) -> None:
    file = await uploaded(home, lines(1))
    first = (await home.http.post("/v1/batches", json=asked(file["id"]))).json()
    again = await home.http.post("/v1/batches", json=asked(file["id"]), headers={"x-stainless-retry-count": "1"})
    assert again.json()["id"] == first["id"]
    wanted = (await home.http.post("/v1/batches", json=asked(file["id"]))).json()
    assert wanted["id"] != first["id"]


async def test_lists_have_pages(home: RunsHome) -> None:
    ids = [(await created(home, lines(1)))["id"] for _ in range(3)][::-1]
    first = (await home.http.get("/v1/batches", params={"limit": 2})).json()
    assert ([one["id"] for one in first["data"]], first["has_more"]) == (ids[:2], True)
    rest = (await home.http.get("/v1/batches", params={"limit": 2, "after": first["last_id"]})).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (ids[2:], False)
    files = (await home.http.get("/v1/files", params={"limit": 2, "order": "asc"})).json()
    assert (len(files["data"]), files["has_more"]) == (2, True)
    assert (await home.http.get("/v1/batches", params={"after": "nothing"})).status_code == 400


async def test_nobody_sees_what_is_somebody_elses(home: RunsHome) -> None:
    made = await created(home, lines(1))
    file = made["input_file_id"]
    theirs = bearer(BERT)
    for verb, path in [
        ("GET", f"/v1/files/{file}"),
        ("GET", f"/v1/files/{file}/content"),
        ("DELETE", f"/v1/files/{file}"),
        ("GET", f"/v1/batches/{made['id']}"),
        ("POST", f"/v1/batches/{made['id']}/cancel"),
    ]:
        refused = await home.http.request(verb, path, headers=theirs)
        assert (refused.status_code, refused.json()["error"]["type"]) == (404, "invalid_request_error")
        assert (await home.http.request(verb, path, headers={"Authorization": ""})).status_code == 401
    assert (await home.http.post("/v1/batches", json=asked(file), headers=theirs)).status_code == 404
    for path in ("/v1/files", "/v1/batches"):
        assert (await home.http.get(path, headers=theirs)).json()["data"] == []
        assert len((await home.http.get(path, headers=bearer(ADMIN))).json()["data"]) == 1
    assert (await home.http.delete(f"/v1/files/{file}")).status_code == 409  # it is being checked


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
async def test_what_can_not_be_done_is_refused_at_once(home: RunsHome, change: dict[str, Any], param: str) -> None:
    file = await uploaded(home, lines(1))
    refused = await home.http.post("/v1/batches", json=asked(file["id"]) | change)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, param)


async def test_uploads_have_limits(template: Path, tmp_path: Path) -> None:
    async with runs_home(template, tmp_path, keys=True, limits=IntakeLimits(50_000, 10, 1_800)) as home:
        home.http.headers.update(bearer(ANNA))
        form: dict[str, Any] = {"data": {"purpose": "batch"}}
        many = await home.http.post("/v1/files", files={"file": ("a", b"x\n" * 11)}, **form)
        assert (many.status_code, many.json()["error"]["message"][:27]) == (413, "the file has over 10 lines;")
        await uploaded(home, lines(10))
        full = await home.http.post("/v1/files", files={"file": ("a", lines(10))}, **form)
        again = await home.http.post("/v1/files", files={"file": ("a", lines(10))}, **form)
        assert (full.status_code, again.status_code) == (507, 507)
        assert again.headers["x-should-retry"] == "false"
        assert again.json()["error"]["code"] == "quota_exceeded"
        other = await home.http.post("/v1/files", files={"file": ("a", b"x")}, data={"purpose": "vision"})
        assert (other.status_code, other.json()["error"]["param"]) == (400, "purpose")
        assert len(await home.files.files("anna", everybody=False)) == 1


async def test_a_batch_whose_run_was_deleted_has_its_status_and_no_files(home: RunsHome) -> None:
    made = await created(home, lines(1))
    await home.keeper.step()
    run = await run_of(home, made["id"])
    await answer(home, run, 0)
    await home.records.move(run, ("queued",), "completed")
    await home.keeper.step()
    assert (await home.http.delete(f"/api/arena/runs/{run}")).status_code == 204
    left = await batch(home, made["id"])
    assert (left["status"], left["output_file_id"]) == ("completed", None)
