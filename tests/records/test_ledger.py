"""Battles and answers in the ledger: what is stored is read as it was, and what is there already stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.battle.battle import Side, Status, Verdict, Vote
from app.database.database import Database
from app.errors import Conflict, NotFound
from app.records.ledger import Ledger
from app.records.saving import stored_answers, unsaved
from app.records.style import AnswerStyle
from app.timing.stopwatch import Timing
from tests.records.builders import NOON, OPENING, Clock, new_answer, new_battle, vote

TIMING = Timing(0.5, 7.25, 0.125, 0.2, 3.5, 11.0, tokens=100, tokens_per_s=28.5, cold=True, thinking_s=1.5)


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
    assert read[0] == replace(good, created_at=NOON, style=AnswerStyle(length=4))
    assert read[2].style is None
    assert read[2].timing == Timing()
    assert (read[2].host, read[2].finish_reason, read[2].error_code) == (None, "error", "timeout")


async def test_the_first_answer_of_an_entry_stays(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    first, second = (
        new_answer(0, text=text, timing=Timing(total_s=s)) for text, s in (("first", 1.5), ("second", 2.0))
    )
    assert await ledger.save_answers("b1", [first])
    assert await ledger.save_answers("b1", [first])

    assert not await ledger.save_answers("b1", [second, new_answer(1, text="other")])
    assert await ledger.save_answers("b1", [])

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


async def test_only_answers_of_which_something_is_not_stored_are_sent_again(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle())
    shown, prefetched, new = (new_answer(entry, side=side) for entry, side in ((0, Side.A), (1, None), (2, None)))
    await ledger.save_answers("b1", [shown, prefetched])
    on_stage = new_answer(1, side=Side.B)

    again = [shown, prefetched, on_stage, new]
    assert await database.read(lambda c: unsaved(stored_answers(c, "b1"), again)) == [on_stage, new]

    await ledger.save_answers("b1", again)
    assert await database.read(lambda c: unsaved(stored_answers(c, "b1"), again)) == []
