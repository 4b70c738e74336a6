"""Arena JSONL taken back: the same votes, once, whatever is sent twice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.battle.battle import Pair, Side, Status, Verdict
from app.battle.feedback import Feedback, Reason
from app.database.database import Database, migrate
from app.errors import InvalidInput
from app.records.export.formats import Format
from app.records.export.stream import exported
from app.records.imports.importer import BothBad, Imported, Taking, import_lines
from app.records.ledger import Ledger
from app.records.values import BattleCounts, DrawRecord
from tests.records.builders import judged_battle, new_answer
from tests.records.reading import judged_votes

FOREIGN: list[dict[str, Any]] = [
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
    await ledger.feedback.keep("b1", 2, Feedback((Reason.CLEAR,), (), "So it is."))
    drawn = DrawRecord(0.125, "9f3a-7", 0.4)
    await judged_battle(ledger, "b2", (Verdict.BOTH_BAD,), system="Be kind.", options={"k": 1}, drawn=drawn)
    yield database
    await database.aclose()


async def lines_of(database: Database) -> list[bytes]:
    return b"".join([piece async for piece in exported(database, Format.ARENA)]).splitlines(keepends=True)


def jsonl(*rows: dict[str, Any]) -> list[bytes]:
    return [json.dumps(row).encode() + b"\n" for row in rows]


async def test_an_export_taken_back_exports_the_same_bytes(other: Database, database: Database) -> None:
    lines = await lines_of(other)

    assert await import_lines(database, lines) == Imported(added=3, known=0)

    assert await lines_of(database) == lines


async def test_lines_of_an_arena_without_reasons_come_in_as_before(other: Database, database: Database) -> None:
    lines = [json.loads(line) for line in await lines_of(other)]
    for line in lines:
        for name in ("reasons_a", "reasons_b", "comment"):
            del line[name]

    assert await import_lines(database, jsonl(*lines)) == Imported(added=3, known=0)

    again = [json.loads(line) for line in await lines_of(database)]
    assert [(line["reasons_a"], line["reasons_b"], line["comment"]) for line in again] == [([], [], None)] * 3


async def test_a_reason_that_nobody_knows_is_named(other: Database, database: Database) -> None:
    lines = [json.loads(line) for line in await lines_of(other)]
    lines[1]["reasons_b"] = ["nice"]

    taken = await import_lines(database, jsonl(*lines))

    assert (taken.added, taken.refused) == (2, 1)
    assert re.search(r"line 2: reasons_b\.0: .*'useful'", taken.faults[0])


async def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(other: Database, database: Database) -> None:
    first, *rest = await lines_of(other)
    assert await import_lines(database, [b"\xef\xbb\xbf" + first, *rest]) == Imported(added=3, known=0)
    assert await import_lines(database, [first, *rest]) == Imported(added=0, known=3)


async def test_an_imported_battle_has_the_votes_and_marks_that_it_had(other: Database, database: Database) -> None:
    await import_lines(database, await lines_of(other))

    imported, original = [[vote async for vote in judged_votes(which)] for which in (database, other)]

    assert imported == original
    assert [(vote.verdict, vote.leaked, vote.fallback, vote.language) for vote in imported] == [
        (Verdict.A, False, False, "fr"),
        (Verdict.TIE, True, True, "fr"),
        (Verdict.BOTH_BAD, False, False, None),
    ]


@pytest.mark.parametrize("chunk", [1, 2, 100])
async def test_to_import_again_changes_nothing(other: Database, database: Database, chunk: int) -> None:
    lines = await lines_of(other)
    await import_lines(database, lines[:2], chunk=chunk)

    assert await import_lines(database, lines, chunk=chunk) == Imported(added=1, known=2)
    assert await import_lines(database, lines, chunk=chunk) == Imported(added=0, known=3)

    assert await lines_of(database) == lines


async def test_a_vote_that_was_taken_back_here_does_not_come_back(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger)
    lines = await lines_of(database)
    take_back = sa.text("UPDATE votes SET retracted_at = created_at")
    await database.transaction(lambda c: c.execute(take_back) and None)

    assert await import_lines(database, lines) == Imported(added=0, known=1)

    assert await lines_of(database) == []


async def test_votes_of_published_data_sets_are_battles_of_their_own(database: Database) -> None:
    for expected in (Imported(added=3), Imported(known=3)):
        assert await import_lines(database, jsonl(*FOREIGN)) == expected

    votes = [json.loads(line) for line in await lines_of(database)]

    assert [(vote["model_a"], vote["model_b"], vote["verdict"], vote["voter"]) for vote in votes] == [
        ("x", "y", "a", "arena_user_1"),
        ("y", "z", "both_bad", None),
        ("y", "z", "both_bad", None),
    ]
    assert votes[0]["voted_at"] == "1970-01-01T00:00:01.500000Z"
    assert len({vote["battle_id"] for vote in votes}) == 3
    assert await Ledger(database).counts() == BattleCounts(opened=3, finished=3)


async def test_they_leave_and_come_back_as_the_same_votes(database: Database, other: Database) -> None:
    style = {"sum_assistant_a_tokens": 9, "header_count_a": {"h1": 1, "h2": 2}, "list_count_a": {"ordered": 3}}
    style |= {"bold_count_a": {"**": 1, "__": 1}, "sum_assistant_b_tokens": 4, "bold_count_b": {"**": 0}}
    style |= {"header_count_b": {"h1": 0}, "list_count_b": {"ordered": 0, "unordered": 2}}
    tags = {"language": "English", "categories": ["code", "math"], "conv_metadata": style}
    await import_lines(database, jsonl(FOREIGN[0] | tags, FOREIGN[1]))
    lines = await lines_of(database)
    [first, _] = [json.loads(line) for line in lines]

    assert (first["language"], first["categories"]) == ("en", ["code", "math"])
    assert first["answer_a"]["style"] == {"length": 9, "headers": 3, "lists": 3, "bold": 2}
    assert first["answer_b"]["style"] == {"length": 4, "headers": 0, "lists": 2, "bold": 0}
    assert await import_lines(database, lines) == Imported(known=2)
    assert await import_lines(other, lines) == Imported(added=2)
    assert (await lines_of(other))[-2:] == lines
    assert await import_lines(other, lines) == Imported(known=2)


def ten_votes(winner: str) -> list[bytes]:
    """Eight lines that two such files share, and two of their own."""
    return jsonl(*[FOREIGN[1]] * 8, *[{"model_a": "x", "model_b": winner, "winner": "model_a"}] * 2)


async def test_two_files_of_like_votes_lose_none(database: Database) -> None:
    for name in ("first.jsonl", "second.jsonl"):
        done = await import_lines(database, ten_votes(name), taking=Taking(source=name))
        assert done == Imported(added=10)
        assert await import_lines(database, ten_votes(name), taking=Taking(source=name)) == Imported(known=10)

    assert len(await lines_of(database)) == 20


async def test_files_that_are_joined_in_another_order_count_once(database: Database) -> None:
    one = jsonl(*({"model_a": "x", "model_b": "y", "winner": "model_a", "turn": n % 50} for n in range(500)))
    two = jsonl(*({"model_a": "x", "model_b": "z", "winner": "tie", "turn": n % 70} for n in range(500)))

    assert await import_lines(database, one + two) == Imported(added=1000)
    assert await import_lines(database, two + one) == Imported(known=1000)
    assert await import_lines(database, two + one + one[:7]) == Imported(added=7, known=1000)


async def test_names_in_another_order_and_blanks_make_no_other_vote(database: Database) -> None:
    await import_lines(database, jsonl(FOREIGN[0]))
    turned = json.dumps(dict(reversed(FOREIGN[0].items())), indent=None, separators=(" ,", ":  ")).encode()
    assert await import_lines(database, [turned]) == Imported(known=1)


@pytest.mark.parametrize("name", ["question_id", "conversation_id", "id"])
async def test_a_votes_own_id_is_what_it_is_known_by_wherever_it_comes_from(database: Database, name: str) -> None:
    vote = FOREIGN[0] | {name: "58210e39b3fd4441a2bd4a518bb44c2d"}
    await import_lines(database, jsonl(vote), taking=Taking(source="a"))
    same, other = vote | {"language": "English"}, vote | {name: "68210e39b3fd4441a2bd4a518bb44c2d"}

    assert await import_lines(database, jsonl(same, other), taking=Taking(source="b")) == Imported(added=1, known=1)


async def test_a_short_id_is_one_within_its_source_and_for_one_judge_and_turn(database: Database) -> None:
    vote = FOREIGN[0] | {"question_id": 81, "turn": 1}
    others = jsonl(vote, vote | {"turn": 2}, vote | {"judge": ["gpt-4", "pair"]}, vote | {"model_b": "z"})

    assert await import_lines(database, [*others, *others[:1]], taking=Taking(source="a")) == Imported(added=4, known=1)
    assert await import_lines(database, others[:1], taking=Taking(source="b")) == Imported(added=1)


async def test_votes_that_an_earlier_version_took_are_known(database: Database) -> None:
    line = jsonl(FOREIGN[1])[0]
    own = hashlib.sha256(b"%d:%b" % (2, line.strip())).hexdigest()[:24]
    before = json.dumps(FOREIGN[1] | {"battle_id": f"import-{own}"}).encode()
    await import_lines(database, [before])

    assert await import_lines(database, [b"\n", line, line]) == Imported(added=1, known=1)


async def test_a_vote_with_texts_and_without_an_id_counts_once_and_leaves_with_them(database: Database) -> None:
    vote = FOREIGN[0] | {"prompt": "Why?", "answer_a": {"text": "So."}, "answer_b": {"text": "**Thus.**"}}
    assert await import_lines(database, jsonl(vote, vote)) == Imported(added=2)
    assert await import_lines(database, jsonl(vote, vote)) == Imported(known=2)
    [line, _] = await lines_of(database)
    assert json.loads(line)["answer_b"]["text"] == "**Thus.**"
    assert json.loads(line)["answer_b"]["style"]["bold"] == 1
    assert await import_lines(database, [line]) == Imported(known=1)


@pytest.mark.parametrize(
    ("how", "verdicts", "left_out"), [("keep", ["both_bad"] * 2, 0), ("tie", ["tie"] * 2, 0), ("drop", [], 2)]
)
async def test_both_bad_is_kept_or_a_tie_or_left_out(
    database: Database, how: str, verdicts: list[str], left_out: int
) -> None:
    done = await import_lines(database, jsonl(*FOREIGN), taking=Taking(both_bad=BothBad(how)))
    assert done == Imported(added=1 + len(verdicts), both_bad=left_out)
    assert [json.loads(line)["verdict"] for line in await lines_of(database)] == ["a", *verdicts]


async def test_votes_of_those_who_saw_the_names_are_left_out_unless_asked_for(database: Database) -> None:
    lines = jsonl(*(FOREIGN[0] | {"anony": anony, "turn": n} for n, anony in enumerate([True, False, False])))
    assert await import_lines(database, lines) == Imported(added=1, not_blind=2)
    assert await import_lines(database, lines, taking=Taking(not_blind=True)) == Imported(added=2, known=1)


async def test_an_array_is_refused_with_what_to_do(database: Database) -> None:
    with pytest.raises(InvalidInput, match=r"one JSON array.*jq -c"):
        await import_lines(database, [json.dumps(FOREIGN).encode()])


async def test_a_character_that_no_database_holds_is_replaced(database: Database) -> None:
    vote = {"model_a": "x", "model_b": "y", "winner": "tie", "voter": "v\0", "language": "\0"}
    await import_lines(database, jsonl(vote))
    [line] = await lines_of(database)
    assert (json.loads(line)["voter"], json.loads(line)["language"]) == ("v\ufffd", "\ufffd")


async def test_a_battle_that_still_ran_is_taken_as_stopped(ledger: Ledger, database: Database) -> None:
    line = {**FOREIGN[0], "battle_id": "b9", "battle": {"status": "running"}, "voted_at": "2026-03-01T12:00:00Z"}

    await import_lines(database, jsonl(line))

    record = await ledger.battle("b9")
    assert record is not None
    assert (record.status, record.ended_at) == (Status.STOPPED, datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert record.votes[0].pair == Pair(0, 1)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{", "line 3: the line: Invalid JSON"),
        (b"[1]", "line 3: the line: a vote is a JSON object"),
        (b'{"model_a": "x", "model_b": "y", "winner": "tie", "tstamp": "now"}', "line 3: tstamp: "),
        (b'{"model_a": "x", "model_b": "y", "winner": "tie", "tstamp": 1e99}', "line 3: tstamp: "),
        (b'{"model_a": "x", "model_b": "y", "winner": "x"}', "line 3: verdict: "),
        (b'{"model_a": "x", "model_b": "x", "winner": "tie"}', "line 3: the line: .*two models"),
        (b'{"model_b": "x", "winner": "tie"}', "line 3: model_a: Field required"),
        (b'{"model_a": "  ", "model_b": "y", "winner": "tie"}', 'line 3: model_a: "  " has line breaks, invisible'),
        (b'{"model_a": "x", "model_b": "y\\nz", "winner": "tie"}', r"line 3: model_b: y\\nz has line breaks"),
        (b'{"model_a": "x", "model_b": "\\u202ey", "winner": "tie"}', r"line 3: model_b: \\u202ey has line breaks"),
        (
            b'{"battle": {"contestants": ["x", " y"]}, "model_a": "x", "model_b": "z", "winner": "tie"}',
            'line 3: battle.contestants.1: " y" has line breaks',
        ),
        (b'{"model_a": "x", "model_b": "y", "winner": "tie", "voted_at": "today"}', "line 3: voted_at: "),
    ],
)
async def test_a_line_that_is_no_vote_is_named(database: Database, line: bytes, fault: str) -> None:
    good = jsonl(FOREIGN[0])

    done = await import_lines(database, [*good, b"\n", line, *jsonl(FOREIGN[1])], chunk=1)

    assert (done.added, done.refused) == (2, 1)
    assert re.match(fault, done.faults[0])
    assert len(await lines_of(database)) == 2


async def test_only_the_first_refused_lines_are_named(database: Database) -> None:
    done = await import_lines(database, [b"{"] * 25)
    assert (done.refused, len(done.faults)) == (25, 10)
