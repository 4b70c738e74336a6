"""``arena batch pause | resume | cancel | watch | status | retry``, on a database of their own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from app.batch.runs import RunRecords
from app.cli.batch import batch
from app.cli.batch_running import Display, follow, loaded_on, loaded_words
from app.database.database import Database
from app.errors import Conflict, NotFound
from app.records.ledger import utc_now
from tests.web.runs import RUN, jobs, migrated

Command = Callable[..., str]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return migrated(tmp_path_factory.mktemp("migrated"))


@pytest.fixture
def arena(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command of ``arena batch`` and gives back what it said; a run of three jobs is handed in."""
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copy(template, folder / "arena.db")
    monkeypatch.setenv("ARENA_DATA_DIR", str(folder))
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").write_text(RUN)
    (tmp_path / "jobs.jsonl").write_bytes(jobs(3))

    def command(*arguments: str, status: int = 0) -> str:
        done = CliRunner().invoke(batch, arguments)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == status, done.output
        return done.output

    command("submit", "run.toml", "jobs.jsonl")
    return command


def status(arena: Command) -> str:
    return str(orjson.loads(arena("status", "--json"))["status"])


async def on_records(work: Callable[[RunRecords], Any]) -> Any:
    database = Database("sqlite:///data/arena.db")
    try:
        return await work(RunRecords(database, utc_now))
    finally:
        await database.aclose()


def test_a_run_is_paused_resumed_and_cancelled(arena: Command) -> None:
    assert status(arena) == "queued"
    assert arena("pause").endswith(" paused\n")
    assert status(arena) == "paused"
    assert arena("resume").endswith(" queued\n")
    assert status(arena) == "queued"
    assert arena("cancel").endswith(" cancelled\n")
    assert status(arena) == "cancelled"
    with pytest.raises(Conflict, match="is cancelled: it can't be paused"):
        arena("pause")
    with pytest.raises(Conflict, match="is cancelled: it can't be cancelled"):
        arena("cancel")
    arena("resume")
    assert status(arena) == "queued"


def test_a_run_is_named_by_the_beginning_of_its_id(arena: Command) -> None:
    id_ = orjson.loads(arena("status", "--json"))["id"]
    assert arena("pause", id_[:6]) == f"{id_} paused\n"
    for command in ("pause", "resume", "cancel", "watch", "status", "results"):
        with pytest.raises(NotFound, match="there is no run 'zz'"):
            arena(command, "zz")


def test_watch_shows_how_a_run_stopped_and_ends_with_its_status(arena: Command) -> None:
    arena("pause")
    said = arena("watch", status=1)
    assert "paused: 0 of 3 jobs done" in said

    async def finish(records: RunRecords) -> None:
        (run,) = await records.runs()
        await records.move(run.id, ("paused",), "completed")

    asyncio.run(on_records(finish))
    assert "completed: 0 of 3 jobs done" in arena("watch")


async def test_following_goes_on_until_the_run_is_over_and_shows_what_is_loaded(
    arena: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(Display, "say", lambda _, line: shown.append(line))
    monkeypatch.setattr("app.cli.batch_running.CHECK_EVERY_S", 0.0)

    async def followed(records: RunRecords) -> int:
        (run,) = await records.runs()

        async def loaded(_: Any) -> str:
            await records.move(run.id, ("queued",), "completed")
            return "a:1b"

        return await follow(records, run.id, loaded)

    assert await on_records(followed) == 0
    assert shown[0].endswith("0 of 3 jobs, loaded: a:1b")
    assert "completed" in shown[1]


async def test_what_is_loaded_is_not_known_while_redis_is_unavailable(arena: Command) -> None:
    class NoRedis:
        async def seen(self, *_: object) -> None:
            raise ConnectionError

    async def looked(records: RunRecords) -> str:
        hosts: Any = NoRedis()
        return await loaded_on(hosts, (await records.runs())[0])

    assert await on_records(looked) == ""


def test_loaded_models_are_named_with_their_hosts_where_there_are_several() -> None:
    assert loaded_words({"gpu-1": ["a", "b"]}) == "a, b"
    assert loaded_words({"gpu-1": []}) == ""
    assert loaded_words({"gpu-2": ["b"], "gpu-1": ["a"], "gpu-3": []}) == "gpu-1: a; gpu-2: b"
