"""Takes votes of other arenas: ``arena/1`` as we export it, or any JSON lines with models and a winner.

It may be started again, after it was cut off or whenever there is more: what is there stays as it is. What a vote is
known by stands in ``app.records.imports.identity``.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.engine import Connection

from app.battle.battle import Verdict
from app.database.database import Database
from app.errors import InvalidInput
from app.records.column_types import storable
from app.records.imports.arena_lines import ArenaLine, Raw, VoteLine, parsed, read_vote
from app.records.imports.identity import Identities, Identity, key_before, key_in, total
from app.records.imports.plain_votes import Numbered, PlainVotes, any_imported_battle, is_plain, known_of
from app.records.imports.played_votes import PlayedVote, store_played
from app.records.imports.sources import add_contents
from app.records.ledger import utc_now

CHUNK, PLAIN_CHUNK = 250, 20_000
"""Votes in a transaction: those with battles and answers, and narrow rows. Others write in between."""
UNNAMED = "unnamed"
FAULTS = 10
"""How many refused lines are reported."""


class BothBad(StrEnum):
    """What becomes of the verdict that both are bad."""

    KEEP = "keep"
    TIE = "tie"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Taking:
    """How lines are read. ``source`` names where they come from: lines without an id are counted within it.

    ``not_blind``: votes are taken whose voter saw the names (``anony: false`` of public data sets).
    """

    source: str = UNNAMED
    both_bad: BothBad = BothBad.KEEP
    not_blind: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the lines: ``added`` votes are new, ``known`` were there already, or their battle was played here.

    ``refused`` lines are no votes, ``faults`` says why of the first ten; ``not_blind`` and ``both_bad`` were left out
    as ``Taking`` says.
    """

    added: int = 0
    known: int = 0
    refused: int = 0
    not_blind: int = 0
    both_bad: int = 0
    faults: tuple[str, ...] = ()


async def import_lines(
    database: Database,
    lines: Iterable[bytes],
    clock: Callable[[], datetime] = utc_now,
    taking: Taking | None = None,
    *,
    chunk: int | None = None,
) -> Imported:
    """Store the votes of JSON lines; blank lines are passed over, lines that are no votes are refused and counted.

    Raises:
        InvalidInput: these are no JSON lines, but one JSON array.
        Unavailable: the database is unavailable; start again, nothing is stored twice.
    """
    reading = _Reading(taking or Taking(), before=await database.read(any_imported_battle))
    storing = _Storing(database, reading.taking.source, clock)
    for vote in reading.votes(lines):
        storing.take(vote)
        await storing.store_full(chunk or CHUNK, chunk or PLAIN_CHUNK)
    await storing.store_full(1, 1)
    return replace(reading.left_out, added=storing.added, known=storing.taken - storing.added)


def contents_of(lines: Iterable[bytes], taking: Taking) -> tuple[str, Imported]:
    """The sum of the contents of the votes that would be taken, and what would become of the lines if all were known.

    The sum is empty if one of them belongs to a battle that has an id.

    Raises:
        InvalidInput: these are no JSON lines, but one JSON array.
    """
    reading, sum_so_far, count = _Reading(taking, before=False), total([]), 0
    for count, vote in enumerate(reading.votes(lines), 1):  # noqa: B007 - the last is how many there are
        if vote.identity is None:
            return "", Imported()
        sum_so_far = total([vote.identity.content], sum_so_far)
    return sum_so_far, replace(reading.left_out, known=count)


@dataclass(frozen=True, slots=True)
class _Read:
    """A vote; ``identity`` is None where its battle has an id, ``before`` the id that earlier versions gave it."""

    vote: VoteLine
    identity: Identity | None
    before: str | None = None


