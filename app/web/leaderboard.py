"""The leaderboard: the existing clients' fields and ours, from votes of ended battles only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response

from app.board.fitting import VOTES_OF
from app.board.selection import BoardQuery
from app.web.caching import BOARD, HEADER
from app.web.services import Wired

router = APIRouter(prefix="/api/arena", tags=["leaderboard"])

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
    "rank_high": 2,
    "tied_with": 1,
    "provisional": False,
}
_LEADERBOARD: dict[str, Any] = {
    "leaderboard": [ROW],
    "last_updated": 1767225600.0,
    "method": {"gauge": "centred", "gauge_at": 1000.0, "level": 0.95},
    "finding": {"state": "open", "sentence": "llama3.1:8b leads, but is not clearly better than qwen3:8b: …"},
    "speed": [{"model": "llama3.1:8b", "host": "gpu-1", "ttft_s_p50": 0.31, "tokens_per_s_p50": 71.4}],
    "votes_of": VOTES_OF,
}


def _example(body: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {"application/json": {"example": body}}}}


@router.get("/leaderboard", response_class=Response, responses=_example(_LEADERBOARD))
async def leaderboard(
    services: Wired,
    category: Word = "",
    language: Word = "",
    style: Word = "",
    include: Word = "",
    ties: Word = "",
    anchor: Word = "",
    board: Literal["quality", "speed"] = "quality",
) -> Response:
    """Who is best, and how sure that is; ``board=speed``: how fast each model writes on each host.

    Votes of running battles count when these end, so that the board never tells who sits where. ``style`` sets looks
    aside: ``all`` or a list of length, headers, lists, bold. Votes on answers of a fallback, or that named their model,
    count only if ``include`` lists fallback, leaked. A category or language without votes has an empty board. ``ties``
    is half_win, davidson or rao_kupper; ``anchor`` the model whose rating is 1000, where without it the mean is.
    """
    query = BoardQuery.of(category, language, style, include, ties, anchor)
    body = await (services.boards.speed() if board == "speed" else services.boards.board(query))
    return Response(body, media_type="application/json", headers={HEADER: BOARD})
