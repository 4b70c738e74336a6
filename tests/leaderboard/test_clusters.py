"""Boards that know who voted, on which prompts, and since when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import orjson
import pytest

from app.battle.battle import Pair, Status, Verdict
from app.database.database import Database
from app.errors import InvalidInput
from app.leaderboard.gather import gather
from app.leaderboard.making import bodies_of
from app.leaderboard.query import LeaderboardQuery
from app.ranking.choices import Clustering, Effect
from app.records.erasure import forget_session
from app.records.ledger import Ledger
from app.records.values import NewBattle
from tests.leaderboard.conftest import Worker
from tests.leaderboard.playing import TIE, A, B, Player

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")
TODAY = date(2026, 11, 26)


async def gathered_board(database: Database) -> dict[str, Any]:
    """The default board as ``arena board`` makes it."""
    gathered = await gather(database, lambda: (), with_style=False)
    return dict(orjson.loads(bodies_of(gathered, [])[LeaderboardQuery().key]))


async def cast(ledger: Ledger, number: int, verdict: Verdict, voter: str | None, prompt: str) -> None:
    battle = f"battle-{number:04}"
    await ledger.open_battle(NewBattle(battle, prompt, ("x", "y"), session_id=voter))
    await ledger.cast_vote(battle, 1, verdict, Pair(0, 1), outcome=Status.FINISHED, key=None, voter=voter)


async def test_few_voters_and_prompts_that_repeat_are_clusters(start: Callable[..., Worker], ledger: Ledger) -> None:
    for number in range(24):
        verdict = (A, B, A, TIE)[number % 4]
        await cast(ledger, number, verdict, f"voter-{number % 3}", "Why?" if number < 12 else f"Why {number}?")
    worker = start()
    board = await worker.board()
    assert (board["counts"]["voters"], board["counts"]["prompts"]) == (3, 13)
    assert (board["counts"]["largest_voter_share"], board["counts"]["largest_prompt_share"]) == (0.3333, 0.5)
    assert board["method"]["clustered_by"] == ["battle", "voter", "prompt"]
    assert (await worker.board(cluster="battle"))["method"]["clustered_by"] == ["battle", "prompt"]


async def test_what_was_forgotten_has_neither_voter_nor_prompt_and_the_ratings_stay(
    ledger: Ledger, database: Database
) -> None:
    for number in range(12):
        await cast(ledger, number, (A, B, A)[number % 3], f"voter-{number % 2}", "Why?" if number % 3 else "How?")
    before = await gathered_board(database)
    await forget_session(database, "voter-0", "voter-0")
    after = await gathered_board(database)
    assert (before["counts"]["voters"], after["counts"]["voters"]) == (2, 1)
    assert [row["elo_rating"] for row in after["leaderboard"]] == [row["elo_rating"] for row in before["leaderboard"]]


async def test_a_board_begins_at_a_day(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, B, A)
    worker = start()
    assert (await worker.board(since="1d"))["counts"]["votes"] == 3
    later = await worker.board(since="2999-01-01")
    assert (later["counts"]["votes"], later["counts"]["left_out"]) == (0, {"since": 3})
    refused = await worker.get(since="yesterday")
    assert (refused.status_code, refused.json()["field"]) == (400, "since")


async def test_effects_are_served_when_they_are_asked_for(start: Callable[..., Worker], player: Player) -> None:
    for number in range(12):
        await player.battle((A, B, A)[number % 3], *("xy" if number % 2 else "yx"))
    worker = start()
    assert (await worker.board())["method"]["effects"] == {}
    assert set((await worker.board(effects="all"))["method"]["effects"]) == {"side", "champion"}
    assert (await worker.get(effects="charm")).json()["field"] == "effects"
    assert (await worker.get(cluster="moon")).json()["field"] == "cluster"


def test_days_are_read_as_days_and_as_numbers_of_days() -> None:
    assert LeaderboardQuery.of(since="2026-08-31").since == date(2026, 8, 31)
    query = LeaderboardQuery.of(since="30d", today=TODAY)
    assert query.since == date(2026, 10, 27)
    assert query.rules.selection.since_s == datetime(2026, 10, 27, tzinfo=UTC).timestamp()
    assert LeaderboardQuery.of().since is None
    for wrong in ("30", "d", "2026-02-30", "99999999d", "12345d"):
        with pytest.raises(InvalidInput, match=r"since is a day such as 2026-08-31 or a number of days such as 30d"):
            LeaderboardQuery.of(since=wrong, today=date(20, 1, 1))


def test_a_query_is_read_back_from_its_key() -> None:
    for query in (
        LeaderboardQuery(),
        LeaderboardQuery.of("code", "fr", "all", "leaked", "davidson", "x", "tie", "champion", "voter", "2026-08-31"),
    ):
        assert LeaderboardQuery.from_key(query.key) == query
    assert query.effects == (Effect.CHAMPION,)
    assert query.clustering is Clustering.VOTER
    assert LeaderboardQuery.from_key('[null,null,[],[],"half_win",null,false]') is None
