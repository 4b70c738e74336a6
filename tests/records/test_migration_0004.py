"""The migration that brought the looks of answers: measured of the texts that an older arena kept."""

from __future__ import annotations

import sqlalchemy as sa

from app.database.database import Database, migrate
from app.records.ledger import Ledger
from app.records.style import AnswerStyle
from tests.records.builders import new_answer, new_battle

BATTLE = sa.text(
    "INSERT INTO battles (id, message, status, round, contestants, options, created_at) "
    "VALUES (:id, 'Why?', 'finished', 1, '[\"x\", \"y\"]', '{}', '2026-03-01 12:00:00')"
)
ANSWER = sa.text(
    "INSERT INTO answers (battle_id, entry, model, text, finish_reason, attempts, tokens, thinking_s, cold, "
    "cached_prompt, created_at) "
    "VALUES (:id, :entry, 'x', :text, :reason, 1, 5, 0.0, false, false, '2026-03-01 12:00:01')"
)
TEXT = "# Why\n\n- **this**\n- that\n\n```\n- not this\n```\n"


async def _write_as_an_older_arena(url: str) -> None:
    database = Database(url)
    rows = [{"id": f"b{number:04}", "entry": 0, "text": "So." * number, "reason": "stop"} for number in range(1, 1203)]
    odd = {"b0001": (TEXT, "length"), "b0002": ("half of", "error"), "b0003": (" \n", "stop"), "b1202": ("", "stop")}
    for row in rows:
        row["text"], row["reason"] = odd.get(str(row["id"]), (row["text"], row["reason"]))

    def work(connection: sa.Connection) -> None:
        connection.execute(BATTLE, [{"id": row["id"]} for row in rows])
        connection.execute(ANSWER, rows)

    await database.transaction(work)
    await database.aclose()


async def _styles(url: str) -> dict[str, AnswerStyle | None]:
    database = Database(url)
    ledger = Ledger(database)
    found = {of: (await ledger.answers(of))[0].style for of in ("b0001", "b0002", "b0003", "b0004", "b1201", "b1202")}
    await database.aclose()
    return found


async def test_the_texts_of_an_older_arena_are_measured(empty_url: str) -> None:
    await migrate(empty_url, "0003")
    await _write_as_an_older_arena(empty_url)

    await migrate(empty_url)

    assert await _styles(empty_url) == {
        "b0001": AnswerStyle(length=len(TEXT), headers=1, lists=2, bold=1),
        "b0002": None,  # an error is never an answer
        "b0003": None,
        "b0004": AnswerStyle(length=12),
        "b1201": AnswerStyle(length=3603),
        "b1202": None,
    }


async def test_the_way_down_and_up_again_measures_what_is_there(empty_url: str) -> None:
    await migrate(empty_url)
    database = Database(empty_url)
    ledger = Ledger(database)
    await ledger.open_battle(new_battle())
    await ledger.save_answers("b1", [new_answer(text=TEXT)])
    before = (await ledger.answers("b1"))[0].style
    await database.aclose()

    await migrate(empty_url, "0003")
    await migrate(empty_url)

    database = Database(empty_url)
    assert (await Ledger(database).answers("b1"))[0].style == before == AnswerStyle(len(TEXT), 1, 2, 1)
    await database.aclose()
