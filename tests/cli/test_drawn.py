"""``arena board --drawn``: what battles are drawn from, as operators see it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis

from app.cli.leaderboard import board
from app.database.address import database_url
from app.database.schema import ready
from app.draw.planning.rotation import Rotation
from app.draw.store import DrawnSets, DrawStore
from app.metrics.counters import Counters
from tests.services import settings_with

SETS = DrawnSets(
    "9f3a", Rotation(3, {"gpu": ("a", "b")}, ("c",), 0.0, 300.0, 3000.0, 0.5, "b", ("c",), "field"), (("a", "b", 1.0),)
)


@pytest.fixture
async def draw_store(redis: Redis, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DrawStore:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("ARENA_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")
    await ready(database_url(settings_with(arena_data_dir=tmp_path)))
    return DrawStore(redis)


async def played(store: DrawStore, redis: Redis) -> None:
    await store.replace(b"", SETS)
    for contestants in (("a", "b"), ("b", "a"), ("a", "c")):
        await store.count(SETS.set_id, contestants)
    counters = Counters(redis)
    for warm in (True, True, True, False):
        counters.ended("done", warm=warm)
    await counters.flush()


async def test_it_tells_the_set_when_it_changes_and_how_often_models_and_pairs_were_drawn(
    draw_store: DrawStore, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    await played(draw_store, redis)
    await asyncio.to_thread(board, drawn=True)
    text = capsys.readouterr().out
    assert "Battles are drawn from a, b on gpu since 00:00 UTC; 75 % of all battles waited for no load." in text
    assert "3 battles were drawn from this set (9f3a-3): b came for c (field)." in text
    assert "between 00:05 UTC and 00:50 UTC" in text
    rows = [line.split() for line in text.splitlines()]
    for row in (["a", "3", "on", "gpu"], ["b", "2", "on", "gpu"], ["c", "1"]):
        assert row in rows
    for row in (["a", "b", "2", "100", "%"], ["a", "c", "1"], ["b", "c", "0"]):
        assert row in rows


async def test_as_json_it_is_the_rotation_of_the_hosts_call(
    draw_store: DrawStore, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    await played(draw_store, redis)
    await asyncio.to_thread(board, drawn=True, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert (printed["set_id"], printed["drawn"], printed["without_load"]) == ("9f3a-3", {"a": 3, "b": 2, "c": 1}, 0.75)


async def test_the_board_says_in_a_line_what_battles_are_drawn_from(
    draw_store: DrawStore, redis: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    await played(draw_store, redis)
    await asyncio.to_thread(board)
    assert "Battles are drawn from a, b on gpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "There is no rotation yet"),
        ({"ARENA_DRAW": "uniform"}, "Contestants are drawn uniformly from all models (ARENA_DRAW=uniform)."),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "Redis does not answer"),
        ({"REDIS_URL": ""}, "The arena does not run"),
    ],
)
async def test_where_there_is_no_rotation_it_says_why(
    draw_store: DrawStore,
    environment: dict[str, str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    await asyncio.to_thread(board, drawn=True)
    assert sentence in capsys.readouterr().out
    await asyncio.to_thread(board, drawn=True, as_json=True)
    assert capsys.readouterr().out == "null\n"
