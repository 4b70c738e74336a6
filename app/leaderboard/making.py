"""Makes boards as the bytes that are served: pure functions of what was gathered, to be run in a thread.

Only who makes boards imports this: numpy comes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

import orjson
import structlog

from app.battle.battle import Verdict
from app.leaderboard.bodies import DEFAULT, FACTS, FAILED, REFUSED, SPEED, VOTES_OF, Facts
from app.leaderboard.gather import Gathered
from app.leaderboard.query import LeaderboardQuery
from app.ranking.board import BoardRow, Leaderboard, SpeedRow
from app.ranking.leaderboard import board_of
from app.ranking.speed import speed_board
from app.ranking.table import VoteTable, tabulate
from app.ranking.votes import JudgedPair

log = structlog.get_logger(__name__)

UNMEASURED = "unmeasured"
"""Why a vote is left out where style is corrected for: the style of one of its answers is not known."""
_NO_STYLE = (
    "style can't be corrected for: none of the {votes} votes that would count has the style of both answers; "
    "leave style out"
)


def bodies_of(gathered: Gathered, queries: Iterable[LeaderboardQuery]) -> dict[str, bytes]:
    """The bodies of the boards that ``queries`` ask for, of the speed board and of the facts, by key."""
    speed = speed_board(gathered.timings)
    boards = {query.key: _body_or_failed(gathered, query, speed) for query in {DEFAULT, *queries}}
    return {**boards, SPEED: _dumped({"speed": speed, "answers_of": VOTES_OF}), FACTS: _dumped(facts_of(gathered))}


def _body_or_failed(gathered: Gathered, query: LeaderboardQuery, speed: tuple[SpeedRow, ...]) -> bytes:
    """One board; a fault in one that somebody asked for must not take the others from everybody."""
    try:
        return board_body(gathered, query, speed)
    except Exception:
        if query == DEFAULT:
            raise
        log.exception("board_failed", board=query.key)
        return FAILED


def board_body(gathered: Gathered, query: LeaderboardQuery, speed: tuple[SpeedRow, ...] = ()) -> bytes:
    """One board; the same bytes for the same votes. ``last_updated`` is a number for clients that count on one.

    A board that can't be made is a refusal, for ``accepted`` to raise when somebody asks for it.
    """
    table = _table(gathered, query)
    unmeasured = dict(table.left_out).get(UNMEASURED, 0)
    if unmeasured and not len(table.verdict):
        return REFUSED + _NO_STYLE.format(votes=unmeasured).encode()
    board = board_of(table, query.rules, [card for card in gathered.cards if card.model in table.models])
    return _dumped(_board_fields(board, gathered, both_bad="tie" if query.both_bad_ties else "drop") | {"speed": speed})


def _board_fields(board: Leaderboard, gathered: Gathered, both_bad: str) -> dict[str, object]:
    return {
        "leaderboard": [_row(place, row) for place, row in enumerate(board.leaderboard, 1)],
        "last_updated": board.last_updated or 0.0,
        "method": asdict(board.method) | {"both_bad": both_bad},
        "counts": board.counts,
        "finding": board.finding,
        "positions": board.positions,
        "head_to_head": board.head_to_head,
        "warnings": board.warnings,
        "contestants": {row.model: gathered.contestants[row.model] for row in board.leaderboard},
        "categories": sorted(gathered.categories),
        "languages": sorted(gathered.languages),
        "votes_of": VOTES_OF,
    }


def _table(gathered: Gathered, query: LeaderboardQuery) -> VoteTable:
    """The votes that count, in columns. Where style is corrected for, those count whose answers' style is known."""
    selection, rows = query.rules.selection, gathered.rows
    if query.both_bad_ties:
        rows = tuple(replace(row, verdict=Verdict.TIE) if row.verdict is Verdict.BOTH_BAD else row for row in rows)
    if not query.features:
        return tabulate(rows, selection)
    # What counts for no board is no matter of style: it is left out for its own reason.
    lacking = [row for row in rows if not _has_style(row) and selection.refuses(row) is None]
    table = tabulate([row for row in rows if _has_style(row) or selection.refuses(row) is not None], selection)
    more = ((UNMEASURED, sum(row.count for row in lacking)),) if lacking else ()
    return replace(table, left_out=tuple(sorted((*table.left_out, *more))))


def _has_style(row: JudgedPair) -> bool:
    """Whether the style of both answers is known."""
    return row.style_a is not None and row.style_b is not None


def _row(place: int, row: BoardRow) -> dict[str, object]:
    """A row with ``rank`` and ``win_rate`` as existing clients read them.

    They give a badge to each of the ranks 1, 2 and 3, so ``rank`` is the row's place on the board and nobody shares it.
    Models that can't be separated share the rank ``rank_low``. ``win_rate`` is in per cent, ``win_share`` is
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
