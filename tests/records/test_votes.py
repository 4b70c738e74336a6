"""The reader of votes: what a ranking is made of."""

from __future__ import annotations

import sqlalchemy as sa

from app.battle.battle import Pair, Side, Status, Verdict
from app.database.database import Database
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.records.votes import JudgedVote
from tests.records.builders import new_answer, new_battle, vote
from tests.records.reading import judged_votes

X = Provenance(ModelIdentity("x", "sha256:1"))
TAKE_BACK = sa.text("UPDATE votes SET retracted_at = '2026-03-01 12:00:00' WHERE battle_id = 'b1'")


async def all_votes(database: Database, **how: int) -> list[JudgedVote]:
    return [vote async for vote in judged_votes(database, **how)]


async def test_a_vote_comes_with_models_contestants_and_marks(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle(language="fr", categories=("code",)))
    first = new_answer(0, side=Side.A, asked=X, fallback=True)
    await ledger.save_answers("b1", [first, new_answer(1, model="y", side=Side.B, leaked=True)])
    await vote(ledger, Verdict.TIE)

    [read] = await all_votes(database)

    assert (read.battle_id, read.round, read.verdict, read.pair) == ("b1", 1, Verdict.TIE, Pair(0, 1))
    assert (read.model_a, read.model_b) == ("x", "y")
    assert (read.contestant_a, read.contestant_b) == (X.identity.id, None)
    assert (read.fallback_a, read.fallback_b, read.fallback) == (True, False, True)
    assert (read.leaked_a, read.leaked_b, read.leaked) == (False, True, True)
    assert read.void is False
    assert (read.language, read.categories) == ("fr", ("code",))


async def test_votes_that_were_taken_back_are_left_out(ledger: Ledger, database: Database) -> None:
    for battle in ("b1", "b2"):
        await ledger.open_battle(new_battle(battle))
        await vote(ledger, battle=battle)
    await database.transaction(lambda c: c.execute(TAKE_BACK) and None)

    assert [read.battle_id for read in await all_votes(database)] == ["b2"]


async def test_chunks_of_any_size_give_every_vote_once_and_in_order(ledger: Ledger, database: Database) -> None:
    for number in range(7):
        await ledger.open_battle(new_battle(f"b{number}"))
        await vote(ledger, battle=f"b{number}")

    whole = await all_votes(database)

    assert [read.battle_id for read in whole] == [f"b{number}" for number in range(7)]
    for chunk in (1, 3, 7):
        assert await all_votes(database, chunk=chunk) == whole
    assert await all_votes(database, after=whole[4].id) == whole[5:]


async def test_a_vote_without_stored_answers_is_named_by_its_battle(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle())
    await ledger.cast_vote("b1", 1, Verdict.A, Pair(2, 1), outcome=Status.RUNNING, key=None)

    [read] = await all_votes(database)

    assert (read.model_a, read.model_b, read.fallback, read.leaked) == ("z", "y", False, False)
