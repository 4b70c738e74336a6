"""Answers that may be given again, to whoever asked for them: the table ``batch_cache``.

An answer is known by all that decides its text: the digest of its model's weights, the conversation, the options with
the seed, what it has to be, and which sample it is. Prompts are not kept, only their hash. Each scope (a key of /v1 or
the owner of runs) sees its own answers only. An answer is given for ``ttl``. When all are larger than ``limit_bytes``,
the oldest of those scopes go that have more than an equal share.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from app.backends.base import GenerationRequest
from app.database.database import Database
from app.records.batch_tables import batch_cache

LOCAL = "local"
"""The scope of callers on the machine itself, and of runs without an owner."""
ROW_BYTES = 300
"""What an answer takes beside its text: key, names, index entries."""
LOOKED_UP_AT_ONCE = 500
TRIMMED_EVERY = 100
"""How often the size is checked: whenever a process has stored this part of the limit."""

_C = batch_cache.c


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer that is kept; ``key`` is from ``answer_key``, ``digest`` that of the model's weights."""

    key: str
    model: str
    digest: str
    text: str
    finish_reason: str
    tokens: int = 0
    prompt_tokens: int = 0

    @property
    def size(self) -> int:
        """The bytes that it takes, about."""
        return len(self.text.encode("utf-8", "replace")) + ROW_BYTES


@dataclass(frozen=True, slots=True)
class ScopeSize:
    """What one scope has in the cache; ``oldest`` is when its oldest answer was kept."""

    scope: str
    answers: int
    bytes: int
    oldest: datetime


def is_repeatable(request: GenerationRequest) -> bool:
    """Whether the same answer is to be expected again: nothing is drawn, or with a seed."""
    return request.options.temperature == 0 or request.options.seed is not None


def answer_key(request: GenerationRequest, digest: str, sample: int = 0) -> str:
    """What an answer is known by; the name of the model is no part of it, the digest of its weights is."""
    asked = asdict(request) | {"model": digest, "sample": sample}
    return sha256(json.dumps(asked, sort_keys=True, separators=(",", ":"), default=dict).encode()).hexdigest()


class AnswerCache:
    """The cache of all processes. Calls raise ``Unavailable`` while the database is unavailable.

    ``now`` is the clock of all machines. With a ``limit_bytes`` of 0 nothing is kept or found.
    """

    def __init__(self, database: Database, now: Callable[[], datetime], limit_bytes: int, ttl: timedelta) -> None:
        self._database = database
        self._now = now
        self._limit = limit_bytes
        self._ttl = ttl
        self._unchecked: int | None = None

    @property
    def is_on(self) -> bool:
        """Whether anything is kept at all."""
        return self._limit > 0

    async def found(self, scope: str, keys: Sequence[str]) -> dict[str, CachedAnswer]:
        """Those of the answers that are kept, by their keys."""
        if not self._limit or not keys:
            return {}
        since = self._now() - self._ttl
        names = list(CachedAnswer.__dataclass_fields__)

        def work(connection: Connection) -> dict[str, CachedAnswer]:
            found: dict[str, CachedAnswer] = {}
            for start in range(0, len(keys), LOOKED_UP_AT_ONCE):
                wanted = keys[start : start + LOOKED_UP_AT_ONCE]
                columns = (_C[name] for name in names)
                query = sa.select(*columns).where(_C.scope == scope, _C.key.in_(wanted), _C.created_at >= since)
                for row in connection.execute(query):
                    found[row.key] = CachedAnswer(*row)
            return found

        return await self._database.read(work)

    async def keep(self, scope: str, answers: Sequence[CachedAnswer]) -> None:
        """Keep answers; one that is there is replaced. What is empty, or larger than all may be, is not kept."""
        now = self._now()
        kept = [one for one in answers if one.text and one.size <= self._limit]
        if not kept:
            return
        rows = [asdict(one) | {"scope": scope, "size": one.size, "created_at": now} for one in kept]
        self._unchecked = None if self._unchecked is None else self._unchecked + sum(one.size for one in kept)
        due = self._unchecked is None or self._unchecked >= self._limit // TRIMMED_EVERY

        def work(connection: Connection) -> None:
            connection.execute(_replacing(connection), rows)
            if due:
                self._trim(connection, now)

        await self._database.transaction(work)
        if due:
            self._unchecked = 0

    def _trim(self, connection: Connection, now: datetime) -> None:
        connection.execute(batch_cache.delete().where(_C.created_at < now - self._ttl))
        by_scope = sa.select(_C.scope, sa.func.sum(_C.size)).group_by(_C.scope)
        sizes = {scope: int(size) for scope, size in connection.execute(by_scope)}
        for scope, share in shares(sizes, self._limit).items():
            if sizes[scope] > share:
                connection.execute(_OLDEST, {"of": scope, "share": share})

    async def clear(self, scope: str | None = None, model: str | None = None) -> int:
        """Forget answers: all, or those of a scope or of a model; how many."""
        which = batch_cache.delete()
        which = which if scope is None else which.where(_C.scope == scope)
        which = which if model is None else which.where(_C.model == model)
        return await self._database.transaction(lambda connection: connection.execute(which).rowcount)

    async def sizes(self) -> list[ScopeSize]:
        """What each scope has, the largest first; with answers whose time is over, which go at the next check."""
        size = sa.func.sum(_C.size)
        query = sa.select(_C.scope, sa.func.count(), size, sa.func.min(_C.created_at)).group_by(_C.scope)
        rows = await self._database.read(
            lambda connection: connection.execute(query.order_by(size.desc(), _C.scope)).all()
        )
        return [ScopeSize(scope, count, int(size), oldest) for scope, count, size, oldest in rows]


def shares(sizes: Mapping[str, int], limit: int) -> dict[str, int]:
    """How many bytes each scope may keep: what it has, as long as that is no more than an equal share of the rest."""
    left, found = limit, {}
    for place, (scope, size) in enumerate(sorted(sizes.items(), key=lambda one: (one[1], one[0]))):
        found[scope] = min(size, left // (len(sizes) - place))
        left -= found[scope]
    return found


def _replacing(connection: Connection) -> sa.Insert:
    """An answer that is there was given longer ago; the newer one stays longer."""
    insert = (sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert)(batch_cache)
    values = {column.name: insert.excluded[column.name] for column in _C if column.name not in ("scope", "key")}
    return insert.on_conflict_do_update(index_elements=["scope", "key"], set_=values)


_NEWER = sa.func.sum(_C.size).over(order_by=(_C.created_at.desc(), _C.key))
_RANKED = sa.select(_C.key, _NEWER.label("so_far")).where(_C.scope == sa.bindparam("of")).subquery()
_OLDEST = batch_cache.delete().where(
    _C.scope == sa.bindparam("of"),
    _C.key.in_(sa.select(_RANKED.c.key).where(_RANKED.c.so_far > sa.bindparam("share"))),
)
"""Forgets the oldest answers of a scope, beyond the newest that have room together."""
