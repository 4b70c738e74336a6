"""Boards as the bytes that are served; pure functions of what was gathered, to be run in a thread."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import orjson

from app.battle.battle import Verdict
from app.errors import InvalidInput
from app.leaderboard.gather import Gathered
from app.leaderboard.query import LeaderboardQuery
from app.ranking.board import BoardRow
from app.ranking.leaderboard import board_of
from app.ranking.speed import SpeedRow, speed_board
from app.ranking.votes import VoteTable, tabulate

FACTS, SPEED = "facts", "speed"
"""The names of the two bodies that are no leaderboards."""
DEFAULT = LeaderboardQuery()
UNMEASURED = "unmeasured"
"""Why a vote is left out where style is set aside: the look of one of its answers is not known."""
_REFUSED = b"refused: "
_NO_STYLE = (
    "style can't be set aside: the looks of both answers are known for none of the {votes} votes that would count; "
    "leave style out"
)
VOTES_OF = "ended battles"
"""Which votes are behind every figure; those of running ones would tell who sits where."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts over all votes of ended battles, marked or not, but for void ones; ``usage`` is verdicts by model name."""

    votes: int
    verdicts: dict[str, int]
    usage: dict[str, int]
    categories: dict[str, int]
    languages: dict[str, int]

    @classmethod
    def from_bytes(cls, body: bytes) -> Facts:
        """Read what ``facts_of`` gave."""
        return cls(**orjson.loads(body))

    def check_anchor(self, query: LeaderboardQuery) -> None:
        """Refuse a query whose anchor was never judged, so that nobody has boards made of names that he makes up.

        Raises:
            InvalidInput: it was not.
        """
        anchor = query.anchor
        if anchor is not None and not {anchor, anchor.rpartition("@")[0]} & self.usage.keys():
            raise InvalidInput("anchor is the name of a model on the board", field="anchor")

    def empty_board(self, query: LeaderboardQuery) -> bytes:
        """The board of a category or language that nobody voted in."""
        return board_body(Gathered(categories=self.categories, languages=self.languages), query)

    def has(self, query: LeaderboardQuery) -> bool:
        """Whether there is any vote of the query's category and any of its language."""
        in_category = query.category is None or query.category in self.categories
        return in_category and (query.language is None or query.language in self.languages)


def bodies_of(gathered: Gathered, queries: Iterable[LeaderboardQuery]) -> dict[str, bytes]:
    """The bodies of the boards that ``queries`` ask for, of the speed board and of the facts, by key."""
    speed = speed_board(gathered.timings)
    boards = {query.key: board_body(gathered, query, speed) for query in {DEFAULT, *queries}}
    return {**boards, SPEED: _dumped({"speed": speed, "answers_of": VOTES_OF}), FACTS: _dumped(facts_of(gathered))}


def board_body(gathered: Gathered, query: LeaderboardQuery, speed: tuple[SpeedRow, ...] = ()) -> bytes:
    """One board; the same bytes for the same votes. ``last_updated`` is a number for clients that count on one.

    A board that can't be made is a refusal, for ``accepted`` to raise when somebody asks for it.
    """
    table = _table(gathered, query)
    unmeasured = dict(table.left_out).get(UNMEASURED, 0)
    if unmeasured and not len(table.verdict):
        return _REFUSED + _NO_STYLE.format(votes=unmeasured).encode()
    board = board_of(table, query.rules, [card for card in gathered.cards if card.model in table.models])
    return _dumped(
        {
            "leaderboard": [_row(place, row) for place, row in enumerate(board.leaderboard, 1)],
            "last_updated": board.last_updated or 0.0,
            "method": asdict(board.method) | {"both_bad": "tie" if query.both_bad_ties else "drop"},
            "counts": board.counts,
            "finding": board.finding,
            "positions": board.positions,
            "head_to_head": board.head_to_head,
            "warnings": board.warnings,
            "contestants": {row.model: gathered.contestants[row.model] for row in board.leaderboard},
            "categories": sorted(gathered.categories),
            "languages": sorted(gathered.languages),
            "speed": speed,
            "votes_of": VOTES_OF,
        }
    )


def accepted(body: bytes) -> bytes:
    """``body``, if it is a board.

    Raises:
        InvalidInput: it is the refusal to make one.
    """
    if body.startswith(_REFUSED):
        raise InvalidInput(body.removeprefix(_REFUSED).decode(), field="style")
    return body


def _table(gathered: Gathered, query: LeaderboardQuery) -> VoteTable:
    """The votes that count, in columns. Where style is set aside, those count that have the looks of both answers."""
    selection, rows = query.rules.selection, gathered.rows
    if query.both_bad_ties:
        rows = tuple(replace(row, verdict=Verdict.TIE) if row.verdict is Verdict.BOTH_BAD else row for row in rows)
    if not query.features:
        return tabulate(rows, selection)
    lacking = [row for row in rows if row.style_a is None or row.style_b is None]
    unmeasured = sum(row.count for row in lacking if selection.refuses(row) is None)
    refused = [row for row in lacking if selection.refuses(row) is not None]
    measured = [row for row in rows if row.style_a is not None and row.style_b is not None]
    table = tabulate([*measured, *refused], selection)
    more = ((UNMEASURED, unmeasured),) if unmeasured else ()
    return replace(table, left_out=tuple(sorted((*table.left_out, *more))))


def _row(place: int, row: BoardRow) -> dict[str, object]:
    """A row with ``rank`` and ``win_rate`` as existing clients read them.

    They give a badge to each of the ranks 1, 2 and 3, so ``rank`` is the row's place on the board and nobody shares it.
    The rank that models share which can't be told apart is ``rank_low``. ``win_rate`` is in per cent, ``win_share`` is
    the same from 0 to 1.
    """
    known = {"rank": place, "rank_low": row.rank, "win_rate": round(100.0 * row.win_rate, 2), "win_share": row.win_rate}
    return asdict(row) | known


def facts_of(gathered: Gathered) -> Facts:
    """The counts of what was gathered."""
    return Facts(
        votes=sum(gathered.verdicts.values()),
        verdicts={verdict.value: gathered.verdicts.get(verdict.value, 0) for verdict in Verdict},
        usage=dict(gathered.usage),
        categories=dict(gathered.categories),
        languages=dict(gathered.languages),
    )


def _dumped(body: object) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
