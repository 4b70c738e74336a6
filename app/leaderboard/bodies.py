"""Boards as the bytes that are served: how they are named and read. ``making`` makes them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import orjson

from app.battle.battle import Verdict
from app.errors import InvalidInput, Unavailable
from app.leaderboard.query import LeaderboardQuery

FACTS, SPEED = "facts", "speed"
"""The names of the two bodies that are no leaderboards."""
DEFAULT = LeaderboardQuery()
REFUSED = b"refused: "
FAILED = b"failed"
"""In the place of a board that can't be made: the others are made nevertheless."""
MOST_LISTED = 50
"""Names in an error that lists those that are known."""
VOTES_OF = "ended battles"
"""Which votes are behind every figure; those of running ones would give away who sits where."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts over the votes of ended battles, marked or not, but for void ones and those of voters who knew names.

    ``usage`` is verdicts by model name. A name that only such votes know has the count 0: a board may be asked for it.
    """

    votes: int
    verdicts: dict[str, int]
    usage: dict[str, int]
    categories: dict[str, int]
    languages: dict[str, int]

    @classmethod
    def none(cls) -> Facts:
        """What is counted without any vote."""
        return cls(0, {verdict.value: 0 for verdict in Verdict}, {}, {}, {})

    @classmethod
    def from_bytes(cls, body: bytes) -> Facts:
        """Read what ``making.facts_of`` gave."""
        return cls(**orjson.loads(body))

    def check(self, query: LeaderboardQuery, categories: Collection[str] = ()) -> None:
        """Refuse a query of names that no vote knows, so that nobody has boards made of names that he makes up.

        ``categories`` are those that questions may have, besides those that they had.

        Raises:
            InvalidInput: its category, its language or its anchor is not known; the sentence has those that are.
        """
        _check_name("category", query.category, {*self.categories, *categories})
        _check_name("language", query.language, self.languages)
        anchor = query.anchor
        if anchor is not None and not {anchor, anchor.rpartition("@")[0]} & self.usage.keys():
            raise InvalidInput("anchor is the name of a model on the board", field="anchor")


def _check_name(field: str, name: str | None, known: Collection[str]) -> None:
    if name is not None and name not in known:
        listed = ", ".join(sorted(known)[:MOST_LISTED]) or "none yet"
        more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
        raise InvalidInput(f"no vote has the {field} {name!r}; known are {listed}{more}", field=field)


def accepted(body: bytes) -> bytes:
    """``body``, if it is a board.

    Raises:
        InvalidInput: it is the refusal to make one.
        Unavailable: it could not be made.
    """
    if body == FAILED:
        raise Unavailable("this board can't be made; the log says why", code="board_failed")
    if body.startswith(REFUSED):
        raise InvalidInput(body.removeprefix(REFUSED).decode(), field="style")
    return body
