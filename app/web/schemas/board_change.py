"""What a battle did to the leaderboard."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from app.ranking.board import Bounds
from app.web.schemas.base import Schema, example

_BEFORE: dict[str, Any] = {
    "elo_rating": 1054.8,
    "rating_lower": 1002.1,
    "rating_upper": 1107.5,
    "bounds": "both",
    "rank_low": 1,
    "rank_high": 2,
    "provisional": False,
}
_AFTER: dict[str, Any] = _BEFORE | {"elo_rating": 1061.3, "rating_lower": 1011.9, "rating_upper": 1110.7}
COUNTED: dict[str, Any] = {
    "state": "counted",
    "votes": 2,
    "other_votes": 1,
    "left_out": {},
    "models": [{"model": "llama3.1:8b", "before": _BEFORE, "after": _AFTER}],
}
NOT_YET: dict[str, Any] = {"state": "not_yet", "votes": 0, "other_votes": 0, "left_out": {}, "models": []}


class BoardStanding(Schema):
    """Where a model stood on the leaderboard; the fields are those of its row there."""

    elo_rating: float
    rating_lower: float | None
    rating_upper: float | None
    bounds: Bounds
    rank_low: int = Field(ge=1)
    rank_high: int
    provisional: bool


class ModelChange(Schema):
    """A model before and after the votes of a battle; null where it was not on the leaderboard."""

    model: str
    before: BoardStanding | None
    after: BoardStanding | None


class BoardChange(Schema):
    """What the votes of a battle did to the leaderboard, from two of its fits."""

    model_config = ConfigDict(json_schema_extra={"examples": [example(COUNTED), example(NOT_YET)]})

    state: Literal["not_yet", "counted", "past", "none"] = Field(
        description="`not_yet`: with the next fit; `past`: counted, but the two fits are not kept any more; "
        "`none`: the battle has no votes."
    )
    votes: int = Field(ge=0, description="Votes of this battle that count.")
    other_votes: int = Field(ge=0, description="Votes of other battles that the same fit added.")
    left_out: dict[str, int] = Field(description="Votes of this battle that don't count, by reason.")
    models: list[ModelChange]
