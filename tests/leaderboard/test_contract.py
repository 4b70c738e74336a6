"""What existing clients read of the leaderboard and the statistics, and what we add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.battle.battle import Status
from tests.leaderboard.conftest import Worker
from tests.leaderboard.playing import BOTH_BAD, TIE, A, B, Player

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

ROW = {"rank": int, "model": str, "display_name": str, "elo_rating": float, "battles_fought": int, "win_rate": float}
STATISTICS = {
    "total_battles": int,
    "completed_battles": int,
    "completion_rate": float,
    "preference_distribution": dict,
    "model_usage": dict,
    "leaderboard": list,
    "active_models": int,
    "models_per_page": int,
    "total_views": int,
    "storage_status": str,
}


def types_of(body: dict[str, Any], fields: dict[str, type[Any]]) -> dict[str, type[Any]]:
    return {name: type(body[name]) for name in fields}


async def test_an_arena_without_votes_has_empty_lists(start: Callable[..., Worker]) -> None:
    worker = start()
    board, statistics = await worker.get(), await worker.get("statistics")
    assert (board.status_code, statistics.status_code) == (200, 200)
    assert (board.json()["leaderboard"], board.json()["speed"], board.json()["last_updated"]) == ([], [], 0.0)
    assert types_of(statistics.json(), STATISTICS) == STATISTICS
    assert (statistics.json()["total_battles"], statistics.json()["completion_rate"]) == (0, 0.0)
    assert statistics.json()["preference_distribution"] == {"left": 0, "right": 0, "tie": 0, "both_bad": 0}
    assert (statistics.json()["leaderboard"], statistics.json()["model_usage"]) == ([], {})
    assert "error" not in board.json() | statistics.json()


async def test_rows_have_the_fields_and_types_that_clients_read(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, A, A, B)
    board = await start().board()
    assert type(board["last_updated"]) is float
    assert board["last_updated"] > 1_700_000_000
    assert [types_of(row, ROW) for row in board["leaderboard"]] == [ROW, ROW]
    assert {row["model"]: row["win_rate"] for row in board["leaderboard"]} == {"x": 75.0, "y": 25.0}
    assert {row["model"]: row["battles_fought"] for row in board["leaderboard"]} == {"x": 4, "y": 4}


async def test_rows_say_how_sure_they_are(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(*[A, B, A] * 8)
    board = await start().board()
    first, second = board["leaderboard"]
    assert first["rating_lower"] < first["elo_rating"] < first["rating_upper"]
    assert (first["rank_low"], second["rank_low"], first["tied_with"], first["provisional"]) == (1, 1, 1, False)
    assert first["p_best"] + second["p_best"] == pytest.approx(1)
    assert first["entries"] == [24, 0]
    assert second["entries"] == [0, 24]
    assert board["finding"]["state"] == "open"
    assert board["finding"]["votes_to_separate"] > 0
    assert (board["method"]["gauge"], board["method"]["gauge_at"]) == ("centred", 1000.0)
    assert board["votes_of"] == "ended battles"


async def test_existing_clients_count_ranks_and_ours_sees_groups(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, B)
    worker = start()
    board, statistics = await worker.board(), (await worker.get("statistics")).json()
    for rows in (board["leaderboard"], statistics["leaderboard"]):
        assert [row["rank"] for row in rows] == [1, 2], "each of the first three ranks has a badge there"
        assert [row["rank_low"] for row in rows] == [1, 1], "nobody knows who is better"


async def test_a_model_with_few_votes_is_provisional(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, B)
    assert [row["reasons"] for row in (await start().board())["leaderboard"]] == [["few_votes"], ["few_votes"]]


async def test_the_statistics_count_battles_verdicts_and_models(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, A, B, TIE, BOTH_BAD, categories=("code",), language="fr")
    await player.battle(A, end=Status.RUNNING)
    statistics = (await start().get("statistics")).json()
    assert types_of(statistics, STATISTICS) == STATISTICS
    assert (statistics["total_battles"], statistics["completed_battles"]) == (6, 5)
    assert statistics["completion_rate"] == 83.33
    assert statistics["preference_distribution"] == {"left": 2, "right": 1, "tie": 1, "both_bad": 1}
    assert statistics["model_usage"] == {"x": 5, "y": 5}
    assert (statistics["categories"], statistics["languages"]) == ({"code": 5}, {"fr": 5})
    assert (statistics["models_per_page"], statistics["total_views"], statistics["active_models"]) == (2, 3, 0)
    assert "Redis" in statistics["storage_status"]
    assert [row["model"] for row in statistics["leaderboard"]] == ["x", "y"]


async def test_the_same_name_with_other_weights_is_another_contestant(
    start: Callable[..., Worker], player: Player
) -> None:
    await player.battle(A, digests=("sha256:1", "sha256:9"))
    await player.battle(A, digests=("sha256:2", "sha256:9"))
    board = await start().board()
    names = {row["model"] for row in board["leaderboard"]}
    assert len(names) == 3
    assert "y" in names
    assert all(name.startswith("x@") for name in names - {"y"})
    digests = {who["digest"] for who in board["contestants"].values() if who["name"] == "x"}
    assert digests == {"sha256:1", "sha256:2"}


async def test_a_model_that_is_no_longer_drawn_is_retired_and_keeps_its_votes(
    start: Callable[..., Worker], player: Player
) -> None:
    await player.battles(A, B)
    board = await start(current=lambda: ("y", "z")).board()
    assert {row["model"]: (row["retired"], row["votes"]) for row in board["leaderboard"]} == {
        "x": (True, 2),
        "y": (False, 2),
    }


async def test_the_status_shows_the_first_three_once_there_is_a_board(
    start: Callable[..., Worker], player: Player
) -> None:
    for loser in ("y", "z", "w"):
        await player.battle(A, "x", loser)
    worker = start(running=False)
    assert await worker.boards.leaders(3) == []
    await worker.boards.refresh()
    board = await worker.board()
    assert await worker.boards.leaders(3) == board["leaderboard"][:3]
