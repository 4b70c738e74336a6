"""How answers that have ended and rounds are stored, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from app.records import statements
from app.records.rows import answer_row, contestant_row, round_row
from app.records.values import AnswerRecord, RoundRecord


def save(
    connection: Connection,
    battle_id: str,
    answers: Sequence[AnswerRecord],
    rounds: Sequence[RoundRecord],
    now: datetime,
) -> None:
    """Store what is new of ``answers`` with their contestants, and ``rounds`` as they are now."""
    new = unsaved(connection, battle_id, answers)
    met = {answer.asked.identity.id: answer.asked.identity for answer in new if answer.asked is not None}
    writes = (
        (statements.meet, [contestant_row(met[key], now) for key in sorted(met)]),
        (statements.save_answer, [answer_row(battle_id, answer, now) for answer in new]),
        (statements.save_round, [round_row(battle_id, shown, now) for shown in rounds]),
    )
    for statement, rows in writes:
        if rows:
            connection.execute(statement(connection), rows)


def unsaved(connection: Connection, battle_id: str, answers: Sequence[AnswerRecord]) -> list[AnswerRecord]:
    """Those of ``answers`` of which something is not stored yet: most were, by the step before this one."""
    if not answers:
        return []
    stored = {row.entry: row.side for row in connection.execute(statements.SIDES, {"of": battle_id})}
    return [
        answer
        for answer in answers
        if answer.entry not in stored or (stored[answer.entry] is None and answer.side is not None)
    ]
