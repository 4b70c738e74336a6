"""Every verdict that stands with all that is known of it: prompt, answers, what they were asked with, marks and times.

Read in chunks that go on behind the last vote's id, as ``app.records.votes`` does: two short queries each, no cursor
held open, and as much memory for a million votes as for a thousand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Pair, Verdict
from app.battle.feedback import NOTHING_SAID, Feedback
from app.database.database import Database
from app.leaks.policy import is_void
from app.records.feedback import NO_FEEDBACK, feedback_value
from app.records.imported import ImportedVote, imported_one_by_one
from app.records.rows import Row, answer_value, battle_value
from app.records.tables import answers, battles, votes
from app.records.values import AnswerRecord, BattleRecord

CHUNK = 250
"""Votes in a chunk: a few megabytes with the longest answers."""

_VOTE = ("id", "round", "verdict", "entry_a", "entry_b", "leaked_a", "leaked_b", "voter", "client_at", "created_at")
_FEEDBACK = tuple(NO_FEEDBACK)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One verdict on two answers. ``battle`` has no votes; an answer that is not stored has an empty text."""

    round: int
    verdict: Verdict
    a: AnswerRecord
    b: AnswerRecord
    leaked_a: bool
    leaked_b: bool
    voter: str | None
    client_at: datetime | None
    created_at: datetime
    battle: BattleRecord
    feedback: Feedback = NOTHING_SAID

    @property
    def pair(self) -> Pair:
        """The entries that were judged."""
        return Pair(self.a.entry, self.b.entry)

    @property
    def void(self) -> bool:
        """Whether the verdict counts nowhere, since an answer that named its model made it void."""
        return is_void(self.a.leak) or is_void(self.b.leak)


_AFTER = (
    sa.select(*(votes.c[name].label(f"vote_{name}") for name in _VOTE), *votes.c[_FEEDBACK], battles)
    .select_from(votes.join(battles, battles.c.id == votes.c.battle_id))
    .where(votes.c.retracted_at.is_(None), votes.c.id > sa.bindparam("after"))
    .order_by(votes.c.id)
    .limit(sa.bindparam("chunk"))
)
_ANSWERS = sa.select(answers).where(answers.c.battle_id.in_(sa.bindparam("battles", expanding=True)))


@dataclass(frozen=True, slots=True)
class Period:
    """Votes from ``since`` on and before ``until``; None is no limit."""

    since: datetime | None = None
    until: datetime | None = None

    def of(self, statement: sa.Select[Any], moment: sa.ColumnElement[datetime]) -> sa.Select[Any]:
        """The statement, of votes whose ``moment`` is in the period."""
        if self.since is not None:
            statement = statement.where(moment >= self.since)
        return statement if self.until is None else statement.where(moment < self.until)


ALWAYS = Period()

_Answers = Mapping[tuple[str, int], AnswerRecord]


async def comparisons(
    database: Database, chunk: int = CHUNK, period: Period = ALWAYS
) -> AsyncGenerator[list[Comparison]]:
    """Yield the verdicts of a period that stand, in the order in which they were given, a list for each chunk.

    Those that were imported without a battle come last, in the order in which they came.

    Raises:
        Unavailable: the database is unavailable.
    """
    after, statement = 0, period.of(_AFTER, votes.c.created_at)

    def work(connection: Connection) -> tuple[Sequence[Row], _Answers]:
        rows = connection.execute(statement, {"after": after, "chunk": chunk}).mappings().all()
        return rows, _answers_of(connection, {row["id"] for row in rows}) if rows else {}

    while True:
        rows, written = await database.read(work)
        if rows:
            yield [_comparison(row, written) for row in rows]
        if len(rows) < chunk:
            break
        after = rows[-1]["vote_id"]
    async with aclosing(imported_one_by_one(database, chunk, period.since, period.until)) as chunks:
        async for imported in chunks:
            yield [_imported(vote) for vote in imported]


def _imported(vote: ImportedVote) -> Comparison:
    return Comparison(
        round=1,
        verdict=vote.verdict,
        a=vote.a,
        b=vote.b,
        leaked_a=False,
        leaked_b=False,
        voter=vote.voter,
        client_at=None,
        created_at=vote.voted_at,
        battle=vote.battle,
    )


def _answers_of(connection: Connection, battle_ids: set[str]) -> _Answers:
    found = connection.execute(_ANSWERS, {"battles": sorted(battle_ids)}).mappings()
    return {(row["battle_id"], row["entry"]): answer_value(row) for row in found}


def _comparison(row: Row, written: _Answers) -> Comparison:
    battle = battle_value(row)
    vote: dict[str, Any] = {name: row[f"vote_{name}"] for name in _VOTE}

    def answer(entry: int) -> AnswerRecord:
        return written.get((battle.id, entry)) or AnswerRecord(entry, battle.contestants[entry], None, "", "stop")

    return Comparison(
        round=vote["round"],
        verdict=Verdict(vote["verdict"]),
        a=answer(vote["entry_a"]),
        b=answer(vote["entry_b"]),
        leaked_a=vote["leaked_a"],
        leaked_b=vote["leaked_b"],
        voter=vote["voter"],
        client_at=vote["client_at"],
        created_at=vote["created_at"],
        battle=battle,
        feedback=feedback_value(row),
    )
