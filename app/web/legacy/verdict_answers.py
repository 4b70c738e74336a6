"""What existing clients are answered after a verdict: the next pair or the final ranking, and who was judged; pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from app.battle.battle import Side
from app.web.legacy.answers import (
    comparison_history,
    count,
    last_verdict,
    pair,
    ranking,
    standings,
    text_or_reason,
    with_current,
)
from app.web.legacy.history import BattleHistory

#: What a model is shown with that is on no board yet; front-ends want a number with each name that is revealed.
#: It is the middle of our boards; the older arena began at 1500, which would look strong beside our ratings.
FIRST_RATING = 1000.0

#: Models' ratings by their names.
Ratings = Mapping[str, float]
NO_RATINGS: Ratings = MappingProxyType({})

#: Where a verdict did not count, since it came too soon after the reply to the same one before.
CLICKED_AGAIN = "You voted like this a moment ago; that vote counts, and this one was not counted."

_OF_ARENA_VOTED = (
    "success",
    "preference_recorded",
    "battle_id",
    "continue_battle",
    "needs_responses",
    "final_ranking",
    "comparison_history",
)


def choice_made(history: BattleHistory) -> dict[str, Any]:
    """What ``submit_progressive_choice`` answers: the next pair, or the final ranking."""
    last = last_verdict(history)
    body = {
        "battle_id": history.snapshot.battle_id,
        "status": "continue" if history.running else "completed",
        "responses_ready": history.snapshot.can_vote,
        **pair(history, text_or_reason),
        **count(history),
        "eliminated_model": last["previous_loser"],
        "eliminated_side": last["eliminated_side"],
    }
    return with_current(body) | ({} if history.running else ranking(history))


def voted(history: BattleHistory, ratings: Ratings = NO_RATINGS, *, counted: bool = True) -> dict[str, Any]:
    """What ``/vote`` answers: the union of what all generations of front-ends read.

    ``needs_responses`` is true while the battle runs, for what front-ends say of who won comes from ``previous_winner``
    only then, else from names that they don't have. The texts come all the same, for those who never ask again.
    """
    going_on = history.running
    body: dict[str, Any] = {
        "success": True,
        "preference_recorded": counted,
        "battle_id": history.snapshot.battle_id,
        "continue_battle": going_on,
        "continue": going_on,
        "needs_responses": going_on,
        "round": history.snapshot.round,
        "current_round": history.snapshot.round,
        **pair(history, text_or_reason),
        **{f"response_label_{side.value}": history.contestant_on(side).alias for side in Side},
        **standings(history),
        **last_verdict(history),
        **(ranking(history) if not going_on else _no_ranking(history)),
    }
    return body | _revealed(history, ratings) | ({} if counted else {"message": CLICKED_AGAIN})


def _no_ranking(history: BattleHistory) -> dict[str, Any]:
    rounds = {"total_rounds": len(history.votes), "comparison_history": comparison_history(history)}
    return {"final_ranking": [], "winner": "", **rounds}


def _revealed(history: BattleHistory, ratings: Ratings) -> dict[str, Any]:
    """Whom the verdict was about, for the oldest page, which takes its absence for a failure."""
    judged = {side.value: history.judged.on(side) for side in Side}
    return {
        "models_revealed": {f"model_{side}": _revealed_model(history, entry, ratings) for side, entry in judged.items()}
    }


def _revealed_model(history: BattleHistory, entry: int, ratings: Ratings) -> dict[str, Any]:
    """A name and a rating; before names are shown an alias, with the number that every alias has."""
    name = history.name(entry)
    rating = ratings.get(name, FIRST_RATING) if entry in history.shown else FIRST_RATING
    return {"name": name, "display_name": name, "rating": rating}


def arena_voted(history: BattleHistory, *, counted: bool = True) -> dict[str, Any]:
    """What ``/api/vote_arena`` answers."""
    union = voted(history, counted=counted)
    body = {name: union[name] for name in _OF_ARENA_VOTED}
    body |= pair(history, text_or_reason) | standings(history) | last_verdict(history)
    body |= {"round": len(history.votes), "next_view_index": history.snapshot.round - 1}
    body |= {} if counted else {"message": CLICKED_AGAIN}
    return body if history.running else {"message": _epilogue(union["winner"])} | body | {"winner": union["winner"]}


def _epilogue(winner: str) -> str:
    return f"The battle is over: {winner} wins." if winner else "The battle is over."
