"""What a battle did to the board: from the fit before its votes and the one with them, and from no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from app.battle.battle import Status, Verdict
from app.database.database import Database
from app.leaderboard.cache import TURN
from app.leaderboard.change import CountedVote, StoredFit, changes
from app.ranking.votes import JudgedPair, Mark, Selection
from app.records.ledger import Ledger
from tests.leaderboard.conftest import Worker
from tests.leaderboard.playing import TIE, A, B, Player
from tests.services import app_with, services_with

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")


class Arena:
    """A worker that makes boards when it is told to, and the call under test."""

    def __init__(self, worker: Worker, database: Database, redis: Redis) -> None:
        self.worker, self._redis = worker, redis
        manager = SimpleNamespace(record=Ledger(database).battle)
        transport = httpx.ASGITransport(app_with(services_with(manager=manager, boards=worker.boards)))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://arena")

    async def refit(self) -> None:
        await self._redis.delete(TURN)
        self.worker.boards._rested = lambda head: True  # type: ignore[method-assign]
        assert await self.worker.boards.refresh()

    async def change(self, battle: str) -> dict[str, Any]:
        reply = await self._http.get(f"/api/arena/battles/{battle}/board-change")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())


@pytest.fixture
def arena(start: Callable[..., Worker], database: Database, redis: Redis) -> Arena:
    return Arena(start(running=False), database, redis)


def ratings(board: dict[str, Any]) -> dict[str, float]:
    return {row["model"]: row["elo_rating"] for row in board["leaderboard"]}


async def test_a_battle_counts_with_the_next_fit_and_both_fits_are_told(arena: Arena, player: Player) -> None:
    await player.battles(A, A, B, TIE)
    await arena.refit()
    before = ratings(await arena.worker.board())
    mine = await player.battle(A)
    assert (await arena.change(mine))["state"] == "not_yet"
    await player.battle(B)
    await arena.refit()
    after = ratings(await arena.worker.board())
    explained = await arena.change(mine)
    assert (explained["state"], explained["votes"], explained["other_votes"], explained["left_out"]) == (
        "counted",
        1,
        1,
        {},
    )
    shown = {one["model"]: (one["before"]["elo_rating"], one["after"]["elo_rating"]) for one in explained["models"]}
    assert shown == {model: (before[model], after[model]) for model in ("x", "y")}
    await player.battle(A)
    await arena.refit()
    assert await arena.change(mine) == explained, "later fits are of other battles"


async def test_a_battle_counts_when_it_ends_and_a_new_model_has_no_before(arena: Arena, player: Player) -> None:
    await player.battles(A, B)
    await arena.refit()
    mine = await player.battle(A, "x", "z", end=Status.STOPPED)
    await player.battle(B)
    await arena.refit()
    assert (await arena.change(mine))["state"] == "not_yet"
    await player.end(mine)
    await arena.refit()
    change = await arena.change(mine)
    assert (change["votes"], change["other_votes"]) == (1, 0)
    explained = {one["model"]: one for one in change["models"]}
    assert explained["z"]["before"] is None
    assert explained["z"]["after"]["bounds"] == "at_most"  # it lost its only vote
    assert explained["x"]["before"] is not None


async def test_a_vote_that_does_not_count_says_why(arena: Arena, player: Player) -> None:
    await player.battles(A, B)
    await arena.refit()
    mine = await player.battle(A, leaked=True)
    await arena.refit()
    explained = await arena.change(mine)
    assert (explained["votes"], explained["left_out"]) == (0, {"leaked": 1})
    assert all(one["before"] == one["after"] for one in explained["models"])


async def test_without_the_fit_before_nothing_is_made_up(arena: Arena, player: Player, redis: Redis) -> None:
    await player.battle(A)
    mine = await player.battle(B)
    await arena.refit()
    await redis.flushall()
    await player.battle(A)
    await arena.refit()
    await player.battle(A)
    await arena.refit()
    assert (await arena.change(mine))["state"] in {"not_yet", "past"}
    assert await arena.worker.boards.change(mine, datetime.now(UTC) - timedelta(minutes=1)) is True
    assert await arena.worker.boards.change(mine, datetime.now(UTC) + timedelta(minutes=1)) is False


def vote(battle: str, at_s: float, verdict: Verdict = A, **how: Any) -> JudgedPair:
    return JudgedPair("x", "y", verdict, battle, at_s=at_s, **how)


def fit(rows: list[JudgedPair], most: int = 10) -> StoredFit:
    body = {"counts": {"votes": len(rows)}, "leaderboard": []}
    return StoredFit(orjson.dumps(body), CountedVote.of(rows, most))


def test_only_battles_that_are_surely_new_are_told() -> None:
    """A fit knows its newest battles only; what is older than these may have been counted long ago."""
    old = [vote(f"old-{n}", float(n)) for n in range(6)]
    before = fit(old, most=3)
    assert before.counted == CountedVote(3.0, frozenset({"old-4", "old-5"}))
    late, new = vote("late", 2.5), vote("new", 6.0, marks=frozenset({Mark.FALLBACK}))
    explained = changes(before, fit([*old, late, new]), [*old, late, new], Selection())
    assert set(explained) == {"new"}
    assert orjson.loads(explained["new"])["left_out"] == {"fallback": 1}
    assert CountedVote.from_bytes(before.counted.to_bytes()) == before.counted
