"""``arena board`` in the terminal."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli import leaderboard
from app.errors import InvalidInput
from tests.leaderboard.conftest import Worker
from tests.leaderboard.playing import TIE, A, B, Player


@pytest.fixture
async def played(player: Player, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    await player.battles(*[A, B, A] * 6, language="fr")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", url)


async def shown(capsys: pytest.CaptureFixture[str], **how: Any) -> str:
    await asyncio.to_thread(leaderboard.board, **how)
    return capsys.readouterr().out


async def test_it_prints_the_very_bytes_that_are_served(
    start: Callable[..., Worker], played: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await shown(capsys, as_json=True)).encode() == (await start().get()).content + b"\n"


async def test_it_shows_ranks_intervals_and_what_can_be_said_of_the_first_place(
    played: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    text = await shown(capsys)
    assert "1 to 2" in text
    assert "x leads, but is not clearly better than y" in text
    assert "18 votes of ended battles." in text
    assert "ties are half a win; the mean is 1000; 95 % intervals, clustered by battle." in text


async def test_it_shows_the_speed_of_each_model_on_each_host(
    played: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    text = await shown(capsys, speed=True)
    assert "gpu" in text
    assert "40.0" in text
    assert json.loads(await shown(capsys, speed=True, as_json=True))["speed"][0]["answers"] == 18


async def test_ties_are_counted_as_asked_for_and_a_model_may_be_the_anchor(
    player: Player, played: None, capsys: pytest.CaptureFixture[str]
) -> None:
    await player.battles(*[TIE] * 6, language="fr")
    board = json.loads(await shown(capsys, ties="davidson", anchor="y", as_json=True))
    assert (board["method"]["ties"], board["method"]["gauge"], board["method"]["anchor"]) == (
        "davidson",
        "anchored",
        "y",
    )
    assert {row["model"]: row["elo_rating"] for row in board["leaderboard"]}["y"] == 1000
    assert "y is 1000" in await shown(capsys, ties="rao_kupper", anchor="y")
    with pytest.raises(InvalidInput, match="anchor is the name of a model on the board"):
        await shown(capsys, anchor="nobody")
    with pytest.raises(InvalidInput, match="ties is one of half_win, davidson, rao_kupper"):
        await shown(capsys, ties="coin")


async def test_it_explains_the_figures_and_shows_the_pairs(played: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert "P(best)  the chance to be the best" in await shown(capsys, explain=True)
    pairs = await shown(capsys, pairs=True)
    assert re.search(r"x +y +12 +6 +0 +0 +67 %", pairs)


async def test_it_takes_the_same_filters(played: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(await shown(capsys, language="fr", as_json=True))["counts"]["votes"] == 18
    assert json.loads(await shown(capsys, since="2999-01-01", as_json=True))["counts"]["left_out"] == {"since": 18}
    with pytest.raises(InvalidInput, match="no vote has the category 'poetry'; known are none yet"):
        await shown(capsys, category="poetry")
