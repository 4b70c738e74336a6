"""Reads votes that were imported without a battle: summed up for boards, one by one for exports.

Both go through the table by ranges of ids, so that no statement takes long and no cursor stays open.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Side, Status, Verdict
from app.database.database import Database
from app.records.imports.identity import battle_id_of
from app.records.rows import Row, style_value
from app.records.style import AnswerStyle
from app.records.tables import STYLES, import_labels, imported_votes
from app.records.values import AnswerRecord, BattleRecord

RANGE = 1_000_000
"""Ids in one sum: a second of SQL, and a tenth as many values as votes where these are alike."""
FEW_VOTERS = 100
"""So many voters are told apart at no cost; boards want to know them while they are fewer than 30."""


@dataclass(frozen=True, slots=True)
class Apart:
    """What votes must have in common to be summed up, beside models, verdict, language and categories.

    ``style``: the style of their answers. ``voters``: who voted; so it is, too, while there are few voters. ``since``:
    moments between which they were given, for boards of votes since one of them.
    """

    style: bool = False
    voters: bool = False
    since: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedVotes:
    """So many votes that are alike, each a battle of its own; ``newest`` is when the last was given.

    ``voter`` is None where it is not known, or where votes of several were summed up.
    """

    model_a: str
    model_b: str
    verdict: Verdict
    language: str | None
    categories: tuple[str, ...] | None
    style_a: AnswerStyle | None
    style_b: AnswerStyle | None
    voter: str | None
    period: int
    count: int
    newest: datetime


@dataclass(frozen=True, slots=True)
class ImportedVote:
    """One vote; ``battle`` is made up for it, since nothing of its own is known."""

    verdict: Verdict
    voter: str | None
    voted_at: datetime
    a: AnswerRecord
    b: AnswerRecord
    battle: BattleRecord


_V = imported_votes.c
_ALIKE = (_V.model_a, _V.model_b, _V.verdict, _V.language, _V.categories)
_STYLE_COLUMNS = {side: tuple(_V[f"{name}_{side}"].label(f"style_{name}_{side}") for name in STYLES) for side in Side}
_VOTERS = sa.select(sa.func.count()).select_from(
    sa.select(_V.voter).where(_V.voter.is_not(None)).distinct().limit(FEW_VOTERS + 1).subquery()
)
_NEWEST = sa.select(sa.func.coalesce(sa.func.max(_V.id), 0))
_LABELS = sa.select(import_labels.c.id, import_labels.c.label)
_EACH = (
    sa.select(*_ALIKE, _V.id, _V.key, _V.voter, _V.voted_at, *_STYLE_COLUMNS[Side.A], *_STYLE_COLUMNS[Side.B])
    .where(_V.id > sa.bindparam("after"))
    .order_by(_V.id)
    .limit(sa.bindparam("chunk"))
)


async def imported_sums(
    database: Database, apart: Apart | None = None, size: int = RANGE
) -> AsyncGenerator[Sequence[ImportedVotes]]:
    """Yield like votes with their number, for each range of ids; those of two ranges may be alike.

    Raises:
        Unavailable: the database is unavailable.
    """
    last = await database.read(lambda c: int(c.execute(_NEWEST).scalar_one()))
    if not last:
        return
    names, apart = await _names(database), apart or Apart()
    by_voter = apart.voters or await database.read(lambda c: int(c.execute(_VOTERS).scalar_one())) <= FEW_VOTERS
    statement = _summed(apart, by_voter=by_voter)
    for after in range(0, last, size):
        yield await database.read(_sums(statement, after, min(after + size, last), names))


def _summed(apart: Apart, *, by_voter: bool) -> sa.Select[tuple[Any, ...]]:
    """The sums of a range of ids; how many of ``since`` a vote is not older than is its ``period``."""
    period = sum((sa.case((_V.voted_at >= moment, 1), else_=0) for moment in apart.since), start=sa.literal(0))
    columns = [*_ALIKE, *((_V.voter,) if by_voter else ())]
    columns += [*_STYLE_COLUMNS[Side.A], *_STYLE_COLUMNS[Side.B]] if apart.style else []
    grouped = [column.element if isinstance(column, sa.Label) else column for column in columns]
    return (
        sa.select(
            *columns, period.label("period"), sa.func.count().label("count"), sa.func.max(_V.voted_at).label("newest")
        )
        .where(_V.id > sa.bindparam("after"), _V.id <= sa.bindparam("last"))
        .group_by(*grouped, sa.literal_column("period"))
    )


async def imported_one_by_one(
    database: Database, chunk: int, since: datetime | None = None, until: datetime | None = None
) -> AsyncGenerator[Sequence[ImportedVote]]:
    """Yield the votes from ``since`` on and before ``until`` in the order in which they came, a chunk at a time.

    Raises:
        Unavailable: the database is unavailable.
    """
    after, names = 0, await _names(database)
    statement = _EACH if since is None else _EACH.where(_V.voted_at >= since)
    statement = statement if until is None else statement.where(_V.voted_at < until)
    while True:
        rows = await database.read(_rows(statement, after, chunk))
        if rows:
            yield [_vote(row, names) for row in rows]
        if len(rows) < chunk:
            return
        after = rows[-1]["id"]


async def _names(database: Database) -> dict[int, str]:
    return await database.read(lambda c: {row.id: row.label for row in c.execute(_LABELS)})


def _rows(statement: sa.Select[Any], after: int, chunk: int) -> Callable[[Connection], Sequence[Row]]:
    return lambda connection: connection.execute(statement, {"after": after, "chunk": chunk}).mappings().all()


def _sums(
    statement: sa.Select[tuple[Any, ...]], after: int, last: int, names: dict[int, str]
) -> Callable[[Connection], list[ImportedVotes]]:
    """Values are made where the rows are read: with SQLite, in a thread."""

    def work(connection: Connection) -> list[ImportedVotes]:
        rows = connection.execute(statement, {"after": after, "last": last}).mappings()
        return [_sum(row, names) for row in rows]

    return work


def _sum(row: Row, names: dict[int, str]) -> ImportedVotes:
    return ImportedVotes(
        model_a=names[row["model_a"]],
        model_b=names[row["model_b"]],
        verdict=Verdict(row["verdict"]),
        language=names.get(row["language"]),
        categories=_categories(row, names),
        style_a=_style(row, Side.A),
        style_b=_style(row, Side.B),
        voter=row.get("voter"),
        period=row["period"],
        count=row["count"],
        newest=row["newest"],
    )


def _categories(row: Row, names: dict[int, str]) -> tuple[str, ...] | None:
    return None if row["categories"] is None else tuple(json.loads(names[row["categories"]]))


def _style(row: Row, side: Side) -> AnswerStyle | None:
    return style_value(row, f"_{side}") if f"style_length_{side}" in row else None


def _vote(row: Row, names: dict[int, str]) -> ImportedVote:
    models = names[row["model_a"]], names[row["model_b"]]
    battle = BattleRecord(
        id=battle_id_of(row["key"]),
        message="",
        contestants=models,
        session_id=None,
        system=None,
        options={},
        idempotency_key=None,
        request_hash=None,
        status=Status.FINISHED,
        round=1,
        created_at=row["voted_at"],
        ended_at=row["voted_at"],
        language=names.get(row["language"]),
        categories=_categories(row, names),
    )
    a, b = (
        AnswerRecord(entry, model, None, "", "stop", style=_style(row, side))
        for entry, (model, side) in enumerate(zip(models, Side, strict=True))
    )
    return ImportedVote(Verdict(row["verdict"]), row["voter"], row["voted_at"], a, b, battle)
