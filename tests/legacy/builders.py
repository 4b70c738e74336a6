"""Snapshots and courses of battles, made without any service."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.battle.battle import Pair, Side, Status, Verdict, Vote
from app.battle.events import SideView, Snapshot, error_data
from app.records.values import BattleRecord
from app.web.legacy.history import BattleHistory, Reveal, history_of

OPENED = datetime(2026, 3, 1, tzinfo=UTC)
MODELS = ("m1", "m2", "m3", "m4")


def done(alias: str, text: str) -> SideView:
    return SideView(alias, "done", text, "stop")


def failed(alias: str, text: str = "", code: str = "cut_off") -> SideView:
    return SideView(alias, "failed", text, "error", error_data(code))


SIDES = {Side.A: done("Model A", "one"), Side.B: done("Model B", "two")}
READY = Snapshot("b1", "running", "Why?", 1, 2, SIDES, can_vote=True, cursor="log-9")


def stage(snapshot: Snapshot, **sides: SideView) -> Snapshot:
    """The snapshot with other sides (``a``, ``b``)."""
    return replace(snapshot, sides={**snapshot.sides, **{Side(name): view for name, view in sides.items()}})


def votes(*cast: tuple[Verdict, int, int]) -> tuple[Vote, ...]:
    return tuple(Vote(number, verdict, Pair(a, b)) for number, (verdict, a, b) in enumerate(cast, 1))


def history(
    snapshot: Snapshot, *cast: tuple[Verdict, int, int], models: int = 3, reveal: Reveal = "end"
) -> BattleHistory:
    """The battle at ``snapshot``, in which the verdicts ``cast`` were given: (verdict, entry on a, entry on b)."""
    verdicts = tuple({"round": number, "verdict": verdict.value} for number, (verdict, _, _) in enumerate(cast, 1))
    return history_of(replace(snapshot, votes=verdicts), record_of(snapshot, *cast, models=models), reveal)


def record_of(snapshot: Snapshot, *cast: tuple[Verdict, int, int], models: int = 3) -> BattleRecord:
    """The battle as SQL holds it after the verdicts ``cast``."""
    return BattleRecord(
        id=snapshot.battle_id,
        message=snapshot.message,
        contestants=MODELS[:models],
        session_id=None,
        system=None,
        options={},
        idempotency_key=None,
        request_hash=None,
        status=Status(snapshot.status),
        round=snapshot.round,
        created_at=OPENED,
        votes=votes(*cast),
        voted_at=tuple(OPENED + timedelta(minutes=number) for number in range(1, len(cast) + 1)),
    )


def ended(*ranking: tuple[str, str], champion: str | None, **changes: object) -> Snapshot:
    lines = [
        {"place": place, "alias": alias, "model": model, "host": "h", "timing": {"total_s": 1.5}}
        for place, (alias, model) in enumerate(ranking, 1)
    ]
    reveal = {"champion": champion, "ranking": lines}
    fields: dict[str, Any] = {"status": "finished", "can_vote": False, "reveal": reveal}
    return replace(READY, **(fields | changes))
