"""What SQL holds of the last verdict, for double clicks that reach any worker."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.battle.battle import Pair, Status, Verdict
from app.database import Database, migrate
from app.records.ledger import Ledger
from app.records.values import NewBattle
from tests.records.conftest import _migrated_file, _shared_url, empty_url, kind, postgres, url

__all__ = ["_migrated_file", "_shared_url", "empty_url", "kind", "postgres", "url"]

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SOON = timedelta(seconds=2)


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def one_battle(url):
    """A database with one battle, and a clock that stands still."""
    database, clock = Database(url), Clock()
    ledger = Ledger(database, clock)
    await ledger.open_battle(NewBattle("b1", "Why?", ("x", "y", "z")))
    yield url, ledger, clock
    await database.aclose()


@pytest.fixture
async def house(url):
    """One battle on either database."""
    async with one_battle(url) as house:
        yield house


@pytest.fixture
async def own_house(empty_url):
    """One battle on a database whose schema may be changed."""
    await migrate(empty_url)
    async with one_battle(empty_url) as house:
        yield house


async def cast(ledger, round_number=1, verdict=Verdict.A, request="r1", outcome=Status.RUNNING):
    pair = Pair(0, round_number)
    return await ledger.cast_vote("b1", round_number, verdict, pair, outcome=outcome, key=None, request_hash=request)


async def test_the_same_request_within_the_time_is_a_repeat_whoever_asks(house):
    _, ledger, clock = house
    assert await ledger.repeated_vote("b1", "r1", SOON) is None
    await cast(ledger)
    clock.now = NOW + SOON
    repeated = await ledger.repeated_vote("b1", "r1", SOON)
    assert repeated is not None
    assert (repeated.round, repeated.verdict) == (1, Verdict.A)


async def test_another_request_another_battle_and_a_later_one_are_no_repeats(house):
    _, ledger, clock = house
    await cast(ledger)
    assert await ledger.repeated_vote("b1", "r2", SOON) is None
    assert await ledger.repeated_vote("b2", "r1", SOON) is None
    clock.now = NOW + SOON + timedelta(microseconds=1)
    assert await ledger.repeated_vote("b1", "r1", SOON) is None


async def test_only_the_last_verdict_is_repeated(house):
    _, ledger, _ = house
    await cast(ledger)
    await cast(ledger, 2, Verdict.B, "r2", Status.FINISHED)
    assert await ledger.repeated_vote("b1", "r1", SOON) is None
    assert (await ledger.repeated_vote("b1", "r2", SOON)).round == 2


async def test_a_verdict_that_was_given_without_a_request_is_repeated_by_none(house):
    _, ledger, _ = house
    await cast(ledger, request=None)
    assert await ledger.repeated_vote("b1", "r1", SOON) is None


async def test_battles_are_counted_with_those_that_were_judged_to_their_end(house):
    _, ledger, _ = house
    counts = await ledger.counts()
    assert (counts.opened, counts.finished) == (1, 0)
    await ledger.open_battle(NewBattle("b2", "Why?", ("x", "y")))
    await cast(ledger, outcome=Status.FINISHED)
    await ledger.end_battle("b2", Status.STOPPED)
    counts = await ledger.counts()
    assert (counts.opened, counts.finished) == (2, 1)


async def test_the_migration_keeps_the_votes_on_its_way_down_and_up(own_house):
    url, ledger, _ = own_house
    await cast(ledger)
    await migrate(url, "0001")
    database = Database(url)
    rows = await database.read(lambda c: c.execute(sa.text("SELECT verdict FROM votes")).scalars().all())
    assert rows == ["a"]
    await database.aclose()
    await migrate(url)
    assert await ledger.repeated_vote("b1", "r1", SOON) is None
    assert (await ledger.battle("b1")).votes[0].verdict is Verdict.A
