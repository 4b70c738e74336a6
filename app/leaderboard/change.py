"""What the votes of a battle did to the leaderboard: where its models stood in the fit before and in the fit with them.

Both fits are stored ones, nothing is computed anew. A fit counts the votes of all battles that ended since the one
before, so each change says how many other votes came with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import orjson

from app.ranking.votes import JudgedPair, Selection

MOST_COUNTED = 2000
"""So many battles, those with the newest votes, are distinguished from the ones that the next fit adds."""

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class CountedVote:
    """The battles with the newest votes that a fit counts: all that have votes after ``since_s`` (Unix time)."""

    since_s: float
    battles: frozenset[str]

    @classmethod
    def of(cls, rows: Iterable[JudgedPair], most: int = MOST_COUNTED) -> CountedVote:
        """Those of ``rows`` that have a battle and a time."""
        newest: dict[str, float] = {}
        for row in rows:
            if row.battle is not None and row.at_s is not None:
                newest[row.battle] = max(row.at_s, newest.get(row.battle, row.at_s))
        kept = sorted(newest, key=lambda battle: newest[battle], reverse=True)[:most]
        since_s = newest[kept[-1]] if len(kept) < len(newest) else 0.0
        return cls(since_s, frozenset(battle for battle in kept if newest[battle] > since_s))

    @classmethod
    def from_bytes(cls, stored: bytes) -> CountedVote:
        """Read what ``to_bytes`` gave."""
        since_s, battles = orjson.loads(stored)
        return cls(float(since_s), frozenset(battles))

    def to_bytes(self) -> bytes:
        """As it is stored beside its fit."""
        return orjson.dumps([self.since_s, sorted(self.battles)])


@dataclass(frozen=True, slots=True)
class StoredFit:
    """A fit as it is stored: the body of its default board, and the battles that it counts."""

    body: bytes
    counted: CountedVote


def changes(before: StoredFit, after: StoredFit, rows: Iterable[JudgedPair], selection: Selection) -> dict[str, bytes]:
    """The change of each battle that ``after`` counts and ``before`` does not, by its id; ``rows`` are all votes."""
    new = after.counted.battles - before.counted.battles
    votes: dict[str, list[JudgedPair]] = {}
    for row in rows if new else ():
        if row.battle is not None and row.battle in new:
            votes.setdefault(row.battle, []).append(row)
    since_s = before.counted.since_s
    recent = {one: of for one, of in votes.items() if any((row.at_s or 0.0) > since_s for row in of)}
    if not recent:
        return {}
    old_board, new_board = orjson.loads(before.body), orjson.loads(after.body)
    more = new_board["counts"]["votes"] - old_board["counts"]["votes"]
    old, new_rows = _by_model(old_board), _by_model(new_board)
    return {one: orjson.dumps(_change(of, more, old, new_rows, selection)) for one, of in recent.items()}


def _by_model(board: Mapping[str, list[Row]]) -> dict[str, Row]:
    return {str(row["model"]): _standing(row) for row in board["leaderboard"]}


def _standing(row: Row) -> Row:
    """What a reader needs of a row to see that it moved."""
    return {
        name: row[name]
        for name in ("elo_rating", "rating_lower", "rating_upper", "bounds", "rank_low", "rank_high", "provisional")
    }


def _change(
    votes: Sequence[JudgedPair], more: int, old: Mapping[str, Row], new: Mapping[str, Row], selection: Selection
) -> Row:
    reasons = [selection.refuses(row) for row in votes]
    left_out = {reason: reasons.count(reason) for reason in reasons if reason is not None}
    mine = reasons.count(None)
    models = sorted({model for row in votes for model in (row.model_a, row.model_b)})
    return {
        "votes": mine,
        "other_votes": max(0, more - mine),
        "left_out": left_out,
        "models": [{"model": model, "before": old.get(model), "after": new.get(model)} for model in models],
    }
