"""What ended battles leave behind: their votes, the times and style of their answers.

A battle that still runs counts nowhere here. A figure that moved with one of its verdicts, or with one of its answers,
would tell who sits where before its voter may know. Each statement looks at the battle's status itself, so no vote
slips through that was cast between two of them. A battle that has ended keeps its votes for good: nothing here ever
goes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.records.identity import ModelIdentity
from app.records.rows import Row
from app.records.statements import IMPORTED
from app.records.tables import answers, battles, contestants, votes
from app.records.votes import STANDING, JudgedVote, judged_vote

T = TypeVar("T")

CHUNK = 500
"""Rows in a chunk: making values of them takes about 5 ms, on PostgreSQL of the event loop's time."""
LATE = 1000
"""Among so many newest ids one may be missing still: PostgreSQL may commit a lower one later."""


@dataclass(frozen=True, slots=True)
class WrittenAnswer:
    """An answer that came to its own end, and how long it took."""

    battle_id: str
    entry: int
    model: str
    contestant_id: str | None
    host: str
    ttft_s: float | None
    tokens_per_s: float | None
    cold: bool


_ENDED = battles.c.status != sa.literal_column("'running'")
_VOTES = STANDING.where(_ENDED)
_NEWEST = sa.select(sa.func.coalesce(sa.func.max(votes.c.id), 0))
_RECENT = sa.select(sa.func.count()).where(votes.c.id > sa.bindparam("since"))
_UNDECIDED = (
    sa.select(battles.c.id)
    .where(battles.c.status == sa.literal_column("'running'"), battles.c.round > 1)
    .order_by(battles.c.id)
)
_SAME_PROMPT = (
    sa.select(
        battles.c.id,
        sa.func.min(battles.c.id).over(partition_by=battles.c.message).label("first"),
        sa.func.count().over(partition_by=battles.c.message).label("battles"),
    )
    .where(_ENDED, battles.c.message != "")
    .subquery()
)
_REPEATED = sa.select(_SAME_PROMPT.c.id, _SAME_PROMPT.c.first).where(_SAME_PROMPT.c.battles > 1)
_UNTAGGED = sa.select(sa.func.count()).select_from(
    sa.select(battles.c.id).where(battles.c.tagged_at.is_(None), _ENDED).limit(LATE).subquery()
)
_TIMES = (
    sa.select(*answers.c["battle_id", "entry", "model", "contestant_id", "host", "ttft_s", "tokens_per_s", "cold"])
    .select_from(answers.join(battles, battles.c.id == answers.c.battle_id))
    .where(
        _ENDED,
        answers.c.host.is_not(None),
        answers.c.finish_reason.in_(("stop", "length")),
        sa.tuple_(answers.c.battle_id, answers.c.entry) > sa.tuple_(sa.bindparam("battle"), sa.bindparam("entry")),
    )
    .order_by(answers.c.battle_id, answers.c.entry)
    .limit(sa.bindparam("chunk"))
)


async def ended_votes(database: Database, chunk: int = CHUNK) -> AsyncGenerator[Sequence[JudgedVote]]:
    """Yield the votes that stand in battles that have ended, in the order of their ids, a chunk at a time.

    Raises:
        Unavailable: the database is unavailable.
    """
    after = 0
    while True:
        read = await database.read(_reading(_VOTES, {"after": after, "chunk": chunk}, judged_vote))
        yield read
        if len(read) < chunk:
            return
        after = read[-1].id


async def written_answers(database: Database, chunk: int = CHUNK) -> AsyncGenerator[Sequence[WrittenAnswer]]:
    """Yield the answers of ended battles that came to their own end, by battle and entry, a chunk at a time.

    Raises:
        Unavailable: the database is unavailable.
    """
    battle, entry = "", -1
    while True:
        given = {"battle": battle, "entry": entry, "chunk": chunk}
        read = await database.read(_reading(_TIMES, given, lambda row: WrittenAnswer(**row)))
        yield read
        if len(read) < chunk:
            return
        battle, entry = read[-1].battle_id, read[-1].entry


async def repeated_prompts(database: Database) -> dict[str, str]:
    """The ended battles whose prompt is another's, too, word for word: by id, the lowest id of those that have it.

    A forgotten battle has no prompt left.
    """
    return dict(await database.read(_reading(_REPEATED, {}, lambda row: (row["id"], row["first"]))))


async def identities(database: Database) -> dict[str, ModelIdentity]:
    """Every contestant that ever wrote, by its id."""
    return dict(await database.read(_reading(sa.select(contestants), {}, _identity)))


def ended_mark(connection: Connection) -> str:
    """How far the books of ended battles are: it differs whenever votes came to count since, and at times without.

    Votes come to count when their battle ends. So it is the newest vote and the running battles that have votes, how
    many votes were imported without a battle, and how many ended battles wait for their language and categories. Among
    the last ids votes are counted, too: PostgreSQL may commit a lower one later. All this is read from indexes.
    """
    # The newest vote comes first: one that is cast in between gives a mark that will differ, not one that holds.
    newest = connection.execute(_NEWEST).scalar_one()
    recent = connection.execute(_RECENT, {"since": newest - LATE}).scalar_one()
    imported = connection.execute(IMPORTED).scalar_one()
    untagged = connection.execute(_UNTAGGED).scalar_one()
    undecided = "\n".join(connection.execute(_UNDECIDED).scalars())
    return f"{newest}-{recent}-{imported}-{untagged}-{hashlib.sha256(undecided.encode()).hexdigest()[:16]}"


def any_votes(connection: Connection) -> bool:
    """Whether anybody voted, or votes were imported."""
    return bool(connection.execute(_NEWEST).scalar_one() or connection.execute(IMPORTED).scalar_one())


def _identity(row: Row) -> tuple[str, ModelIdentity]:
    return row["id"], ModelIdentity(
        row["model"], row["digest"], row["quantization"], row["options"], row["server"] or ""
    )


def _reading(
    statement: sa.Executable, given: dict[str, object], value: Callable[[Row], T]
) -> Callable[[Connection], list[T]]:
    """Values are made where the rows are read: with SQLite, in a thread."""
    return lambda connection: [value(row) for row in connection.execute(statement, given).mappings()]