class _Reading:
    """Reads lines into votes and counts those that are none; ``before``: ids of earlier versions are told, too."""

    def __init__(self, taking: Taking, *, before: bool) -> None:
        self.taking = replace(taking, source=storable(taking.source))
        self.left_out = Imported()
        self._before = before
        self._identities = Identities(self.taking.source)

    def votes(self, lines: Iterable[bytes]) -> Iterator[_Read]:
        """The votes that are to be stored."""
        for number, line in enumerate(_unmarked(lines), 1):
            if not line.strip():
                continue
            try:
                vote = self._vote(line, number)
            except InvalidInput as fault:
                self._refuse(fault)
                continue
            if vote is not None:
                yield vote

    def _vote(self, line: bytes, number: int) -> _Read | None:
        raw = parsed(line, number)
        vote = read_vote(raw, number)
        if self._is_left_out(raw, vote):
            return None
        if vote.verdict is Verdict.BOTH_BAD and self.taking.both_bad is BothBad.TIE:
            vote = vote.model_copy(update={"verdict": Verdict.TIE})
        if vote.battle_id is None:
            return _Read(vote, self._identities.of(raw), key_before(line, number) if self._before else None)
        key = key_in(vote.battle_id)
        return _Read(vote, None if key is None or not is_plain(vote) else Identity(key, 0))

    def _is_left_out(self, raw: Raw, vote: VoteLine) -> bool:
        so_far = self.left_out
        if raw.get("anony") is False and not self.taking.not_blind:
            self.left_out = replace(so_far, not_blind=so_far.not_blind + 1)
        elif vote.verdict is Verdict.BOTH_BAD and self.taking.both_bad is BothBad.DROP:
            self.left_out = replace(so_far, both_bad=so_far.both_bad + 1)
        return self.left_out is not so_far

    def _refuse(self, fault: InvalidInput) -> None:
        so_far = self.left_out
        faults = (*so_far.faults, fault.sentence)[:FAULTS]
        self.left_out = replace(so_far, refused=so_far.refused + 1, faults=faults)


@dataclass(slots=True)
class _Storing:
    """Votes that wait for their transaction, and how many were stored."""

    database: Database
    source: str
    clock: Callable[[], datetime]
    taken: int = 0
    added: int = 0
    plain: list[Numbered] = field(default_factory=list)
    named: list[Numbered] = field(default_factory=list)
    played: list[PlayedVote] = field(default_factory=list)
    _rows: PlainVotes | None = None

    def take(self, read: _Read) -> None:
        """Put a vote where it belongs."""
        self.taken += 1
        if read.identity is not None and is_plain(read.vote):
            self.plain.append(Numbered(read.identity, read.vote, read.before))
        elif read.identity is not None:
            self.named.append(Numbered(read.identity, read.vote, read.before))
        else:
            assert isinstance(read.vote, ArenaLine)
            assert read.vote.battle_id is not None
            self.played.append((read.vote.battle_id, read.vote))

    async def store_full(self, most: int, most_plain: int) -> None:
        """Store what is enough for a transaction."""
        if len(self.plain) >= most_plain:
            self._rows = self._rows or PlainVotes(self.database, self.source)
            self.added += await self._rows.store(self.plain, self.clock())
            self.plain = []
        if len(self.played) + len(self.named) >= most:
            self.added += await self.database.transaction(self._store_played)
            self.played, self.named = [], []

    def _store_played(self, connection: Connection) -> int:
        known, now = known_of(connection, self.named), self.clock()
        new = {one.identity.key: one for one in self.named if one.identity.key not in known}
        named = [(one.identity.battle_id, one.vote) for one in new.values() if isinstance(one.vote, ArenaLine)]
        if new:
            add_contents(connection, self.source, [one.identity.content for one in new.values()], 0, now)
        together = [*self.played, *named]
        return store_played(connection, together, now) if together else 0


def _unmarked(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines without the byte order mark that editors and spreadsheets put before the first.

    Raises:
        InvalidInput: it is an array, as a whole file of JSON often is.
    """
    for number, line in enumerate(lines):
        read = line if number else line.removeprefix(codecs.BOM_UTF8)
        if not number and read.lstrip().startswith(b"["):
            raise InvalidInput("this is one JSON array; write a line for each vote first: jq -c '.[]' FILE")
        yield read
