"""Which verdict stands, and the error for whoever comes second."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Status, Verdict
from app.errors import Conflict, NotFound
from app.records import statements
from app.records.rows import Row, battle_value, vote_value
from app.records.values import BattleRecord, CastVote, NewBattle


def no_such_battle() -> NotFound:
    """The error for an id that nobody knows."""
    return NotFound("There is no such battle; start a new one.", code="unknown_battle")


def read_battle(connection: Connection, statement: sa.Executable, given: Row) -> BattleRecord | None:
    """One statement reads a battle with its votes, so that they are of one moment."""
    rows = connection.execute(statement, given).mappings().all()
    if not rows:
        return None
    cast = [row for row in rows if row["verdict"] is not None]
    votes = tuple(vote_value(row, "voted_round") for row in cast)
    return battle_value(rows[0], votes=votes, voted_at=tuple(row["voted_at"] for row in cast))


def same_request(asked: NewBattle, existing: BattleRecord) -> BattleRecord:
    """``existing`` if it answers the request ``asked``.

    Raises:
        Conflict: the key was used for another request, or the id for another battle.
    """
    if asked.idempotency_key is not None and existing.idempotency_key == asked.idempotency_key:
        if existing.request_hash == asked.request_hash:
            return existing
        raise reused("another request")
    if existing.message == asked.message and existing.contestants == asked.contestants:
        return existing
    raise Conflict("A battle with this id exists already; open it under another id.", code="battle_exists")


def reused(what: str) -> Conflict:
    """The error for a key that came with something else before."""
    return Conflict(
        f"This Idempotency-Key was used for {what} before; send a new key with a new request.",
        code="idempotency_key_reused",
    )


def moving(battle_id: str, round: int, outcome: Status, now: datetime) -> dict[str, object]:
    """What ``statements.MOVE`` takes: the verdict on ``round`` brings its battle to the next one, or to its end."""
    if outcome is Status.RUNNING:
        return {"of": battle_id, "at": round, "next": round + 1, "to": outcome.value, "ended": None}
    return {"of": battle_id, "at": round, "next": round, "to": outcome.value, "ended": now}


def standing_vote(connection: Connection, battle_id: str, round: int, verdict: Verdict, key: str | None) -> CastVote:
    """What a vote that did not count is told.

    Raises:
        NotFound: there is no such battle.
        Conflict: ``key`` was used in this battle for another round or verdict, or its vote was taken back.
    """
    given = {"of": battle_id, "round": round, "key": key}
    rows = connection.execute(statements.STANDING, given).mappings().all()
    if not rows:
        raise no_such_battle()
    for row in rows:
        if key is not None and row["idempotency_key"] == key:
            _check_use(row, round, verdict)
    judged = [vote_value(row) for row in rows if row["round"] == round and row["retracted_at"] is None]
    standing = judged[0] if judged else None
    repeated = standing is not None and standing.verdict is verdict
    return CastVote(False, repeated, standing, Status(rows[0]["status"]))


def _check_use(row: Row, round: int, verdict: Verdict) -> None:
    """Refuse a vote whose key the vote in ``row`` came with, unless that is the same one and stands."""
    if row["retracted_at"] is not None:
        raise Conflict("This vote was taken back; send a new vote with a new key.", code="vote_taken_back")
    if (row["round"], row["verdict"]) != (round, verdict.value):
        raise reused("another vote in this battle")
