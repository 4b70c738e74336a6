"""What the database holds of a battle that was played, read from its file."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.cli.why import why
from tests.whole.client import TOKENS, bare_client, open_battle, play
from tests.whole.conftest import SharedDeployment
from tests.whole.harness import MODELS, OURS


def rows(deployed: SharedDeployment, sql: str, *given: object) -> list[dict[str, Any]]:
    with sqlite3.connect(deployed.deployment.folder / "data" / "arena.db") as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(sql, given)]
    connection.close()
    return found


async def test_every_answer_is_kept_with_what_it_was_asked_with_and_where_it_sat(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url, num_models=3, system="Be brief."))["battle_id"]
    await play(deployed.one.url, battle, ["a", "b"])

    answers = rows(deployed, "SELECT * FROM answers WHERE battle_id = ? ORDER BY entry", battle)

    assert [answer["side"] for answer in answers] == ["a", "b", "b"]
    for answer in answers:
        assert answer["model"] in MODELS
        assert len(answer["digest"].removeprefix("sha256:")) == 64
        assert answer["quantization"] == "Q4_K_M"
        assert json.loads(answer["options"]) == {
            "num_ctx": 4096,
            "num_predict": 1024,
            "temperature": 0.7,
            "seed": 7,
            "think": False,
        }
        assert (answer["system"], answer["leaked"], answer["fallback"]) == ("Be brief.", 0, 0)
        assert answer["host"]
        assert answer["total_s"] > 0
    known = rows(deployed, "SELECT id, model FROM contestants")
    assert {answer["contestant_id"] for answer in answers} <= {row["id"] for row in known}


async def test_every_round_is_kept_with_its_pair(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url, num_models=3))["battle_id"]
    await play(deployed.one.url, battle, ["b", "tie"])

    shown = rows(deployed, "SELECT * FROM rounds WHERE battle_id = ? ORDER BY round", battle)

    assert [(one["round"], one["entry_a"], one["entry_b"]) for one in shown] == [(1, 0, 1), (2, 2, 1)]
    assert not [one for one in shown if not (one["opened_at"] and one["ready_at"])]


async def test_a_voter_is_kept_as_a_hash_with_the_time_of_his_clock(deployed: SharedDeployment) -> None:
    battle = (await open_battle(deployed.one.url, num_models=2))["battle_id"]
    await play(deployed.one.url, battle, [])
    verdict = {"round": 1, "verdict": "a", "client_time": "2026-03-01T13:00:00+01:00"}

    async with bare_client(base_url=deployed.two.url) as client:
        path = f"/api/arena/battles/{battle}/votes"
        session = {"X-Session-ID": "session-4711", "X-Battle-Token": TOKENS[battle]}
        reply = await client.post(path, json=verdict, headers=session)

    assert reply.status_code == 200, reply.text
    [vote] = rows(deployed, "SELECT * FROM votes WHERE battle_id = ?", battle)
    assert len(vote["voter"]) == 32
    assert "4711" not in vote["voter"]
    assert vote["client_at"] == "2026-03-01 12:00:00.000000"


async def test_all_workers_know_a_voter_by_the_same_key(deployed: SharedDeployment) -> None:
    voters = []
    for url in (deployed.one.url, deployed.two.url):
        battle = (await open_battle(url, num_models=2))["battle_id"]
        await play(url, battle, ["a"])
        [vote] = rows(deployed, "SELECT voter FROM votes WHERE battle_id = ?", battle)
        voters.append(vote["voter"])
    assert voters[0] == voters[1]
    assert len(voters[0]) == 32


async def test_a_battle_tells_its_story_where_nothing_is_left_but_the_database(
    deployed: SharedDeployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    battle = (await open_battle(deployed.one.url, num_models=3))["battle_id"]
    await play(deployed.one.url, battle, ["a", "b"])
    with (
        closing(sqlite3.connect(deployed.deployment.folder / "data" / "arena.db")) as served,
        closing(sqlite3.connect(tmp_path / "arena.db")) as copy,
    ):
        served.backup(copy)
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ARENA_DATA_DIR", str(tmp_path))  # no Redis and no log is there

    await asyncio.to_thread(why, battle)

    story = capsys.readouterr().out
    answers = rows(deployed, "SELECT * FROM answers WHERE battle_id = ? ORDER BY entry", battle)
    for entry, answer in enumerate(answers):
        name = f"{'ABC'[entry]} ({answer['model']})"
        assert f"{answer['host']} takes {name}" in story
        assert f"{name} is sent to its model on {answer['host']}" in story
        assert f"{name} is complete: {answer['tokens']} tokens" in story
        if answer["cold"]:
            assert f"{answer['host']} begins to load {answer['model']}" in story
    assert story.count("was the later side") + story.count("had been written before") == 2
    assert "round 2 is judged: b" in story
