"""The migration that brought rounds, identities, marks and voters, with the rows of an older arena in the tables."""

from __future__ import annotations

import sqlalchemy as sa

from app.battle.battle import Pair, Side, Verdict, Vote
from app.database.database import Database, migrate
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.records.values import RoundRecord
from tests.records.builders import OPENING, new_answer, new_battle, vote

OLD_BATTLE = sa.text(
    "INSERT INTO battles (id, message, status, round, contestants, options, created_at) "
    "VALUES ('b1', 'Why?', 'running', 2, '[\"x\", \"y\", \"z\"]', '{}', '2026-03-01 12:00:00')"
)
OLD_ANSWER = sa.text(
    "INSERT INTO answers (battle_id, entry, model, text, finish_reason, attempts, tokens, thinking_s, cold, "
    "cached_prompt, created_at) "
    "VALUES ('b1', :entry, 'x', 'So.', 'stop', 1, 5, 0.0, false, false, '2026-03-01 12:00:01')"
)
OLD_VOTE = sa.text(
    "INSERT INTO votes (battle_id, round, verdict, entry_a, entry_b, created_at) "
    "VALUES ('b1', 1, 'a', 0, 1, '2026-03-01 12:01:00')"
)


async def _write_as_an_older_arena(url: str) -> None:
    database = Database(url)

    def work(connection: sa.Connection) -> None:
        connection.execute(OLD_BATTLE)
        connection.execute(OLD_ANSWER, [{"entry": entry} for entry in (0, 1, 2)])
        connection.execute(OLD_VOTE)

    await database.transaction(work)
    await database.aclose()


async def _rows(url: str, sql: str) -> list[tuple[object, ...]]:
    database = Database(url)
    rows = await database.read(lambda c: [tuple(row) for row in c.execute(sa.text(sql))])
    await database.aclose()
    return rows


async def test_an_older_arenas_rows_get_the_rounds_and_sides_that_its_votes_tell(empty_url: str) -> None:
    await migrate(empty_url, "0002")
    await _write_as_an_older_arena(empty_url)

    await migrate(empty_url, "0003")

    assert await _rows(empty_url, "SELECT round, entry_a, entry_b, opened_at FROM rounds") == [(1, 0, 1, None)]
    assert await _rows(empty_url, "SELECT entry, side FROM answers ORDER BY entry") == [(0, "a"), (1, "b"), (2, None)]
    assert await _rows(empty_url, "SELECT count(*) FROM rounds WHERE ready_at IS NULL") == [(0,)]


async def test_an_older_answer_can_be_read_and_says_that_nobody_knows_what_was_asked(empty_url: str) -> None:
    await migrate(empty_url, "0002")
    await _write_as_an_older_arena(empty_url)
    await migrate(empty_url)
    database = Database(empty_url)

    answers = await Ledger(database).answers("b1")

    assert (answers[1].side, answers[1].asked, answers[1].leaked) == (Side.B, None, False)
    await database.aclose()


async def test_rows_of_today_survive_the_way_down_and_up_again(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url)
    ledger = Ledger(database)
    asked = Provenance(ModelIdentity("x", "sha256:1", "Q4_K_M", {"num_ctx": 4096, "seed": 1}), "Be brief.")
    await ledger.open_battle(new_battle())
    answers = [new_answer(entry, side=side, asked=asked) for entry, side in ((0, Side.A), (1, Side.B))]
    await ledger.save_answers("b1", answers, [RoundRecord(1, Pair(0, 1), ready=True)])
    await vote(ledger, Verdict.B)
    await database.aclose()

    await migrate(empty_url, "0002")
    assert await _rows(empty_url, "SELECT text FROM answers ORDER BY entry") == [("So.",), ("So.",)]
    await migrate(empty_url)

    database = Database(empty_url)
    read = await Ledger(database).battle("b1")
    assert read is not None
    assert read.votes == (Vote(1, Verdict.B, OPENING),)
    assert (await Ledger(database).answers("b1"))[1].side is Side.B
    await database.aclose()
