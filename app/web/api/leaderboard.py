"""The leaderboard: the existing clients' fields and ours, from votes of ended battles only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from app.leaderboard.bodies import VOTES_OF
from app.leaderboard.cache import BeingMade
from app.leaderboard.query import LeaderboardQuery
from app.web.schemas.base import answered
from app.web.schemas.errors import INVALID, UNAVAILABLE
from app.web.schemas.leaderboard import Boards, LeaderboardBeingMade
from app.web.shared.answering import DocumentedRoute
from app.web.shared.caching import BOARD, HEADER
from app.web.shared.services import Wired

router = APIRouter(prefix="/api/arena", tags=["leaderboard"], route_class=DocumentedRoute)

Word = Annotated[str, Query(max_length=200)]

#: A line of the board, for examples.
ROW: dict[str, Any] = {
    "rank": 1,
    "model": "llama3.1:8b",
    "display_name": "llama3.1:8b",
    "elo_rating": 1061.3,
    "rating_lower": 1011.9,
    "rating_upper": 1110.7,
    "battles_fought": 81,
    "win_rate": 60.93,
    "win_share": 0.6093,
    "p_best": 0.9712,
    "rank_low": 1,
    "rank_high": 2,
    "tied_with": 1,
    "provisional": False,
    "reasons": [],
    "island": 0,
    "votes": 131,
    "wins": 70,
    "losses": 41,
    "ties": 17,
    "both_bad": 3,
    "entries": [44, 46, 41],
    "chance_over_next": 0.5442,
    "retired": False,
    "bounds": "both",
}
#: A line of the speed board.
SPEED_ROW: dict[str, Any] = {
    "model": "llama3.1:8b",
    "host": "gpu-1",
    "answers": 130,
    "cold_answers": 4,
    "ttft_s_p50": 0.31,
    "ttft_s_p95": 1.12,
    "warm_ttft_s_p50": 0.3,
    "warm_ttft_s_p95": 0.92,
    "tokens_per_s_p50": 71.4,
    "tokens_per_s_p95": 74.0,
    "tokens_per_s_p5": 52.9,
}
_LEADERBOARD: dict[str, Any] = {
    "leaderboard": [ROW],
    "last_updated": 1767225600.0,
    "method": {
        "ties": "half_win",
        "tie_parameter": None,
        "gauge": "centred",
        "gauge_at": 1000.0,
        "anchor": None,
        "interval": "sandwich, clustered by battle and voter, small-sample corrected",
        "level": 0.95,
        "minimum_votes": 10,
        "category": None,
        "language": None,
        "admitted": [],
        "style": {},
        "prior": None,
        "both_bad": "drop",
        "effects": {},
        "clustered_by": ["battle", "voter"],
        "since": None,
    },
    "counts": {
        "votes": 194,
        "rated": 187,
        "a_wins": 81,
        "b_wins": 76,
        "ties": 30,
        "both_bad": 7,
        "battles": 97,
        "islands": 1,
        "left_out": {},
        "voters": 6,
        "largest_voter_share": 0.3102,
        "prompts": None,
        "largest_prompt_share": None,
    },
    "finding": {
        "state": "open",
        "sentence": "llama3.1:8b and qwen3:8b are too close to be told apart.",
        "first": "llama3.1:8b",
        "second": "qwen3:8b",
        "p_best": 0.9712,
        "votes_to_separate": None,
        "flips": 3,
        "flips_to": "qwen3:8b",
    },
    "positions": [{"entry": 0, "votes": 97, "win_rate": 0.4896, "battles": 97, "battles_won_share": 0.2577}],
    "head_to_head": [
        {
            "model": "llama3.1:8b",
            "opponent": "qwen3:8b",
            "wins": 31,
            "losses": 24,
            "ties": 9,
            "both_bad": 2,
            "share": 0.5547,
            "expected": 0.5442,
            "surprise": 0.19,
        }
    ],
    "warnings": [],
    "contestants": {
        "llama3.1:8b": {
            "name": "llama3.1:8b",
            "contestant": "3f1c9a54b0a2f1de",
            "digest": "46e0c10c039e019119339687c3c1757cc81b9da49709a3b3924863ba87ca666e",
            "quantization": "Q4_K_M",
        }
    },
    "categories": ["coding"],
    "languages": ["en", "fr"],
    "speed": [SPEED_ROW],
    "votes_of": VOTES_OF,
}
_SPEED_BOARD: dict[str, Any] = {"speed": [SPEED_ROW], "answers_of": VOTES_OF}
_BEING_MADE: dict[str, Any] = {
    "state": "being_made",
    "retry_after_s": 9,
    "leaderboard": [],
    "last_updated": 0.0,
    "speed": [],
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: answered(Boards, "The board", _LEADERBOARD, _SPEED_BOARD),
    202: answered(LeaderboardBeingMade, "The board is being made; ask again after Retry-After", _BEING_MADE),
    **INVALID,
    **UNAVAILABLE,
}


@router.head("/leaderboard", include_in_schema=False)
@router.get("/leaderboard", responses=_ANSWERS)
async def leaderboard(
    services: Wired,
    category: Word = "",
    language: Word = "",
    style: Word = "",
    include: Word = "",
    ties: Word = "",
    anchor: Word = "",
    both_bad: Word = "",
    effects: Word = "",
    cluster: Word = "",
    since: Word = "",
    board: Literal["quality", "speed"] = "quality",
) -> Response:
    """Who is best, and how sure that is; ``board=speed``: how fast each model writes on each host.

    Votes of running battles count when these end, so that the board never tells who sits where. ``style`` sets looks
    aside: ``all`` or a list of length, headers, lists, bold. Votes on answers of a fallback, that named their model,
    or whose prompt a server cut, and votes of people who knew the models or on the answers of a batch run, count only
    if ``include`` lists fallback, leaked, cut_prompt, named, batch (with `ARENA_NAMED_VOTES=count` named ones count
    anyway). A category or language that no vote has is an error that lists the known ones. ``ties`` is half_win,
    davidson or rao_kupper; ``anchor`` the model whose rating is 1000, where without it the mean is. ``both_bad`` is
    drop, or tie to count the verdict that both are bad as a tie. ``effects`` fits what seats are worth beside the
    models: ``all`` or a list of side, champion. ``cluster`` is auto, battle or voter: which votes err together.
    ``since`` is a day (2026-08-31) or a number of days (30d): only votes since then count.

    A board with filters that nobody asked for lately, and the first of all, may have to be made first: then 202, and
    ``Retry-After`` says when to ask again.
    """
    query = LeaderboardQuery.of(category, language, style, include, ties, anchor, both_bad, effects, cluster, since)
    body = await (services.boards.speed() if board == "speed" else services.boards.board(query))
    if isinstance(body, BeingMade):
        answer = {**_BEING_MADE, "retry_after_s": body.retry_after_s}
        return JSONResponse(answer, 202, headers={"Retry-After": str(body.retry_after_s)})
    return Response(body, media_type="application/json", headers={HEADER: BOARD})
