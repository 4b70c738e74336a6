"""Arena JSONL taken back: the same votes, once, whatever is sent twice."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.battle.battle import Pair, Side, Status, Verdict
from app.database.database import Database, migrate
from app.errors import InvalidInput
from app.records.export.formats import Format
from app.records.export.stream import exported
from app.records.imports.importer import Imported, import_lines
from app.records.ledger import Ledger
from app.records.votes import judged_votes
from tests.records.builders import judged_battle, new_answer

FOREIGN = [
    {"model_a": "x", "model_b": "y", "winner": "model_a", "judge": "arena_user_1", "tstamp": 1.5},
    {"model_a": "y", "model_b": "z", "winner": "tie (bothbad)"},
    {"model_a": "y", "model_b": "z", "winner": "tie (bothbad)"},
]


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Database]:
    """Another arena's database, with two battles that were played there."""
    await migrate(f"sqlite:///{tmp_path}/other.db")
    database = Database(f"sqlite:///{tmp_path}/other.db")
    ledger = Ledger(database)
    marked = new_answer(2, model="z", leaked=True, leak="I am Z", fallback=True, side=Side.B)
    await judged_battle(ledger, "b1", (Verdict.A, Verdict.TIE), (marked,), language="fr", categories=("code",))
    await judged_battle(ledger, "b2", (Verdict.BOTH_BAD,), system="Be kind.", options={"k": 1})
    yield database
    await database.aclose()


async def lines_of(database: Database) -> list[bytes]:
    return b"".join([piece async for piece in exported(database, Format.ARENA)]).splitlines(keepends=True)


def jsonl(*rows: dict[str, Any]) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


async def test_an_export_taken_back_exports_the_same_bytes(other: Database, database: Database) -> None:
    lines = await lines_of(other)

    assert await import_lines(database, lines) == Imported(votes=3, known=0)

    assert await lines_of(database) == lines


async def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(other: Database, database: Database) -> None:
    first, *rest = await lines_of(other)
    assert await import_lines(database, [b"\xef\xbb\xbf" + first, *rest]) == Imported(votes=3, known=0)
    assert await import_lines(database, [first, *rest]) == Imported(votes=0, known=3)


async def test_an_imported_battle_has_the_votes_and_marks_that_it_had(other: Database, database: Database) -> None:
    await import_lines(database, await lines_of(other))

    here, there = [[vote async for vote in judged_votes(which)] for which in (database, other)]

    assert here == there
    assert [(vote.verdict, vote.leaked, vote.fallback, vote.language) for vote in here] == [
        (Verdict.A, False, False, "fr"),
        (Verdict.TIE, True, True, "fr"),
        (Verdict.BOTH_BAD, False, False, None),
    ]


@pytest.mark.parametrize("chunk", [1, 2, 100])
async def test_to_import_again_changes_nothing(other: Database, database: Database, chunk: int) -> None:
    lines = await lines_of(other)
    await import_lines(database, lines[:2], chunk=chunk)

    assert await import_lines(database, lines, chunk=chunk) == Imported(votes=1, known=2)
    assert await import_lines(database, lines, chunk=chunk) == Imported(votes=0, known=3)

    assert await lines_of(database) == lines


async def test_a_vote_that_was_taken_back_here_does_not_come_back(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger)
    lines = await lines_of(database)
    take_back = sa.text("UPDATE votes SET retracted_at = created_at")
    await database.transaction(lambda c: c.execute(take_back) and None)

    assert await import_lines(database, lines) == Imported(votes=0, known=1)

    assert await lines_of(database) == []


async def test_votes_of_published_data_sets_are_battles_of_their_own(database: Database) -> None:
    for expected in (Imported(votes=3), Imported(known=3)):
        assert await import_lines(database, jsonl(*FOREIGN)) == expected

    votes = [vote async for vote in judged_votes(database)]

    assert [(vote.model_a, vote.model_b, vote.verdict) for vote in votes] == [
        ("x", "y", Verdict.A),
        ("y", "z", Verdict.BOTH_BAD),
        ("y", "z", Verdict.BOTH_BAD),
    ]
    assert len({vote.battle_id for vote in votes}) == 3


async def test_a_battle_that_still_ran_is_taken_as_stopped(ledger: Ledger, database: Database) -> None:
    line = {**FOREIGN[0], "battle_id": "b9", "battle": {"status": "running"}, "voted_at": "2026-03-01T12:00:00Z"}

    await import_lines(database, jsonl(line))

    record = await ledger.battle("b9")
    assert record is not None
    assert (record.status, record.ended_at) == (Status.STOPPED, datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert record.votes[0].pair == Pair(0, 1)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "line 3: the line: Invalid JSON"),
        (b'{"model_a": "x", "model_b": "y", "winner": "x"}', "line 3: verdict: "),
        (b'{"model_a": "x", "model_b": "x", "winner": "tie"}', "line 3: the line: .*two models"),
        (b'{"model_b": "x", "winner": "tie"}', "line 3: model_a: Field required"),
        (b'{"model_a": "x", "model_b": "y", "winner": "tie", "voted_at": "today"}', "line 3: voted_at: "),
    ],
)
async def test_a_line_that_is_no_vote_is_named(database: Database, line: bytes, told: str) -> None:
    good = jsonl(FOREIGN[0])

    with pytest.raises(InvalidInput, match=told):
        await import_lines(database, [*good, b"\n", line], chunk=1)

    assert len(await lines_of(database)) == 1
