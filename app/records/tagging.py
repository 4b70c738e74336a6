"""Finds the language and the categories of prompts, off the request path, while their battles are played.

A battle is looked at once (``tagged_at``), also if it was opened before there was a tagger, the newest first. What the
opener or an import said stays. A category has words: a prompt is of each category of which a word or phrase stands in
it by itself, in capitals or not. Words and no patterns, for a pattern can take for ever on a text that nobody thought
of.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.database.repeated import RepeatedRead
from app.errors import Unavailable
from app.records.column_types import CleanJson, CleanText, UtcTime
from app.records.languages import UNDETERMINED, language_of
from app.records.ledger import utc_now
from app.records.tables import battles

log = structlog.get_logger(__name__)

CHUNK = 200
"""Prompts that are looked at in one go: some milliseconds of CPU."""
CHECK_EVERY = timedelta(seconds=2)

_UNTAGGED = (
    sa.select(battles.c.id, battles.c.message)
    .where(battles.c.tagged_at.is_(None))
    .order_by(battles.c.created_at.desc())
    .limit(sa.bindparam("chunk"))
)
_TAG = (
    sa.update(battles)
    .where(battles.c.id == sa.bindparam("of"), battles.c.tagged_at.is_(None))
    .values(
        language=sa.func.coalesce(battles.c.language, sa.bindparam("found", type_=CleanText())),
        categories=sa.func.coalesce(battles.c.categories, sa.bindparam("tags", type_=CleanJson())),
        tagged_at=sa.bindparam("now", type_=UtcTime()),
    )
)


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories that prompts may be of, with the pattern of each one's words; None for one without words."""

    patterns: Mapping[str, re.Pattern[str] | None]

    @classmethod
    def of(cls, words: Mapping[str, Sequence[str]]) -> Categories:
        """The categories by name, each with its words."""
        return cls({name: _pattern(some) for name, some in words.items()})

    def found_in(self, prompt: str) -> tuple[str, ...] | None:
        """The categories of a prompt, in their order here; None if there are no rules."""
        if not any(self.patterns.values()):
            return None
        return tuple(name for name, pattern in self.patterns.items() if pattern is not None and pattern.search(prompt))


def _pattern(words: Sequence[str]) -> re.Pattern[str] | None:
    """A word that begins or ends with a letter or digit does not stand in the midst of others."""
    bounded = (rf"{_edge(word[0])}{re.escape(word)}{_edge(word[-1])}" for word in map(str.strip, words))
    return re.compile("|".join(bounded), re.IGNORECASE) if words else None


def _edge(character: str) -> str:
    return r"\b" if re.match(r"\w", character) else ""


class Tagger:
    """Looks for prompts without tags every two seconds; several processes may, the second finds nothing."""

    def __init__(
        self,
        database: Database,
        categories: Categories,
        clock: Callable[[], datetime] = utc_now,
        check_every: timedelta = CHECK_EVERY,
    ) -> None:
        self._database = database
        self._newest = RepeatedRead(database, _untagged(CHUNK))
        self._categories = categories
        self._clock = clock
        self._check_every = check_every

    async def run(self) -> None:
        """Tag until cancelled."""
        while True:
            try:
                while await self._tag(await self._newest.ask()) == CHUNK:
                    pass
            except Unavailable as error:
                log.warning("tagger_waits", trouble=error.sentence)
            # Not at a beat: of several processes one comes first, and the others find nothing to do.
            await asyncio.sleep(self._check_every.total_seconds())

    async def tag(self, most: int = CHUNK) -> int:
        """Look at the newest prompts that nobody has looked at; how many these were.

        Raises:
            Unavailable: the database is unavailable; what was not looked at is found later.
        """
        return await self._tag(await self._database.read(_untagged(most)))

    async def _tag(self, prompts: Sequence[tuple[str, str]]) -> int:
        if prompts:
            tags = await asyncio.to_thread(self._tags, prompts)
            await self._database.transaction(_storing(tags))
        return len(prompts)

    def _tags(self, prompts: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
        now = self._clock()
        return [{"of": battle, "now": now} | self._found(battle, prompt) for battle, prompt in prompts]

    def _found(self, battle: str, prompt: str) -> dict[str, object]:
        """An erased prompt has no language; one that the detector fails on must not hold up the others."""
        if not prompt.strip():
            return {"found": None, "tags": None}
        try:
            language = language_of(prompt)
        except Exception:
            log.exception("language_not_found", battle=battle)
            language = UNDETERMINED
        return {"found": language, "tags": self._categories.found_in(prompt)}


def _untagged(most: int) -> Callable[[Connection], list[tuple[str, str]]]:
    return lambda connection: [tuple(row) for row in connection.execute(_UNTAGGED, {"chunk": most})]


def _storing(tags: list[dict[str, object]]) -> Callable[[Connection], None]:
    def work(connection: Connection) -> None:
        connection.execute(_TAG, tags)

    return work
