"""Battles and answers with what a test doesn't care about filled in."""

from __future__ import annotations

from typing import Any

from app.battle.battle import Pair, Status, Verdict
from app.records.ledger import Ledger
from app.records.values import AnswerRecord, CastVote, NewBattle

OPENING = Pair(0, 1)


def new_battle(battle_id: str = "b1", **given: Any) -> NewBattle:
    return NewBattle(battle_id, **{"message": "Why?", "contestants": ("x", "y", "z"), **given})


def new_answer(entry: int = 0, **given: Any) -> AnswerRecord:
    return AnswerRecord(entry, **{"model": "x", "host": "gpu", "text": "So.", "finish_reason": "stop", **given})


async def vote(
    ledger: Ledger,
    verdict: Verdict = Verdict.A,
    *,
    battle: str = "b1",
    round: int = 1,
    key: str | None = None,
    outcome: Status = Status.RUNNING,
) -> CastVote:
    return await ledger.cast_vote(battle, round, verdict, OPENING, outcome=outcome, key=key)
