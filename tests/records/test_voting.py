"""Votes in the ledger: the first one counts, and whoever comes later is told what stands."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.battle.battle import Pair, Status, Verdict, Vote
from app.database.database import Database
from app.errors import Conflict, NotFound
from app.records.ledger import Ledger
from app.records.tables import battles, votes
from tests.records.builders import NOON, OPENING, Clock, new_battle, vote


async def take_back(database: Database, round: int) -> None:
    """What taking back a vote does to the rows."""

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.update(votes).where(votes.c.round == round).values(retracted_at=NOON))
        connection.execute(sa.update(battles).values(round=round))

    await database.transaction(work)


async def test_the_first_vote_counts_and_opens_the_next_round(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())

    cast = await vote(ledger, Verdict.B)

    read = await ledger.battle("b1")
    assert read is not None
    assert (cast.counted, cast.repeated, cast.status) == (True, False, Status.RUNNING)
    assert cast.standing == Vote(1, Verdict.B, OPENING)
    assert (read.round, read.status, read.ended_at, read.votes) == (2, Status.RUNNING, None, (cast.standing,))


async def test_the_last_vote_ends_the_battle(dated: Ledger, clock: Clock) -> None:
    await dated.open_battle(new_battle())
    clock.now += timedelta(minutes=1)

    cast = await vote(dated, outcome=Status.FINISHED)

    read = await dated.battle("b1")
    assert read is not None
    assert cast.status is Status.FINISHED
    assert (read.status, read.round, read.ended_at) == (Status.FINISHED, 1, NOON + timedelta(minutes=1))


async def test_votes_are_read_in_round_order(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger, Verdict.B)
    await ledger.cast_vote("b1", 2, Verdict.BOTH_BAD, Pair(2, 1), outcome=Status.FINISHED, key=None)

    read = await ledger.battle("b1")

    assert read is not None
    assert read.votes == (Vote(1, Verdict.B, Pair(0, 1)), Vote(2, Verdict.BOTH_BAD, Pair(2, 1)))


@pytest.mark.parametrize("key", [None, "k"])
async def test_the_same_vote_again_is_told_that_it_stands(ledger: Ledger, key: str | None) -> None:
    await ledger.open_battle(new_battle())
    first = await vote(ledger, Verdict.TIE, key=key)

    again = await vote(ledger, Verdict.TIE, key=key)

    assert (again.counted, again.repeated) == (False, True)
    assert again.standing == first.standing


async def test_another_verdict_for_a_judged_round_is_told_which_one_stands(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger, Verdict.A, key="mine")

    late = await vote(ledger, Verdict.B, key="yours")

    assert (late.counted, late.repeated, late.status) == (False, False, Status.RUNNING)
    assert late.standing == Vote(1, Verdict.A, OPENING)


async def test_a_vote_for_a_round_that_is_not_open_changes_nothing(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())

    early = await vote(ledger, round=2)

    read = await ledger.battle("b1")
    assert read is not None
    assert (early.counted, early.repeated, early.standing, early.status) == (False, False, None, Status.RUNNING)
    assert (read.round, read.votes) == (1, ())


async def test_a_vote_after_the_end_learns_how_it_ended(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await ledger.end_battle("b1", Status.STOPPED)

    late = await vote(ledger)

    assert (late.counted, late.repeated, late.standing, late.status) == (False, False, None, Status.STOPPED)


async def test_a_vote_on_an_unknown_battle_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        await vote(ledger, battle="nobody")


@pytest.mark.parametrize(("round", "verdict"), [(2, Verdict.A), (1, Verdict.B), (3, Verdict.A)])
async def test_a_key_of_another_vote_is_refused_and_changes_nothing(
    ledger: Ledger, round: int, verdict: Verdict
) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger, Verdict.A, key="k")

    with pytest.raises(Conflict) as refused:
        await vote(ledger, verdict, round=round, key="k")

    read = await ledger.battle("b1")
    assert refused.value.code == "idempotency_key_reused"
    assert read is not None
    assert (read.round, read.votes) == (2, (Vote(1, Verdict.A, OPENING),))


async def test_a_key_counts_within_its_battle_only(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle("b1"))
    await ledger.open_battle(new_battle("b2"))

    assert (await vote(ledger, battle="b1", key="k")).counted
    assert (await vote(ledger, Verdict.B, battle="b2", key="k")).counted


async def test_a_round_whose_vote_was_taken_back_can_be_judged_again(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger, Verdict.A, key="k1")
    await take_back(database, 1)

    again = await vote(ledger, Verdict.B, key="k2")

    read = await ledger.battle("b1")
    assert again.counted
    assert read is not None
    assert read.votes == (Vote(1, Verdict.B, OPENING),)


@pytest.mark.parametrize("verdict", [Verdict.A, Verdict.B])
@pytest.mark.parametrize("judged_again", [False, True])
async def test_the_key_of_a_vote_that_was_taken_back_is_refused(
    ledger: Ledger, database: Database, verdict: Verdict, judged_again: bool
) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger, Verdict.A, key="k1")
    await take_back(database, 1)
    if judged_again:
        await vote(ledger, Verdict.A, key="k2")

    with pytest.raises(Conflict) as refused:
        await vote(ledger, verdict, key="k1")

    assert refused.value.code == "vote_taken_back"


async def test_the_first_end_of_a_battle_stands(dated: Ledger, clock: Clock) -> None:
    await dated.open_battle(new_battle())

    assert await dated.end_battle("b1", Status.STOPPED) is Status.STOPPED
    clock.now += timedelta(minutes=1)
    assert await dated.end_battle("b1", Status.FAILED) is Status.STOPPED

    read = await dated.battle("b1")
    assert read is not None
    assert (read.status, read.ended_at) == (Status.STOPPED, NOON)


async def test_the_end_of_an_unknown_battle_is_not_found(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        await ledger.end_battle("nobody", Status.STOPPED)
