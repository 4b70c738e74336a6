"""What is erased on request or by age, and what stays."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.battle.battle import Status, Verdict
from app.database.database import Database, migrate
from app.records.comparisons import comparisons
from app.records.erasure import Forgotten, Retention, forget_older, forget_session
from app.records.imports.importer import Imported, import_lines
from app.records.ledger import Ledger
from tests.helpers import wait_until
from tests.records.builders import judged_battle, new_answer, new_battle
from tests.records.reading import judged_votes

WORDS = ("sister", "says so", "session-1", "Be brief", "key-1", "hash-1")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


async def everything(database: Database) -> str:
    """All that the tables hold, as text."""

    def work(connection: sa.Connection) -> str:
        tables = ("battles", "rounds", "answers", "votes")
        return "\n".join(str(row) for name in tables for row in connection.execute(sa.text(f"SELECT * FROM {name}")))

    return await database.read(work)


async def play(ledger: Ledger, battle: str, session: str) -> None:
    given: dict[str, Any] = {
        "message": "my sister",
        "session_id": session,
        "idempotency_key": f"key-{battle}",
        "request_hash": "hash-1",
    }
    await judged_battle(ledger, battle, (Verdict.A, Verdict.B), **given)


async def test_a_forgotten_session_leaves_no_word_and_every_verdict(ledger: Ledger, database: Database) -> None:
    await play(ledger, "1", "session-1")
    before = [(vote.model_a, vote.model_b, vote.verdict) async for vote in judged_votes(database)]

    assert await forget_session(database, "session-1", "4f1e") == Forgotten(battles=1)

    kept = await everything(database)
    assert not [word for word in (*WORDS, "4f1e") if word in kept]
    assert [(vote.model_a, vote.model_b, vote.verdict) async for vote in judged_votes(database)] == before
    assert (await ledger.answers("1"))[0].timing.ttft_s == 0.25


async def test_the_word_that_gave_a_model_away_is_erased_and_its_mark_stays(ledger: Ledger, database: Database) -> None:
    leaks = {1: "flag: name she says so", 2: "void: name she says so"}
    answers = tuple(new_answer(entry, model="y", leaked=True, leak=leak) for entry, leak in leaks.items())
    await judged_battle(ledger, "1", (Verdict.A, Verdict.B), answers, session_id="session-1")

    await forget_session(database, "session-1", "4f1e")

    assert "says so" not in await everything(database)
    marks = [(vote.leaked, vote.void) async for vote in judged_votes(database)]
    assert marks == [(True, False), (True, True)]


async def test_other_sessions_are_left_alone_but_for_the_voter(ledger: Ledger, database: Database) -> None:
    await play(ledger, "1", "session-1")
    await play(ledger, "2", "session-2")

    assert await forget_session(database, "session-1", "4f1e") == Forgotten(battles=1, votes=2)

    kept = await everything(database)
    assert "session-2" in kept
    assert "4f1e" not in kept


async def test_what_a_running_battle_still_writes_is_not_kept(ledger: Ledger, database: Database) -> None:
    await ledger.open_battle(new_battle(session_id="session-1"))

    await forget_session(database, "session-1", "4f1e")
    await ledger.save_answers("b1", [new_answer(text="she says so")])

    record = await ledger.battle("b1")
    assert record is not None
    assert record.status is Status.STOPPED
    assert record.ended_at is not None
    assert (await ledger.answers("b1"))[0].text == ""


async def test_to_forget_again_finds_nothing(ledger: Ledger, database: Database) -> None:
    await play(ledger, "1", "session-1")
    await forget_session(database, "session-1", "4f1e")
    assert await forget_session(database, "session-1", "4f1e") == Forgotten(battles=0)


async def test_only_ended_battles_that_are_old_enough_are_erased(database: Database) -> None:
    old, young = (Ledger(database, clock=repeat(at).__next__) for at in (NOON, NOON + timedelta(hours=2)))
    await play(old, "1", "session-1")
    await play(young, "2", "session-2")
    await old.open_battle(new_battle("3", session_id="session-3"))

    assert await forget_older(database, NOON + timedelta(hours=1)) == Forgotten(battles=1)
    assert await forget_older(database, NOON + timedelta(hours=1)) == Forgotten(battles=0)

    kept = await everything(database)
    assert "session-1" not in kept
    assert "session-2" in kept
    assert "session-3" in kept


async def test_retention_erases_by_itself_and_again(database: Database) -> None:
    ledger = Ledger(database, clock=lambda: NOON)
    await play(ledger, "1", "session-1")
    late = Retention(database, timedelta(days=30), lambda: NOON + timedelta(days=31), timedelta(milliseconds=10))
    task = asyncio.create_task(late.run(), name="retention")

    async def erased() -> bool:
        return "sister" not in await everything(database)

    try:
        await wait_until(erased)
        await play(ledger, "2", "session-2")
        await wait_until(erased)
        kept = await everything(database)
        assert not [word for word in WORDS if word in kept]
        votes = [(vote.battle_id, vote.verdict) async for vote in judged_votes(database)]
        assert sorted(votes) == [(battle, verdict) for battle in ("1", "2") for verdict in (Verdict.A, Verdict.B)]
    finally:
        task.cancel()


async def test_on_sqlite_no_byte_of_what_was_asked_is_left_in_any_file(file_at_head: Path) -> None:
    database = Database(f"sqlite:///{file_at_head}")
    asked = "chrysanthemum " * 2000  # longer than a page
    await judged_battle(Ledger(database), "1", (Verdict.A,), message=asked, session_id="session-1")
    folder = file_at_head.parent
    assert held(folder, b"chrysanthemum"), "it was there"

    forgotten = await forget_session(database, "session-1", "4f1e")

    assert (forgotten.battles, forgotten.in_log) == (1, False)
    assert held(folder, b"chrysanthemum") == []
    await database.aclose()


async def test_who_reads_all_the_while_keeps_the_words_in_the_log_and_that_is_told(file_at_head: Path) -> None:
    database = Database(f"sqlite:///{file_at_head}")
    await judged_battle(Ledger(database), "1", (Verdict.A,), message="chrysanthemum", session_id="session-1")
    with closing(sqlite3.connect(file_at_head, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM battles").fetchone()
        assert (await forget_session(database, "session-1", "4f1e")).in_log
    assert not (await forget_session(database, "session-1", "4f1e")).in_log
    assert held(file_at_head.parent, b"chrysanthemum") == []
    await database.aclose()


def held(folder: Path, word: bytes) -> list[str]:
    """The files in which ``word`` stands."""
    return [file.name for file in folder.iterdir() if word in file.read_bytes()]


@pytest.fixture
async def file_at_head(tmp_path: Path) -> Path:
    """A SQLite file in a folder of its own."""
    await migrate(f"sqlite:///{tmp_path}/data/arena.db")
    return tmp_path / "data" / "arena.db"


async def test_voters_of_imported_votes_are_erased_and_their_verdicts_stay(database: Database) -> None:
    votes = [{"model_a": "x", "model_b": "y", "winner": "tie", "judge": f"j{n}", "tstamp": n * 86400} for n in range(4)]
    await import_lines(database, [json.dumps(vote).encode() for vote in votes])
    before = datetime(1970, 1, 2, 12, tzinfo=UTC)

    assert (await forget_older(database, before)).votes == 2
    assert (await forget_older(database, before)).votes == 0
    assert (await forget_session(database, "none", "j3")).votes == 1

    chunks = [chunk async for chunk in comparisons(database)]
    assert [vote.voter for chunk in chunks for vote in chunk] == [None, None, "j2", None]
    assert await import_lines(database, [json.dumps(vote).encode() for vote in votes]) == Imported(known=4)
