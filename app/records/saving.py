"""How answers that have ended and rounds are stored, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from app.records import statements
from app.records.rows import answer_row, contestant_row, round_row
from app.records.values import AnswerRecord, RoundRecord


def save(
    connection: Connection,
    battle_id: str,
    answers: Sequence[AnswerRecord],
    rounds: Sequence[RoundRecord],
    now: datetime,
) -> bool:
    """Store what is new of ``answers`` with their contestants, and ``rounds`` as they are now.

    False: an entry has another answer already, which stays; no two attempts take the same time.
    """
    stored = stored_answers(connection, battle_id) if answers else {}
    new = unsaved(stored, answers)
    met = {answer.asked.identity.id: answer.asked.identity for answer in new if answer.asked is not None}
    writes = (
        (statements.meet, [contestant_row(met[key], now) for key in sorted(met)]),
        (statements.save_answer, [answer_row(battle_id, answer, now) for answer in new]),
        (statements.save_round, [round_row(battle_id, shown, now) for shown in rounds]),
    )
    for statement, rows in writes:
        if rows:
            connection.execute(statement(connection), rows)
    return all(_is_of(answer, stored[answer.entry]) for answer in answers if answer.entry in stored)


def stored_answers(connection: Connection, battle_id: str) -> Mapping[int, Row[Any]]:
    """The answers of a battle by entry: their sides, and what tells one attempt from another."""
    return {row.entry: row for row in connection.execute(statements.STORED, {"of": battle_id})}


def unsaved(stored: Mapping[int, Row[Any]], answers: Sequence[AnswerRecord]) -> list[AnswerRecord]:
    """Those of ``answers`` of which something is not stored yet: most were, by the step before this one."""
    return [
        answer
        for answer in answers
        if answer.entry not in stored or (stored[answer.entry].side is None and answer.side is not None)
    ]


def _is_of(answer: AnswerRecord, row: Row[Any]) -> bool:
    """Whether the row is of the attempt that wrote ``answer``."""
    took = answer.timing
    written = (answer.host, took.queue_s, took.ttft_s, took.total_s, took.tokens)
    return written == (row.host, row.queue_s, row.ttft_s, row.total_s, row.tokens)
