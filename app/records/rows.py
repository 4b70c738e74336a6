"""Between rows and values: columns by name in, frozen values out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.battle.battle import Pair, Status, Verdict, Vote
from app.records.values import AnswerRecord, BattleRecord, NewBattle
from app.timing.stopwatch import Timing

Row = Mapping[Any, Any]
"""A row as SQLAlchemy gives it or takes it."""

_TIMING = tuple(Timing.__dataclass_fields__)
_ANSWER = ("entry", "model", "host", "text", "finish_reason", "error_code", "attempts", "fallback", "created_at")


def battle_row(battle: NewBattle, now: datetime) -> dict[str, object]:
    """The columns of a battle that begins now."""
    return {
        "id": battle.id,
        "session_id": battle.session_id,
        "message": battle.message,
        "system": battle.system,
        "status": Status.RUNNING.value,
        "round": 1,
        "contestants": list(battle.contestants),
        "options": dict(battle.options),
        "idempotency_key": battle.idempotency_key,
        "request_hash": battle.request_hash,
        "created_at": now,
        "ended_at": None,
    }


def battle_value(row: Row, *, votes: tuple[Vote, ...] = (), created: bool = False) -> BattleRecord:
    """A battle's row as a value."""
    return BattleRecord(
        id=row["id"],
        message=row["message"],
        contestants=tuple(row["contestants"]),
        session_id=row["session_id"],
        system=row["system"],
        options=row["options"],
        idempotency_key=row["idempotency_key"],
        request_hash=row["request_hash"],
        status=Status(row["status"]),
        round=row["round"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        votes=votes,
        created=created,
    )


def vote_value(row: Row, round_column: str = "round") -> Vote:
    """The columns of a vote as a value."""
    return Vote(row[round_column], Verdict(row["verdict"]), Pair(row["entry_a"], row["entry_b"]))


def answer_row(battle_id: str, answer: AnswerRecord, now: datetime) -> dict[str, object]:
    """The columns of an answer that is stored now."""
    columns: dict[str, object] = {name: getattr(answer, name) for name in _ANSWER}
    columns |= {name: getattr(answer.timing, name) for name in _TIMING}
    return columns | {"battle_id": battle_id, "created_at": answer.created_at or now}


def answer_value(row: Row) -> AnswerRecord:
    """An answer's row as a value."""
    return AnswerRecord(timing=Timing(**{name: row[name] for name in _TIMING}), **{name: row[name] for name in _ANSWER})
