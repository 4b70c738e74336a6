"""Exports: what is in a line, and what never is."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Verdict
from app.battle.feedback import Feedback, Reason
from app.database.database import Database
from app.leaks.policy import Policy, is_leaked, mark_of
from app.leaks.scanner import Leak
from app.records.comparisons import Period
from app.records.export.formats import CSV_COLUMNS, Format
from app.records.export.stream import exported, redactor
from app.records.imports.importer import import_lines
from app.records.ledger import Ledger
from app.records.tables import votes
from app.records.values import DrawRecord
from tests.records.builders import ASKED, judged_battle, new_answer

SECRET = "my sister's name is Ada"
DOCS = Path(__file__).parents[2] / "docs" / "export.md"


async def whole(database: Database, form: Format, **how: Any) -> str:
    return b"".join([piece async for piece in exported(database, form, **how)]).decode()


async def rows(database: Database, form: Format, **how: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (await whole(database, form, **how)).splitlines()]


async def table(database: Database, **how: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(await whole(database, Format.CSV, **how), newline="")))


async def test_a_preference_is_a_pair_of_what_was_chosen_and_what_was_not(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, verdicts=(Verdict.A, Verdict.B), message="Why?")

    first, second = await rows(database, Format.DPO)

    assert (first["schema"], first["prompt"], first["chosen"], first["rejected"]) == (
        "dpo/1",
        "Why?",
        "x says so.",
        "y says so.",
    )
    assert (first["preference_strength"], first["system"]) == (1.0, "Be brief.")
    metadata = first["metadata"]
    assert (metadata["battle_id"], metadata["round"], metadata["voter"], metadata["preference"]) == (
        "b1",
        1,
        "4f1e",
        "a",
    )
    assert (metadata["chosen_model"], metadata["rejected_model"]) == ("x", "y")
    assert metadata["chosen"]["options"] == {"num_ctx": 4096, "seed": 7}
    assert metadata["chosen"]["contestant"] == ASKED["x"].identity.id
    assert metadata["rejected"]["quantization"] == "Q8_0"
    assert (second["chosen"], second["rejected"], second["system"]) == ("z says so.", "x says so.", None)


@pytest.mark.parametrize("verdict", [Verdict.TIE, Verdict.BOTH_BAD])
async def test_a_verdict_for_nobody_is_no_preference(ledger: Ledger, database: Database, verdict: Verdict) -> None:
    await judged_battle(ledger, verdicts=(verdict,))
    assert await rows(database, Format.DPO) == []


async def test_a_tie_is_two_opposite_pairs_only_when_asked_for(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, "b1", (Verdict.TIE,))
    await judged_battle(ledger, "b2", (Verdict.BOTH_BAD,))

    pairs = [(row["chosen"], row["rejected"]) for row in await rows(database, Format.DPO, with_ties=True)]
    strengths = {row["preference_strength"] for row in await rows(database, Format.DPO, with_ties=True)}

    assert pairs == [("x says so.", "y says so."), ("y says so.", "x says so.")]
    assert strengths == {0.5}


@pytest.mark.parametrize(
    ("verdict", "ranks"),
    [(Verdict.A, [1, 2]), (Verdict.B, [2, 1]), (Verdict.TIE, [1, 1]), (Verdict.BOTH_BAD, [0, 0])],
)
async def test_rlhf_ranks_both_answers(ledger: Ledger, database: Database, verdict: Verdict, ranks: list[int]) -> None:
    await judged_battle(ledger, verdicts=(verdict,))

    [row] = await rows(database, Format.RLHF)

    assert row["schema"] == "rlhf/1"
    assert [one["rank"] for one in row["responses"]] == ranks
    assert [one["text"] for one in row["responses"]] == ["x says so.", "y says so."]
    assert [one["model"] for one in row["responses"]] == ["x", "y"]


@pytest.mark.parametrize("text", ["", " \n"])
@pytest.mark.parametrize("form", [Format.DPO, Format.RLHF])
async def test_no_pair_has_an_empty_text(ledger: Ledger, database: Database, form: Format, text: str) -> None:
    await judged_battle(ledger, answers=(new_answer(1, model="y", text=text),))
    assert await rows(database, form) == []


@pytest.mark.parametrize("form", list(Format))
async def test_the_text_of_a_failed_answer_is_in_no_export(ledger: Ledger, database: Database, form: Format) -> None:
    broken = new_answer(1, model="y", text="CUDA error: out of", finish_reason="error", error_code="cut_off")
    await judged_battle(ledger, answers=(broken,))
    assert "CUDA" not in await whole(database, form)


async def test_like_texts_are_no_preference(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, answers=(new_answer(1, model="y", text="x says so."),))
    assert await rows(database, Format.DPO) == []


@pytest.mark.parametrize("form", list(Format))
async def test_marks_are_in_every_format(ledger: Ledger, database: Database, form: Format) -> None:
    await judged_battle(
        ledger, answers=(new_answer(1, model="y", leaked=True), new_answer(0, text="So", fallback=True))
    )

    text = await whole(database, form)

    if form is Format.CSV:
        [row] = await table(database)
        assert (row["fallback_a"], row["leaked_a"], row["fallback_b"], row["leaked_b"]) == (
            *("true", "false"),
            *("false", "true"),
        )
    else:
        assert text.count('"leaked":true') == text.count('"fallback":true') == 1


@pytest.mark.parametrize(("policy", "leaked", "pairs"), [("flag", True, 1), ("mask", False, 1), ("void", True, 0)])
async def test_what_was_done_about_a_leak_is_in_the_books_and_in_every_export(
    ledger: Ledger, database: Database, policy: Policy, leaked: bool, pairs: int
) -> None:
    mark = mark_of(policy, Leak("name", "qwen", "Qwen", 5))
    await judged_battle(ledger, answers=(new_answer(1, model="y", leaked=is_leaked(mark), leak=mark),))

    stored = await database.read(lambda c: c.execute(sa.text("SELECT leaked_a, leaked_b FROM votes")).one())
    assert (bool(stored[0]), bool(stored[1])) == (False, leaked)
    [line] = await rows(database, Format.ARENA)
    assert (line["answer_b"]["leaked"], line["answer_b"]["leak"]) == (leaked, f"{policy}: name Qwen")
    assert line["answer_a"]["leak"] is None
    [row] = await table(database)
    assert (row["leaked_b"], row["leak_b"]) == (str(leaked).lower(), f"{policy}: name Qwen")
    training = [await rows(database, form) for form in (Format.DPO, Format.RLHF)]
    assert [len(lines) for lines in training] == [pairs, pairs]
    for line in training[0]:
        assert (line["metadata"]["rejected"]["leaked"], line["metadata"]["rejected"]["leak"]) == (leaked, mark)


@pytest.mark.parametrize("form", list(Format))
async def test_a_vote_that_was_taken_back_is_in_no_export(ledger: Ledger, database: Database, form: Format) -> None:
    await judged_battle(ledger)
    take_back = sa.text("UPDATE votes SET retracted_at = created_at")
    await database.transaction(lambda c: c.execute(take_back) and None)
    assert "b1" not in await whole(database, form)


@pytest.mark.parametrize("form", list(Format))
async def test_a_redacted_export_has_no_word_of_any_prompt(ledger: Ledger, database: Database, form: Format) -> None:
    await judged_battle(ledger, "b1", message=SECRET, system=SECRET)
    await judged_battle(ledger, "b2", message=SECRET)

    text = await whole(database, form, redact=redactor(b"key"))

    assert "sister" not in text
    assert "Be brief." not in text
    assert redactor(b"key")(SECRET) in text
    assert redactor(b"other")(SECRET) not in text


@pytest.mark.parametrize("form", list(Format))
async def test_no_export_has_a_session_or_a_key(ledger: Ledger, database: Database, form: Format) -> None:
    await judged_battle(ledger, session_id="session-4711", idempotency_key="key-0815", request_hash="hash-42")
    text = await whole(database, form)
    assert not [word for word in ("4711", "0815", "hash-42") if word in text]


def _vote_on(day: int, connection: Connection) -> None:
    when = datetime(2026, 3, day, 23, 59, 59, tzinfo=UTC)
    connection.execute(sa.update(votes).where(votes.c.battle_id == f"b{day}").values(created_at=when))


@pytest.mark.parametrize("form", Format)
async def test_only_the_votes_of_a_period_are_in_when_one_is_asked_for(
    ledger: Ledger, database: Database, form: Format
) -> None:
    for day in (1, 2, 3):
        await judged_battle(ledger, f"b{day}", message=f"on day {day}")
        await database.transaction(partial(_vote_on, day))
    when = datetime(2026, 3, 2, 23, tzinfo=UTC).timestamp()
    narrow = {"model_a": "x", "model_b": "y", "winner": "model_a", "tstamp": when}
    await import_lines(database, [json.dumps(narrow).encode()])

    second = Period(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
    found = await whole(database, form, period=second, chunk=1)

    assert [f"on day {day}" in found for day in (1, 2, 3)] == [False, True, False]
    if form is Format.ARENA:
        assert len(found.splitlines()) == 2
    later = await whole(database, form, period=Period(since=datetime(2026, 3, 3, tzinfo=UTC)))
    assert [f"on day {day}" in later for day in (1, 2, 3)] == [False, False, True]


async def test_csv_survives_quotes_commas_and_line_breaks(ledger: Ledger, database: Database) -> None:
    odd = 'He said "a, b"\r\n=1+1;\té\u2028end'
    await judged_battle(ledger, message=odd, answers=(new_answer(1, model="y", text=odd),))

    [row] = await table(database)

    assert tuple(row) == CSV_COLUMNS
    assert (row["prompt"], row["response_b"], row["preference"]) == (odd, odd, "a")
    assert json.loads(row["options_a"]) == {"num_ctx": 4096, "seed": 7}
    assert row["timestamp"].endswith("Z")
    assert (row["ttft_s_a"], row["tokens_a"], row["categories"]) == ("0.25", "30", "")


async def test_no_cell_of_csv_is_a_formula(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, message="=1+1", answers=(new_answer(1, model="y", text='@SUM(1)"'),))
    [row] = await table(database)
    assert (row["prompt"], row["response_b"]) == ("'=1+1", "'@SUM(1)\"")


async def test_csv_without_votes_is_its_header(database: Database) -> None:
    assert await whole(database, Format.CSV) == ",".join(CSV_COLUMNS) + "\r\n"


async def test_chunks_of_any_size_give_the_same_bytes(ledger: Ledger, database: Database) -> None:
    for number in range(5):
        await judged_battle(ledger, f"b{number}", (Verdict.A, Verdict.TIE))
    texts = {await whole(database, Format.ARENA, chunk=chunk) for chunk in (1, 3, 10, 500)}
    assert len(texts) == 1
    assert len(texts.pop().splitlines()) == 10


async def test_ten_times_the_votes_need_no_more_memory(ledger: Ledger, database: Database) -> None:
    peaks = []
    made = 0
    for size in (30, 300):
        for number in range(made, size):
            await judged_battle(ledger, f"b{number}", answers=(new_answer(1, model="y", text="long " * 4000),))
        made = size
        tracemalloc.start()
        async for _ in exported(database, Format.ARENA, chunk=10):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


async def test_what_was_said_of_a_verdict_is_in_the_arenas_own_format(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, verdicts=(Verdict.A, Verdict.B))
    said = Feedback((Reason.USEFUL, Reason.CLEAR), (Reason.INCORRECT,), SECRET)
    await ledger.feedback.keep("b1", 1, said)

    first, second = await rows(database, Format.ARENA)
    hidden, _ = await rows(database, Format.ARENA, redact=redactor(b"key"))

    metadata = [(row["reasons_a"], row["reasons_b"], row["comment"]) for row in (first, second)]
    assert metadata == [(["useful", "clear"], ["incorrect"], SECRET), ([], [], None)]
    assert (hidden["reasons_a"], hidden["comment"]) == (["useful", "clear"], redactor(b"key")(SECRET))
    for form in (Format.DPO, Format.RLHF, Format.CSV):
        assert "sister" not in await whole(database, form)


async def test_the_documentation_names_every_field(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, language="fr")
    documented = DOCS.read_text()

    def names(value: object) -> set[str]:
        if isinstance(value, dict):
            return set(value).union(*map(names, value.values()))
        return set().union(*map(names, value)) if isinstance(value, list) else set()

    for form in (Format.DPO, Format.RLHF, Format.ARENA):
        [row] = await rows(database, form)
        for options in _options_of(row):
            options.clear()
        assert {name for name in names(row) if f"`{name}`" not in documented} == set()
        assert f"`{form.schema}`" in documented
    columns = {name.removesuffix("_a").removesuffix("_b") for name in CSV_COLUMNS}
    assert {name for name in columns if f"`{name}`" not in documented} == set()


def _options_of(value: object) -> list[dict[str, object]]:
    if isinstance(value, list):
        return [found for part in value for found in _options_of(part)]
    if not isinstance(value, dict):
        return []
    own = [value["options"]] if isinstance(value.get("options"), dict) else []
    return own + [found for part in value.values() for found in _options_of(part)]


async def test_how_contestants_were_drawn_is_exported(ledger: Ledger, database: Database) -> None:
    await judged_battle(ledger, "b1", drawn=DrawRecord(0.25, "9f3a-7", 0.4))
    await judged_battle(ledger, "b2")

    known, unknown = await rows(database, Format.ARENA)
    assert known["battle"]["draw"] == {"set_id": "9f3a-7", "set_probability": 0.4, "probability": 0.25}
    assert unknown["battle"]["draw"] is None
    metadata, nothing = ([row[name] for name in CSV_COLUMNS[-3:]] for row in await table(database))
    assert (metadata, nothing) == (["9f3a-7", "0.4", "0.25"], ["", "", ""])
    record = await ledger.battle("b1")
    assert record is not None
    assert record.drawn == DrawRecord(0.25, "9f3a-7", 0.4)
