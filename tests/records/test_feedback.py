"""What a voter says of his verdict: kept with the vote that stands, and gone with it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.battle.battle import Status, Verdict
from app.battle.feedback import NOTHING_SAID, Feedback, Reason, in_order
from app.database.database import Database
from app.errors import Conflict, NotFound
from app.records.comparisons import comparisons
from app.records.erasure import forget_session
from app.records.ledger import Ledger
from tests.records.builders import OPENING, judged_battle, new_battle, vote

SAID = Feedback((Reason.USEFUL, Reason.CLEAR), (Reason.INCORRECT,), "My sister says so.")
MINUTE = timedelta(minutes=1)


async def row_of(database: Database, battle: str = "b1") -> tuple[object, ...]:
    """The columns as SQL has them, of the battle's only vote."""
    columns = sa.text("SELECT reasons_a, reasons_b, comment FROM votes WHERE battle_id = :of")
    return await database.read(lambda c: tuple(c.execute(columns, {"of": battle}).one()))


def test_each_reason_comes_once_and_in_a_fixed_order() -> None:
    assert in_order(["clear", "useful", "clear"]) == (Reason.USEFUL, Reason.CLEAR)
    with pytest.raises(ValueError, match="'nice'"):
        in_order(["nice"])


async def test_what_is_said_of_a_verdict_is_kept_and_replaced_as_a_whole(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger, Verdict.B)
    assert await ledger.feedback.read("b1", 1) == (Verdict.B, NOTHING_SAID)

    assert await ledger.feedback.keep("b1", 1, SAID) is Verdict.B
    assert await ledger.feedback.read("b1", 1) == (Verdict.B, SAID)

    await ledger.feedback.keep("b1", 1, Feedback(b=(Reason.COMPLETE,)))
    assert await ledger.feedback.read("b1", 1) == (Verdict.B, Feedback(b=(Reason.COMPLETE,)))


async def test_it_belongs_to_its_round_and_stays_when_the_battle_ends(ledger: Ledger) -> None:
    await judged_battle(ledger, verdicts=(Verdict.A, Verdict.TIE))
    await ledger.feedback.keep("b1", 2, SAID)
    assert await ledger.feedback.read("b1", 1) == (Verdict.A, NOTHING_SAID)
    assert await ledger.feedback.read("b1", 2) == (Verdict.TIE, SAID)


async def test_nothing_is_kept_without_a_verdict_that_stands(ledger: Ledger, database: Database) -> None:
    with pytest.raises(NotFound):
        await ledger.feedback.keep("b1", 1, SAID)
    with pytest.raises(NotFound):
        await ledger.feedback.read("b1", 1)
    await ledger.open_battle(new_battle())
    for call in (ledger.feedback.keep("b1", 1, SAID), ledger.feedback.read("b1", 1)):
        with pytest.raises(Conflict, match="round 1 has no verdict") as refused:
            await call
        assert refused.value.code == "not_judged"


async def test_taking_a_verdict_back_drops_what_was_said_of_it(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle())
    await vote(ledger)
    await ledger.feedback.keep("b1", 1, SAID)

    assert await ledger.retract_vote("b1", 1, MINUTE)

    assert await row_of(database) == (None, None, None)
    with pytest.raises(Conflict):
        await ledger.feedback.keep("b1", 1, SAID)
    await ledger.cast_vote("b1", 1, Verdict.B, OPENING, outcome=Status.RUNNING, key=None)
    assert await ledger.feedback.read("b1", 1) == (Verdict.B, NOTHING_SAID)


async def test_erasing_a_battle_drops_the_comment_and_keeps_the_reasons(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger)
    await ledger.feedback.keep("b1", 1, SAID)

    await ledger.erase("b1")

    assert await ledger.feedback.read("b1", 1) == (Verdict.A, Feedback(SAID.a, SAID.b))
    with pytest.raises(Conflict) as refused:
        await ledger.feedback.keep("b1", 1, SAID)
    assert refused.value.code == "erased"
    assert "sister" not in str(await row_of(database))


async def test_a_voters_words_in_battles_of_others_are_erased_with_him(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, "b1", session_id="session-1")
    await judged_battle(ledger, "b2", session_id="session-2")
    await ledger.feedback.keep("b2", 1, SAID)

    await forget_session(database, "session-1", "4f1e")

    assert await ledger.feedback.read("b2", 1) == (Verdict.A, Feedback(SAID.a, SAID.b))


async def test_an_erasure_at_the_same_moment_leaves_no_word(ledger: Ledger, database: Database) -> None:
    for number in range(20):
        battle = f"b{number}"
        await judged_battle(ledger, battle)
        outcomes = await asyncio.gather(
            ledger.feedback.keep(battle, 1, SAID), ledger.erase(battle), return_exceptions=True
        )
        assert outcomes[1] is Status.FINISHED
        assert outcomes[0] is Verdict.A or isinstance(outcomes[0], Conflict)
        assert "sister" not in str(await row_of(database, battle))


async def test_words_that_no_database_holds_are_replaced(ledger: Ledger) -> None:
    await judged_battle(ledger)
    await ledger.feedback.keep("b1", 1, Feedback(comment="a\x00b"))
    assert (await ledger.feedback.read("b1", 1))[1].comment == "a\ufffdb"


async def test_it_is_read_with_the_vote_that_it_belongs_to(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, verdicts=(Verdict.A, Verdict.B))
    await ledger.feedback.keep("b1", 2, SAID)
    read = [one.feedback async for chunk in comparisons(database) for one in chunk]
    assert read == [NOTHING_SAID, SAID]
