from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.battle.battle import Pair, Status, Verdict, Vote
from app.database import Database
from app.errors import Conflict, NotFound
from app.records.ledger import Ledger
from app.records.tables import battles, votes
from app.timing.stopwatch import Timing
from tests.records.builders import OPENING, new_answer, new_battle, vote

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
TIMING = Timing(0.5, 7.25, 0.125, 0.2, 3.5, 11.0, tokens=100, tokens_per_s=28.5, cold=True, thinking_s=1.5)


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dated(database: Database, clock: Clock) -> Ledger:
    """The ledger with the clock that the test sets."""
    return Ledger(database, clock)


async def take_back(database: Database, round: int) -> None:
    """What taking back a vote does to the rows."""

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.update(votes).where(votes.c.round == round).values(retracted_at=NOON))
        connection.execute(sa.update(battles).values(round=round))

    await database.transaction(work)


async def test_a_battle_is_read_as_it_was_opened(dated: Ledger) -> None:
    options = {"temperature": 0.5, "stop": ["a", "ü"], "seed": None, "nested": {"deep": True}}
    asked = new_battle(
        session_id="s1", system="Be brief.", options=options, idempotency_key="k1", request_hash="h1", message="Why? 🦉"
    )

    opened = await dated.open_battle(asked)
    read = await dated.battle("b1")

    assert opened.created
    assert read is not None
    assert not read.created
    for record in (opened, read):
        assert (record.message, record.system, record.session_id) == ("Why? 🦉", "Be brief.", "s1")
        assert record.contestants == ("x", "y", "z")
        assert record.options == options
        assert (record.status, record.round, record.votes) == (Status.RUNNING, 1, ())
        assert (record.created_at, record.ended_at) == (NOON, None)


async def test_an_unknown_battle_is_none(ledger: Ledger) -> None:
    assert await ledger.battle("nobody") is None
    assert await ledger.answers("nobody") == {}


async def test_the_same_request_under_the_same_key_is_the_same_battle(ledger: Ledger) -> None:
    first = await ledger.open_battle(new_battle("b1", idempotency_key="k", request_hash="h"))
    again = await ledger.open_battle(new_battle("b2", idempotency_key="k", request_hash="h"))

    assert (first.created, again.created) == (True, False)
    assert again.id == "b1"
    assert await ledger.battle("b2") is None


async def test_another_request_under_the_same_key_is_refused(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle("b1", idempotency_key="k", request_hash="h"))

    with pytest.raises(Conflict) as refused:
        await ledger.open_battle(new_battle("b2", idempotency_key="k", request_hash="other"))

    assert refused.value.code == "idempotency_key_reused"


async def test_a_repeated_request_gets_the_votes_that_were_cast_since(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle(idempotency_key="k", request_hash="h"))
    await vote(ledger, Verdict.TIE)

    again = await ledger.open_battle(new_battle("b2", idempotency_key="k", request_hash="h"))

    assert again.votes == (Vote(1, Verdict.TIE, OPENING),)
    assert again.round == 2


async def test_a_battle_sent_twice_is_one_battle(ledger: Ledger) -> None:
    assert (await ledger.open_battle(new_battle())).created
    assert not (await ledger.open_battle(new_battle())).created


async def test_another_battle_under_the_same_id_is_refused(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())

    with pytest.raises(Conflict) as refused:
        await ledger.open_battle(new_battle(message="Something else?"))

    assert refused.value.code == "battle_exists"


async def test_a_session_finds_its_newest_battle(dated: Ledger, clock: Clock) -> None:
    await dated.open_battle(new_battle("old", session_id="s"))
    clock.now += timedelta(microseconds=1)
    await dated.open_battle(new_battle("new", session_id="s"))
    await dated.open_battle(new_battle("other", session_id="t"))

    assert await dated.newest_of_session("s") == "new"
    assert await dated.newest_of_session("nobody") is None


async def test_battles_that_still_run_are_found_the_oldest_first(dated: Ledger, clock: Clock) -> None:
    for name in ("first", "ended", "second", "third"):
        await dated.open_battle(new_battle(name))
        clock.now += timedelta(seconds=10)
    await dated.end_battle("ended", Status.STOPPED)

    assert [battle.id for battle in await dated.unended(timedelta(seconds=20), 10)] == ["first", "second"]
    assert [battle.id for battle in await dated.unended(timedelta(0), 10)] == ["first", "second", "third"]
    assert [battle.id for battle in await dated.unended(timedelta(0), 1)] == ["first"]


async def test_battles_that_still_run_are_found_page_by_page_with_their_round(dated: Ledger, clock: Clock) -> None:
    for name in ("b", "c", "a"):  # two at one moment, and one after it
        await dated.open_battle(new_battle(name))
        clock.now += timedelta(seconds=name == "c")
    await dated.cast_vote("c", 1, Verdict.A, OPENING, outcome=Status.RUNNING, key=None)

    (first,) = await dated.unended(timedelta(0), 1)
    (second,) = await dated.unended(timedelta(0), 1, first)
    (third,) = await dated.unended(timedelta(0), 5, second)

    assert [(one.id, one.round) for one in (first, second, third)] == [("b", 1), ("c", 2), ("a", 1)]
    assert await dated.unended(timedelta(0), 5, third) == ()


async def test_an_answer_is_read_as_it_was_saved(dated: Ledger) -> None:
    good = new_answer(0, text="So.\n", attempts=2, fallback=True, timing=TIMING)
    failed = new_answer(2, model="z", host=None, text="", finish_reason="error", error_code="timeout")
    await dated.open_battle(new_battle())

    await dated.save_answers("b1", [failed, good])
    read = await dated.answers("b1")

    assert list(read) == [0, 2]
    assert read[0] == new_answer(0, text="So.\n", attempts=2, fallback=True, timing=TIMING, created_at=NOON)
    assert read[2].timing == Timing()
    assert (read[2].host, read[2].finish_reason, read[2].error_code) == (None, "error", "timeout")


async def test_the_first_answer_of_an_entry_stays(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await ledger.save_answers("b1", [new_answer(0, text="first")])

    await ledger.save_answers("b1", [new_answer(0, text="second"), new_answer(1, text="other")])
    await ledger.save_answers("b1", [])

    assert {entry: answer.text for entry, answer in (await ledger.answers("b1")).items()} == {0: "first", 1: "other"}


async def test_an_answer_without_a_battle_is_refused(ledger: Ledger) -> None:
    with pytest.raises(NotFound):
        await ledger.save_answers("nobody", [new_answer()])


async def test_text_that_no_database_can_hold_is_kept_with_marks_in_its_place(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle(message="a\x00b", session_id="s\ud800"))
    await ledger.save_answers("b1", [new_answer(text="half \ud83e and end \udd89\x00 whole \ud83e\udd89")])

    read = await ledger.battle("b1")

    assert read is not None
    assert read.message == "a\ufffdb"
    assert (await ledger.answers("b1"))[0].text == "half \ufffd and end \ufffd\ufffd whole 🦉"
    assert await ledger.newest_of_session("s\ud800") == "b1"


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
