"""What ``arena why`` reads of a battle: when its rounds opened, and who else was on its hosts meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Pair
from app.database.database import Database
from app.records.rows import answer_value
from app.records.tables import answers, rounds
from app.records.values import AnswerRecord
from app.timing.story import Step

MOST_NEIGHBOURS = 2_000
"""Answers that are read at most: a busy hour of a large arena."""


@dataclass(frozen=True, slots=True)
class RoundTimes:
    """When a round was opened and when both its answers were complete; None where that was not stored."""

    round: int
    pair: Pair
    opened_at: datetime | None
    ready_at: datetime | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where the time of an answer went, in Unix seconds: in the queue, begun, ended. What is not known is None."""

    queued: float | None
    begun: float | None
    ended: float | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another answer of a host, and when the host wrote it (Unix seconds)."""

    battle_id: str
    entry: int
    model: str
    host: str
    begun: float
    ended: float


def stretch_of(answer: AnswerRecord) -> Stretch:
    """Return when an answer was queued, begun and ended: by its story, for records older than it by its figures."""
    last = _last(answer.story, "ended", "failed", "interrupted")
    timing, stored = answer.timing, answer.created_at
    ended = last.at if last is not None else None if stored is None else stored.timestamp()
    waited = _last(answer.story, "waited")
    if waited is not None:
        return Stretch(waited.since, waited.at, ended)
    if ended is None or timing.total_s is None:
        return Stretch(None, None, ended)
    queued = ended - timing.total_s
    return Stretch(queued, queued + (timing.queue_s or 0.0) + (timing.load_s or 0.0), ended)


def _last(story: Sequence[Step], *events: str) -> Step | None:
    return next((step for step in reversed(story) if step.event in events), None)


async def round_times(database: Database, battle_id: str) -> tuple[RoundTimes, ...]:
    """The rounds of a battle that were on stage, in order.

    Raises:
        Unavailable: the database is unavailable.
    """
    statement = sa.select(rounds).where(rounds.c.battle_id == battle_id).order_by(rounds.c.round)
    rows = await database.read(lambda connection: connection.execute(statement).mappings().all())
    return tuple(
        RoundTimes(row["round"], Pair(row["entry_a"], row["entry_b"]), row["opened_at"], row["ready_at"])
        for row in rows
    )


async def neighbours(database: Database, own: Mapping[int, AnswerRecord]) -> tuple[Neighbour, ...]:
    """Answers that the hosts of a battle's ``own`` answers wrote while those waited, its own ones included.

    Raises:
        Unavailable: the database is unavailable.
    """
    stretches = [stretch_of(answer) for answer in own.values()]
    since = min((one.queued for one in stretches if one.queued is not None), default=None)
    until = max((one.ended for one in stretches if one.ended is not None), default=None)
    hosts = sorted({answer.host for answer in own.values() if answer.host} | _hosts(own.values()))
    if since is None or until is None or not hosts:
        return ()
    # One that was being written when the last wait ended was stored later: as much later as a long answer takes.
    statement = (
        sa.select(answers)
        .where(answers.c.host.in_(hosts))
        .where(answers.c.created_at >= datetime.fromtimestamp(since, UTC))
        .where(answers.c.created_at <= datetime.fromtimestamp(until + (until - since) + 600, UTC))
        .order_by(answers.c.created_at)
        .limit(MOST_NEIGHBOURS)
    )

    def read(connection: Connection) -> tuple[Neighbour, ...]:
        rows = connection.execute(statement).mappings()
        found = (_neighbour(row["battle_id"], answer_value(row)) for row in rows)
        return tuple(one for one in found if one is not None)

    return await database.read(read)


def _hosts(own: Iterable[AnswerRecord]) -> set[str]:
    return {step.host for answer in own for step in answer.story if step.host}


def _neighbour(battle_id: str, answer: AnswerRecord) -> Neighbour | None:
    when = stretch_of(answer)
    if answer.host is None or when.begun is None or when.ended is None:
        return None
    return Neighbour(battle_id, answer.entry, answer.model, answer.host, when.begun, when.ended)
