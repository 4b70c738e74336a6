"""Votes of people who knew the models: no board, no count and no table takes them for blind ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from app.database.database import Database
from app.leaderboard.gather import counted_marks
from app.records.export.formats import Format
from app.records.export.stream import exported
from app.records.votes import NAMED, NAMES_SHOWN
from tests.leaderboard.conftest import Worker
from tests.leaderboard.playing import A, B, Player

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")


def wins(board: dict[str, Any]) -> dict[str, int]:
    return {row["model"]: row["wins"] for row in board["leaderboard"]}


async def test_votes_after_names_were_shown_are_left_out_of_boards_counts_and_training_tables(
    start: Callable[..., Worker], player: Player, database: Database
) -> None:
    await player.battles(A)
    await player.battles(B, B, options={NAMES_SHOWN: "start"})
    await player.battles(B, options={NAMES_SHOWN: "vote"})
    worker = start()
    board = await worker.board()
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 1, "y": 1}, {"named": 2})
    table = b"".join([piece async for piece in exported(database, Format.CSV)]).decode()
    assert [row["named"] for row in csv.DictReader(io.StringIO(table))] == ["false", "true", "true", "false"]


async def test_the_statistics_count_no_vote_of_somebody_who_knew_the_models(
    start: Callable[..., Worker], player: Player
) -> None:
    await player.battle(A, "x", "y", language="fr", categories=("code",))
    await player.battle(B, "x", "z", language="de", categories=("code", "maths"), options={NAMED: True})
    leaving_out = start()
    counts = (await leaving_out.get("statistics")).json()
    assert counts["preference_distribution"] == {"left": 1, "right": 0, "tie": 0, "both_bad": 0}
    assert (counts["model_usage"], counts["votes"]) == ({"x": 1, "y": 1}, 1)
    assert (counts["languages"], counts["categories"]) == ({"fr": 1}, {"code": 1})
    assert (await leaving_out.get(language="it")).status_code == 400
    assert (await leaving_out.get(language="de")).status_code == 200, "a board may be asked for them"


async def test_the_statistics_count_them_where_every_board_does(start: Callable[..., Worker], player: Player) -> None:
    await player.battle(A, "x", "y", language="fr")
    await player.battle(B, "x", "z", language="de", options={NAMED: True})
    counting = start(counted=counted_marks("count"))
    counts = (await counting.get("statistics")).json()
    assert counts["preference_distribution"] == {"left": 1, "right": 1, "tie": 0, "both_bad": 0}
    assert (counts["model_usage"], counts["languages"]) == ({"x": 2, "y": 1, "z": 1}, {"de": 1, "fr": 1})
