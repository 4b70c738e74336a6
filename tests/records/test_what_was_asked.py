"""Rounds, identities, marks and voters in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from app.battle.battle import Pair, Side, Status, Verdict
from app.database.database import Database
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.records.values import RoundRecord
from tests.records.builders import OPENING, new_answer, new_battle

ASKED = Provenance(ModelIdentity("x:7b", "sha256:1", "Q4_K_M", {"num_ctx": 4096, "seed": 7}), "Be brief.")


async def rows(database: Database, sql: str) -> list[tuple[object, ...]]:
    return await database.read(lambda c: [tuple(row) for row in c.execute(sa.text(sql))])


def test_weights_quantisation_and_options_make_a_contestant_and_neither_name_nor_seed_do() -> None:
    one = ModelIdentity("x:7b", "sha256:1", "Q4_K_M", {"num_ctx": 4096, "seed": 1})

    assert one.id == ModelIdentity("x:latest", "sha256:1", "Q4_K_M", {"seed": 2, "num_ctx": 4096}).id
    assert one.id != ModelIdentity("x:7b", "sha256:2", "Q4_K_M", one.options).id
    assert one.id != ModelIdentity("x:7b", "sha256:1", "Q8_0", one.options).id
    assert one.id != ModelIdentity("x:7b", "sha256:1", "Q4_K_M", {"num_ctx": 8192}).id


def test_a_model_without_a_digest_is_known_by_its_name() -> None:
    assert ModelIdentity("x").id != ModelIdentity("y").id
    assert ModelIdentity("x").id == ModelIdentity("x").id


async def test_an_answer_is_kept_with_all_that_it_was_asked_with(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle())
    answer = new_answer(model="x:7b", side=Side.A, asked=ASKED, leaked=True, leak="I am X", fallback=True)

    await ledger.save_answers("b1", [answer])

    read = (await ledger.answers("b1"))[0]
    assert (read.asked, read.side, read.leaked, read.leak, read.fallback) == (ASKED, Side.A, True, "I am X", True)
    met = await rows(database, "SELECT id, model, digest, quantization FROM contestants")
    assert met == [(ASKED.identity.id, "x:7b", "sha256:1", "Q4_K_M")]


async def test_a_prefetched_answer_gets_its_side_when_it_comes_on_stage_and_nothing_else(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle())
    await ledger.save_answers("b1", [new_answer(2, text="first")])

    await ledger.save_answers("b1", [new_answer(2, text="second", side=Side.B)])
    await ledger.save_answers("b1", [new_answer(2, text="third", side=Side.A)])
    await ledger.save_answers("b1", [new_answer(2, text="fourth")])

    read = (await ledger.answers("b1"))[2]
    assert (read.text, read.side) == ("first", Side.B)


async def test_a_rounds_pair_changes_until_it_is_judged(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle("b0"))
    await ledger.save_answers("b0", [], [RoundRecord(1, OPENING, ready=True)])
    await ledger.cast_vote("b0", 1, Verdict.A, OPENING, outcome=Status.RUNNING, key=None)
    await ledger.open_battle(new_battle())
    shown = "SELECT entry_a, entry_b, ready_at IS NULL FROM rounds WHERE battle_id = 'b1'"
    await ledger.save_answers("b1", [], [RoundRecord(1, Pair(0, 2), ready=True)])
    await ledger.save_answers("b1", [], [RoundRecord(1, Pair(0, 1), ready=False)])
    assert await rows(database, shown) == [(0, 1, True)]
    await ledger.save_answers("b1", [], [RoundRecord(1, Pair(0, 1), ready=True)])
    await ledger.save_answers("b1", [], [RoundRecord(1, Pair(0, 1), ready=False)])
    assert await rows(database, shown) == [(0, 1, False)]

    await ledger.cast_vote("b1", 1, Verdict.A, OPENING, outcome=Status.RUNNING, key=None)
    await ledger.save_answers("b1", [], [RoundRecord(1, Pair(3, 2), ready=True)])

    assert await rows(database, shown) == [(0, 1, False)]


async def test_a_vote_is_kept_with_voter_clock_and_the_leaks_of_what_it_judged(
    ledger: Ledger, database: Database
) -> None:
    await ledger.open_battle(new_battle())
    await ledger.save_answers("b1", [new_answer(0), new_answer(1, leaked=True)])
    theirs = datetime(2026, 3, 1, 12, tzinfo=UTC)

    await ledger.cast_vote(
        "b1", 1, Verdict.A, OPENING, outcome=Status.RUNNING, key=None, voter="4f1e", client_at=theirs
    )

    [(voter, a, b, clock)] = await rows(database, "SELECT voter, leaked_a, leaked_b, client_at FROM votes")
    assert (voter, bool(a), bool(b)) == ("4f1e", False, True)
    assert str(clock).startswith("2026-03-01 12:00:00")


async def test_language_and_categories_come_back_as_they_were_given(ledger: Ledger) -> None:
    await ledger.open_battle(new_battle("b1", language="fr", categories=("maths", "code")))
    await ledger.open_battle(new_battle("b2"))

    known, unknown = await ledger.battle("b1"), await ledger.battle("b2")

    assert known is not None
    assert unknown is not None
    assert (known.language, known.categories) == ("fr", ("maths", "code"))
    assert (unknown.language, unknown.categories) == (None, None)
