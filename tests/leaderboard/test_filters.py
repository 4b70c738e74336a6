"""Boards of some of the votes."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.database.database import Database
from app.leaderboard.gather import counted_marks, gather
from app.leaderboard.making import board_body
from app.leaderboard.query import LeaderboardQuery
from app.records.erasure import forget_older
from app.records.export.formats import Format
from app.records.export.stream import exported
from app.records.votes import BATCH, NAMED
from app.timing.stopwatch import Timing
from tests.helpers import wait_until
from tests.leaderboard.conftest import Worker
from tests.leaderboard.playing import BOTH_BAD, TIE, TIMED, A, B, Player

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")
LONG = "**Yes.** " + "Because of this and that. " * 20


def wins(board: dict[str, Any]) -> dict[str, int]:
    return {row["model"]: row["wins"] for row in board["leaderboard"]}


async def gathered_board(database: Database, **query: Any) -> dict[str, Any]:
    """A board of the votes as they are now."""
    return dict(json.loads(board_body(await gather(database, tuple, with_style=True), LeaderboardQuery.of(**query))))


async def test_a_category_and_a_language_have_boards_of_their_own(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, A, categories=("code", "math"), language="en")
    await player.battles(B, B, B, categories=("math",), language="fr")
    worker = start()
    assert wins(await worker.board()) == {"x": 2, "y": 3}
    assert wins(await worker.board(category="code")) == {"x": 2, "y": 0}
    assert wins(await worker.board(category="math", language="fr")) == {"x": 0, "y": 3}
    assert wins(await worker.board(category="code", language="fr")) == {}
    assert (await worker.board(category="code"))["method"]["category"] == "code"


async def test_a_name_that_no_vote_has_is_refused_with_those_that_are_known(
    start: Callable[..., Worker], player: Player
) -> None:
    worker = start(categories=("planned",))
    await player.battles(A, categories=("math", "code"), language="en")
    await wait_until(lambda: has_votes(worker))

    for field, known in (("category", "code, math, planned"), ("language", "en")):
        response = await worker.get(**{field: "poetry"})
        assert (response.status_code, response.json()["field"]) == (400, field)
        assert response.json()["error"] == f"no vote has the {field} 'poetry'; known are {known}"
    board = await worker.board(category="planned")
    assert (board["leaderboard"], board["method"]["category"]) == ([], "planned")


async def has_votes(worker: Worker) -> bool:
    return bool((await worker.board())["counts"]["votes"])


async def test_fallback_and_leaked_answers_are_left_out_unless_asked_for(
    start: Callable[..., Worker], player: Player
) -> None:
    await player.battles(A)
    await player.battles(B, B, leaked=True)
    await player.battles(B, fallback=True)
    worker = start()
    board = await worker.board()
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 1, "y": 0}, {"fallback": 1, "leaked": 2})
    assert wins(await worker.board(include="leaked")) == {"x": 1, "y": 2}
    assert wins(await worker.board(include="fallback,leaked")) == {"x": 1, "y": 3}


async def test_votes_of_battles_whose_models_were_named_are_left_out_unless_asked_for(
    start: Callable[..., Worker], player: Player, database: Database
) -> None:
    await player.battles(A)
    await player.battles(B, B, options={NAMED: True})
    worker = start()
    board = await worker.board()
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 1, "y": 0}, {"named": 2})
    assert wins(await worker.board(include="named")) == {"x": 1, "y": 2}
    lines = b"".join([piece async for piece in exported(database, Format.ARENA)]).splitlines()
    assert [json.loads(line)["battle"]["options"].get(NAMED, False) for line in lines] == [False, True, True]
    table = b"".join([piece async for piece in exported(database, Format.CSV)]).decode()
    assert [row["named"] for row in csv.DictReader(io.StringIO(table))] == ["false", "true", "true"]


async def test_votes_on_the_answers_of_a_batch_run_are_left_out_unless_asked_for(
    start: Callable[..., Worker], player: Player, database: Database
) -> None:
    await player.battles(A)
    await player.battles(B, B, options={BATCH: {"run": "r", "job": 0, "stage": 0}})
    worker = start()
    board = await worker.board()
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 1, "y": 0}, {"batch": 2})
    assert wins(await worker.board(include="batch")) == {"x": 1, "y": 2}
    table = b"".join([piece async for piece in exported(database, Format.CSV)]).decode()
    assert [row["batch"] for row in csv.DictReader(io.StringIO(table))] == ["false", "true", "true"]


async def test_an_operator_may_have_votes_of_named_models_counted_on_every_board(
    start: Callable[..., Worker], player: Player, database: Database
) -> None:
    await player.battles(A)
    await player.battles(B, B, options={NAMED: True})
    leaving_out = start(running=False)
    await leaving_out.boards.refresh()
    assert wins(await leaving_out.board()) == {"x": 1, "y": 0}
    counting = start(counted=counted_marks("count"))
    await wait_until(lambda: counting.boards.made > 0)
    board = await counting.board()
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 1, "y": 2}, {})
    assert wins(await counting.board(ties="davidson")) == {"x": 1, "y": 2}
    assert counted_marks("leave_out") == frozenset()


async def test_votes_on_cut_prompts_are_left_out_unless_asked_for(
    start: Callable[..., Worker], player: Player, database: Database
) -> None:
    await player.battles(A)
    await player.battles(B, B, timing=Timing(cut_prompt=True))
    worker = start()
    board = await worker.board()
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 1, "y": 0}, {"cut_prompt": 2})
    assert wins(await worker.board(include="cut_prompt")) == {"x": 1, "y": 2}
    lines = b"".join([piece async for piece in exported(database, Format.ARENA)]).splitlines()
    assert [json.loads(line)["answer_a"]["cut_prompt"] for line in lines] == [False, True, True]
    assert [json.loads(line)["answer_a"]["timing"]["cut_prompt"] for line in lines] == [False, True, True]


@pytest.mark.parametrize(
    ("policy", "without", "with_leaked", "left_out"),
    [
        ("flag", {"x": 1, "y": 0}, {"x": 1, "y": 2}, {"leaked": 2}),
        ("void", {"x": 1, "y": 0}, {"x": 1, "y": 0}, {"void": 2}),
        ("mask", {"x": 1, "y": 2}, {"x": 1, "y": 2}, {}),
    ],
)
async def test_the_policy_says_whether_votes_on_a_leaked_answer_count(
    start: Callable[..., Worker],
    player: Player,
    policy: str,
    without: dict[str, int],
    with_leaked: dict[str, int],
    left_out: dict[str, int],
) -> None:
    await player.battles(A, categories=("code",))
    await player.battles(B, B, leak=f"{policy}: name X", categories=("prose",))
    worker = start()
    board = await worker.board()
    assert (wins(board), board["counts"]["left_out"]) == (without, left_out)
    admitting = await worker.board(include="fallback,leaked")
    assert wins(admitting) == with_leaked
    voted = 1 if policy == "void" else 3
    statistics = (await worker.get("statistics")).json()
    assert (statistics["votes"], statistics["model_usage"]) == (voted, {"x": voted, "y": voted})


async def test_void_votes_stay_void_when_their_battle_was_forgotten(
    start: Callable[..., Worker], player: Player, database: Database
) -> None:
    await player.battles(A)
    await player.battles(B, leak="void: name X")
    await forget_older(database, datetime.now(UTC) + timedelta(hours=1))
    worker = start()
    assert wins(await worker.board(include="leaked")) == {"x": 1, "y": 0}


async def test_style_can_be_set_aside(start: Callable[..., Worker], player: Player) -> None:
    for longer in (A, A, A, B) * 5:
        texts = (LONG, "Yes.") if longer is A else ("Yes.", LONG)
        await player.battle(longer, texts=texts)
    for shorter in (A, B):
        await player.battle(shorter, texts=("Yes.", LONG) if shorter is A else (LONG, "Yes."))
    worker = start()
    plain, controlled = await worker.board(), await worker.board(style="length,bold")
    assert set(controlled["method"]["style"]) == {"length", "bold"}
    assert plain["method"]["style"] == {}
    gap = [board["leaderboard"][0]["elo_rating"] - 1000 for board in (plain, controlled)]
    assert 0 < gap[1] < 0.75 * gap[0]


@pytest.mark.parametrize("host", ["gpu", None])
async def test_style_does_not_depend_on_the_host_nor_on_texts_that_were_erased(
    player: Player, database: Database, host: str | None
) -> None:
    for verdict in (A, A, B) * 4:
        texts = (LONG, "Yes.") if verdict is A else ("Yes.", LONG)
        await player.battle(verdict, texts=texts, host=host)
    await player.battle(A, texts=("Yes.", LONG), host=host)
    before = await gathered_board(database, style="all")
    assert abs(before["method"]["style"]["length"]) > 50
    assert before["counts"]["left_out"] == {}

    await forget_older(database, datetime.now(UTC) + timedelta(hours=1))

    assert await gathered_board(database, style="all") == before


async def test_votes_without_style_are_left_out_where_it_is_set_aside_and_counted(
    start: Callable[..., Worker], player: Player
) -> None:
    for verdict in (A, B) * 3:
        await player.battle(verdict, texts=(LONG, "Yes.") if verdict is A else ("Yes.", LONG))
    await player.battles(B, B, texts=("So.", " "))
    worker = start()
    assert wins(await worker.board()) == {"x": 3, "y": 5}
    board = await worker.board(style="length")
    assert (wins(board), board["counts"]["left_out"]) == ({"x": 3, "y": 3}, {"unmeasured": 2})


async def test_style_that_nobody_measured_is_refused(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, B, A, texts=("So.", " "))
    worker = start()
    refused = await worker.get(style="length")
    assert (refused.status_code, refused.json()["field"]) == (400, "style")
    assert "none of the 3 votes" in refused.json()["error"]


async def test_both_bad_counts_as_a_tie_where_that_is_asked_for(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, A, B, BOTH_BAD, BOTH_BAD, TIE)
    worker = start()
    plain, tied = await worker.board(), await worker.board(both_bad="tie")
    assert [board["method"]["both_bad"] for board in (plain, tied)] == ["drop", "tie"]
    assert (plain["counts"]["ties"], plain["counts"]["both_bad"], plain["counts"]["rated"]) == (1, 2, 4)
    assert (tied["counts"]["ties"], tied["counts"]["both_bad"], tied["counts"]["rated"]) == (3, 0, 6)
    gap = [board["leaderboard"][0]["elo_rating"] - board["leaderboard"][1]["elo_rating"] for board in (plain, tied)]
    # 2.5 of 4 points and 3.5 of 6: 400 log10 of the odds.
    assert gap == [
        pytest.approx(400 * math.log10(2.5 / 1.5), abs=0.02),
        pytest.approx(400 * math.log10(3.5 / 2.5), abs=0.02),
    ]


async def test_ties_and_the_gauge_can_be_chosen_and_are_said(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(*[A, A, B, TIE] * 5)
    worker = start()
    plain, chosen = await worker.board(), await worker.board(ties="davidson", anchor="y")
    assert (plain["method"]["ties"], plain["method"]["gauge"]) == ("half_win", "centred")
    assert (chosen["method"]["ties"], chosen["method"]["gauge"], chosen["method"]["anchor"]) == (
        "davidson",
        "anchored",
        "y",
    )
    assert chosen["method"]["tie_parameter"] is not None
    assert [(row["model"], row["elo_rating"] == 1000) for row in chosen["leaderboard"]] == [("x", False), ("y", True)]
    made_up = await worker.get(anchor="nobody")
    assert (made_up.status_code, made_up.json()["field"]) == (400, "anchor")


async def test_words_that_mean_nothing_are_refused_by_name(start: Callable[..., Worker]) -> None:
    worker = start()
    for field, word in (
        ("style", "emoji"),
        ("include", "bots"),
        ("category", "x" * 65),
        ("board", "colour"),
        ("ties", "coin"),
        ("both_bad", "win"),
    ):
        response = await worker.get(**{field: word})
        assert (response.status_code, response.json()["field"]) == (400, field)


async def test_the_speed_board_has_medians_and_tails_by_model_and_host(
    start: Callable[..., Worker], player: Player
) -> None:
    for ttft in (0.1, 0.2, 0.3, 0.4, 2.0):
        await player.battle(A, timing=TIMED.from_dict(TIMED.to_dict() | {"ttft_s": ttft, "tokens_per_s": 10 * ttft}))
    worker = start()
    speed = (await worker.get(board="speed")).json()["speed"]
    assert [(row["model"], row["host"], row["answers"]) for row in speed] == [("x", "gpu", 5), ("y", "gpu", 5)]
    assert (speed[0]["ttft_s_p50"], speed[0]["ttft_s_p95"]) == (0.3, pytest.approx(1.68))
    assert (speed[0]["tokens_per_s_p50"], speed[0]["tokens_per_s_p95"]) == (3.0, pytest.approx(16.8))
    assert (await worker.board())["speed"] == speed
