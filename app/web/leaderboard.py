"""The leaderboard and the statistics: the existing clients' fields and ours, from votes of ended battles only."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query, Response

from app.board.fitting import VOTES_OF
from app.board.selection import BoardQuery
from app.errors import Unavailable
from app.web.chatmrpt.status import STORAGE
from app.web.services import Services, Wired

router = APIRouter(prefix="/api/arena", tags=["leaderboard"])

Word = Annotated[str, Query(max_length=200)]

_ROW: dict[str, Any] = {
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
    "leaderboard": [_ROW],
    "last_updated": 1767225600.0,
    "method": {"gauge": "centred", "gauge_at": 1000.0, "level": 0.95},
    "finding": {"state": "open", "sentence": "llama3.1:8b leads, but is not clearly better than qwen3:8b: …"},
    "speed": [{"model": "llama3.1:8b", "host": "gpu-1", "ttft_s_p50": 0.31, "tokens_per_s_p50": 71.4}],
    "votes_of": VOTES_OF,
}
_STATISTICS: dict[str, Any] = {
    "total_battles": 120,
    "completed_battles": 97,
    "completion_rate": 80.83,
    "preference_distribution": {"left": 81, "right": 76, "tie": 30, "both_bad": 7},
    "model_usage": {"llama3.1:8b": 130, "mistral:7b": 129, "qwen3:8b": 129},
    "leaderboard": [_ROW],
    "active_models": 3,
    "models_per_page": 2,
    "total_views": 3,
    "storage_status": STORAGE,
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
    board: Literal["quality", "speed"] = "quality",
) -> Response:
    """Who is best, and how sure that is; ``board=speed``: how fast each model writes on each host.

    Votes of running battles count when these end, so that the board never tells who sits where. ``style`` sets looks
    aside: ``all`` or a list of length, headers, lists, bold. Votes on answers of a fallback, or that named their model,
    count only if ``include`` lists fallback, leaked. A category or language without votes has an empty board.
    """
    query = BoardQuery.of(category, language, style, include)
    body = await (services.boards.speed() if board == "speed" else services.boards.board(query))
    return Response(body, media_type="application/json")


@router.get("/statistics", responses=_example(_STATISTICS))
async def statistics(services: Wired) -> dict[str, Any]:
    """How much was played and how it was judged.

    Battles are counted as they are now; everything else comes from ended battles. ``completion_rate`` is in per
    cent, ``model_usage`` counts the verdicts on each model's answers.
    """
    counts = await services.manager.counts()
    facts, board = await services.boards.statistics()
    verdicts = facts.verdicts
    return {
        "total_battles": counts.opened,
        "completed_battles": counts.finished,
        "completion_rate": round(100.0 * counts.finished / counts.opened, 2) if counts.opened else 0.0,
        "preference_distribution": {
            "left": verdicts["a"],
            "right": verdicts["b"],
            "tie": verdicts["tie"],
            "both_bad": verdicts["both_bad"],
        },
        "model_usage": dict(sorted(facts.usage.items())),
        "leaderboard": orjson.loads(board)["leaderboard"],
        "active_models": await _active(services),
        "models_per_page": 2,
        "total_views": 3,
        "storage_status": STORAGE,
        "votes": facts.votes,
        "votes_of": VOTES_OF,
        "categories": dict(sorted(facts.categories.items())),
        "languages": dict(sorted(facts.languages.items())),
    }


async def _active(services: Services) -> int:
    try:
        return len(await services.contestants.at_hand())
    except Unavailable:
        return 0
