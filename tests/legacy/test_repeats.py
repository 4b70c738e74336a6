"""What SQL and Redis hold of the last verdict, for clicks too many that reach any worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis

from app.arena.replies import PENDING_FOR, Replies
from app.battle.battle import Pair, Status, Verdict, Vote
from app.database.database import Database, migrate
from app.records.ledger import Ledger
from app.records.values import CastVote, NewBattle
from app.web.legacy.judging import PAGES
from tests.helpers import known, wait_until
from tests.records.conftest import _migrated_file, _shared_url, empty_url, kind, postgres, url

__all__ = ["_migrated_file", "_shared_url", "empty_url", "kind", "postgres", "url"]

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def one_battle(url: str) -> AsyncIterator[tuple[str, Ledger, Clock]]:
    """A database with one battle, and a clock that stands still."""
    database, clock = Database(url), Clock()
    ledger = Ledger(database, clock)
    await ledger.open_battle(NewBattle("b1", "Why?", ("x", "y", "z")))
    yield url, ledger, clock
    await database.aclose()


@pytest.fixture
async def recorded(url: str) -> AsyncIterator[tuple[str, Ledger, Clock]]:
    """One battle on either database."""
    async with one_battle(url) as recorded:
        yield recorded


@pytest.fixture
async def changeable(empty_url: str) -> AsyncIterator[tuple[str, Ledger, Clock]]:
    """One battle on a database whose schema may be changed."""
    await migrate(empty_url)
    async with one_battle(empty_url) as recorded:
        yield recorded


async def cast(
    ledger: Ledger,
    round_number: int = 1,
    verdict: Verdict = Verdict.A,
    request: str | None = "r1",
    outcome: Status = Status.RUNNING,
) -> CastVote:
    pair = Pair(0, round_number)
    return await ledger.cast_vote("b1", round_number, verdict, pair, outcome=outcome, key=None, request_hash=request)


async def test_the_last_vote_is_told_with_the_request_that_it_came_by(recorded: tuple[str, Ledger, Clock]) -> None:
    _, ledger, _ = recorded
    assert await ledger.last_vote("b1") is None
    await cast(ledger)
    last = known(await ledger.last_vote("b1"))
    assert (last.vote, last.request_hash) == (Vote(1, Verdict.A, Pair(0, 1)), "r1")
    assert await ledger.last_vote("b2") is None
    await cast(ledger, 2, Verdict.B, "r2", Status.FINISHED)
    last = known(await ledger.last_vote("b1"))
    assert (last.vote.round, last.request_hash) == (2, "r2")


async def test_a_vote_that_was_taken_back_is_not_the_last_one(recorded: tuple[str, Ledger, Clock]) -> None:
    _, ledger, _ = recorded
    await cast(ledger, request=None)
    assert known(await ledger.last_vote("b1")).request_hash is None
    assert await ledger.retract_vote("b1", 1, timedelta(seconds=2))
    assert await ledger.last_vote("b1") is None


async def test_battles_are_counted_with_those_that_were_judged_to_their_end(
    recorded: tuple[str, Ledger, Clock],
) -> None:
    _, ledger, _ = recorded
    counts = await ledger.counts()
    assert (counts.opened, counts.finished) == (1, 0)
    await ledger.open_battle(NewBattle("b2", "Why?", ("x", "y")))
    await cast(ledger, outcome=Status.FINISHED)
    await ledger.end_battle("b2", Status.STOPPED)
    counts = await ledger.counts()
    assert (counts.opened, counts.finished) == (2, 1)


async def test_the_migration_keeps_the_votes_on_its_way_down_and_up(changeable: tuple[str, Ledger, Clock]) -> None:
    url, ledger, _ = changeable
    await cast(ledger)
    await migrate(url, "0001")
    database = Database(url)
    rows = await database.read(lambda c: c.execute(sa.text("SELECT verdict FROM votes")).scalars().all())
    assert rows == ["a"]
    await database.aclose()
    await migrate(url)
    assert known(await ledger.last_vote("b1")).request_hash is None
    assert known(await ledger.battle("b1")).votes[0].verdict is Verdict.A


async def test_a_reply_is_owed_until_it_is_sent_and_remembered_for_a_moment(
    redis: Redis, no_key_without_ttl: None
) -> None:
    replies = Replies(redis)
    assert await replies.state("b1", 1, "r1") is None
    await replies.mark_pending("b1", 1, "r1")
    assert await replies.state("b1", 1, "r1") == "owed"
    assert [await replies.state(*other) for other in (("b2", 1, "r1"), ("b1", 2, "r1"), ("b1", 1, "r2"))] == [None] * 3
    await replies.mark_sent("b1", 1, "r1")
    assert await replies.state("b1", 1, "r1") == "sent"


async def test_what_was_sent_is_forgotten_and_what_a_dead_worker_owed_is_owed_no_longer_than_a_call_takes(
    redis: Redis,
) -> None:
    replies = Replies(redis, pending_for=timedelta(milliseconds=1), keep_for=timedelta(milliseconds=1))
    await replies.mark_pending("b1", 1, "r1")
    await replies.mark_sent("b1", 2, "r2")

    async def forgotten() -> bool:
        return [await replies.state("b1", number, f"r{number}") for number in (1, 2)] == [None, None]

    await wait_until(forgotten)
    assert PAGES.answer < PENDING_FOR
