"""Where imported votes came from: a name, and the sum of the contents of the lines that it brought."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import combinations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.records.imports.identity import total
from app.records.tables import import_sources

MOST_TOGETHER = 12
"""Sources whose sums are tried: all of them, two by two, three by three and so on; 4,096 sums."""

_SOURCE = sa.select(import_sources).where(import_sources.c.name == sa.bindparam("source")).with_for_update()
_NEWEST = (
    sa.select(import_sources.c.name, import_sources.c.contents)
    .where(import_sources.c.contents != total([]))
    .order_by(import_sources.c.id.desc())
    .limit(MOST_TOGETHER)
)
_ADD = (
    sa.update(import_sources)
    .where(import_sources.c.id == sa.bindparam("of"))
    .values(votes=import_sources.c.votes + sa.bindparam("more"), contents=sa.bindparam("sum"))
)
_MEET = {
    "sqlite": sqlite.insert(import_sources).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(import_sources).on_conflict_do_nothing(),
}


def add_contents(connection: Connection, source: str, contents: Sequence[int], votes: int, now: datetime) -> int:
    """Count what a source has brought: the contents of lines, and how many of them became narrow rows; its number."""
    new = {"name": source, "votes": 0, "contents": total([]), "created_at": now}
    connection.execute(_MEET[connection.dialect.name], new)
    row = connection.execute(_SOURCE, {"source": source}).one()
    connection.execute(_ADD, {"of": row.id, "more": votes, "sum": total(contents, row.contents)})
    return int(row.id)


async def is_known(database: Database, source: str) -> bool:
    """Whether anything was imported under this name."""
    return await database.read(lambda c: c.execute(_SOURCE, {"source": source}).first()) is not None


async def any_source(database: Database) -> bool:
    """Whether there is a source whose contents are known."""
    return await database.read(lambda c: c.execute(_NEWEST).first() is not None)


async def sources_of(database: Database, contents: str) -> tuple[str, ...]:
    """The sources that have brought exactly the lines whose contents add up to this; none if there are none such.

    One source, or several: files that were imported one by one may come again as one file, in any order. The newest
    twelve are tried.
    """
    known = await database.read(lambda c: [(row.name, int(row.contents, 16)) for row in c.execute(_NEWEST)])
    for count in range(1, len(known) + 1):
        for some in combinations(known, count):
            if total([content for _, content in some]) == contents:
                return tuple(sorted(name for name, _ in some))
    return ()
