"""Votes of which no battle is known, as one narrow row each (``imported_votes``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.records.column_types import storable
from app.records.imports.arena_lines import AnswerPart, ArenaLine, VoteLine
from app.records.imports.identity import Identity, key_in
from app.records.imports.sources import add_contents
from app.records.tables import STYLES, battles, import_labels, imported_votes

T = TypeVar("T")

LOOKED_UP = 10_000
"""Keys in one query: both databases take some 32,000 parameters."""

_KEYS: sa.BindParameter[bytes] = sa.bindparam("keys", expanding=True, type_=sa.LargeBinary())
_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_KNOWN_KEYS = sa.select(imported_votes.c.key).where(imported_votes.c.key.in_(_KEYS))
_KNOWN_BATTLES = sa.select(battles.c.id).where(battles.c.id.in_(_IDS))
_ANY_BATTLE = sa.select(battles.c.id).where(battles.c.id.like("import-%")).limit(1)
_LABELS = sa.select(import_labels.c.label, import_labels.c.id).where(import_labels.c.label.in_(_IDS))


def _insert_if_absent(table: sa.Table) -> dict[str, sa.Insert]:
    return {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
    }


_NEW_LABEL, _NEW_VOTE = map(_insert_if_absent, (import_labels, imported_votes))


@dataclass(frozen=True, slots=True)
class Numbered:
    """A vote with what it is known by; ``before`` is the id that earlier versions gave it."""

    identity: Identity
    vote: VoteLine
    before: str | None


def is_plain(vote: VoteLine) -> bool:
    """Whether nothing is lost when a vote has no battle: its line has none, or it is the export of such a vote."""
    if not isinstance(vote, ArenaLine):
        return True
    if vote.battle_id is None or key_in(vote.battle_id) is None:
        return False
    details = (vote.prompt, vote.system, vote.client_at, *vote.battle.options)
    bare = all(part.model_copy(update={"style": None}) == AnswerPart() for part in (vote.answer_a, vote.answer_b))
    return bare and not any(details) and (vote.round, vote.entry_a, vote.entry_b) == (1, 0, 1)


def any_imported_battle(connection: Connection) -> bool:
    """Whether there is a battle whose id an import made up."""
    return connection.execute(_ANY_BATTLE).first() is not None


def known_of(connection: Connection, votes: Sequence[Numbered]) -> set[bytes]:
    """The keys among those of ``votes`` that are stored already, as a row or as a battle."""
    known: set[bytes] = set()
    any_battle = any_imported_battle(connection)
    for part in _parts(votes, LOOKED_UP):
        known |= set(connection.execute(_KNOWN_KEYS, {"keys": [one.identity.key for one in part]}).scalars())
        if any_battle:
            known |= _as_battles(connection, part)
    return known


def _as_battles(connection: Connection, votes: Sequence[Numbered]) -> set[bytes]:
    ids = {one.identity.battle_id: one.identity.key for one in votes}
    ids |= {one.before: one.identity.key for one in votes if one.before is not None}
    found: set[bytes] = set()
    for part in _parts(list(ids), LOOKED_UP):
        found |= {ids[name] for name in connection.execute(_KNOWN_BATTLES, {"ids": part}).scalars()}
    return found


class PlainVotes:
    """Stores votes of one source. Names that were looked up once are remembered."""

    def __init__(self, database: Database, source: str) -> None:
        self._database = database
        self._source = source
        self._labels: dict[str, int] = {}

    async def store(self, votes: Sequence[Numbered], now: datetime) -> int:
        """Store those that are new; how many these are.

        Raises:
            Unavailable: the database is unavailable; start again, nothing is stored twice.
        """
        if not votes:
            return 0
        await self._learn({name for one in votes for name in _names(one.vote)})
        rows = [(one.identity, self._row(one, now)) for one in votes]

        def work(connection: Connection) -> int:
            known = known_of(connection, votes)
            new = {identity.key: (identity, row) for identity, row in rows if identity.key not in known}
            if new:
                contents = [identity.content for identity, _ in new.values()]
                source = add_contents(connection, self._source, contents, len(new), now)
                given = [row | {"source_id": source} for _, row in new.values()]
                connection.execute(_NEW_VOTE[connection.dialect.name], given)
            return len(new)

        return await self._database.transaction(work)

    async def _learn(self, names: set[str]) -> None:
        """Number the names that have no number yet, in a transaction of their own: they stay whatever becomes of it."""
        if missing := sorted(names - self._labels.keys()):
            self._labels |= await self._database.transaction(lambda c: _numbered(c, missing))

    def _row(self, one: Numbered, now: datetime) -> dict[str, Any]:
        vote, labels = one.vote, self._labels
        categories = _categories(vote)
        return {
            "key": one.identity.key,
            "model_a": labels[storable(vote.model_a)],
            "model_b": labels[storable(vote.model_b)],
            "verdict": vote.verdict.value,
            "language": None if vote.language is None else labels[storable(vote.language)],
            "categories": None if categories is None else labels[categories],
            "voter": vote.voter,
            "voted_at": vote.moment(now),
            **_style_columns(vote.answer_a, "a"),
            **_style_columns(vote.answer_b, "b"),
        }


_NO_STYLE: dict[str, dict[str, int | None]] = {side: {f"{name}_{side}": None for name in STYLES} for side in ("a", "b")}


def _style_columns(part: AnswerPart, side: str) -> dict[str, int | None]:
    if part.style is None:
        return _NO_STYLE[side]
    return {f"{name}_{side}": getattr(part.style, name) for name in STYLES}


def _categories(vote: VoteLine) -> str | None:
    return None if vote.categories is None else storable(orjson.dumps(vote.categories).decode())


def _names(vote: VoteLine) -> Iterator[str]:
    yield storable(vote.model_a)
    yield storable(vote.model_b)
    if vote.language is not None:
        yield storable(vote.language)
    if (categories := _categories(vote)) is not None:
        yield categories


def _numbered(connection: Connection, names: Sequence[str]) -> dict[str, int]:
    connection.execute(_NEW_LABEL[connection.dialect.name], [{"label": name} for name in names])
    found: dict[str, int] = {}
    for part in _parts(names, LOOKED_UP):
        found |= {row.label: row.id for row in connection.execute(_LABELS, {"ids": part})}
    return found


def _parts(whole: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (whole[start : start + size] for start in range(0, len(whole), size))
