"""What the calls of existing clients answer, as types for the OpenAPI document; they check nothing while serving."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from app.web.schemas.base import Schema

Choice = Literal["left", "right", "tie", "both_bad"]
Progress = Literal["ready", "waiting", "completed", "failed"]


class LegacyPair(Schema):
    """Who is on stage and what they wrote; latencies are milliseconds, 0 until names are shown."""

    model_a: str
    model_b: str
    response_a: str
    response_b: str
    latency_a: float
    latency_b: float


class LegacyComparison(Schema):
    """One verdict with the pair that it judged and who left; ``round`` counts from 0."""

    round: int = Field(ge=0)
    model_a: str
    model_b: str
    choice: Choice
    eliminated_model: str
    timestamp: str


class _Standings(Schema):
    eliminated_models: list[str]
    winner_chain: list[str]
    remaining_models: list[str]


class _LastVerdict(Schema):
    previous_winner: str
    previous_loser: str
    eliminated_side: Literal["left", "right", ""]


class _Ranking(Schema):
    final_ranking: list[str]
    winner: str
    total_rounds: int
    comparison_history: list[LegacyComparison]


class _RankingAtTheEnd(Schema):
    final_ranking: list[str] | SkipJsonSchema[None] = None
    winner: str | SkipJsonSchema[None] = None
    total_rounds: int | SkipJsonSchema[None] = None
    comparison_history: list[LegacyComparison] | SkipJsonSchema[None] = None


class _Count(Schema):
    current_round: int = Field(ge=0)
    remaining_comparisons: int = Field(ge=0)
    current_models: list[str]
    responses_ready: bool


class LegacyStarted(Schema):
    """A battle that was opened; its first pair is being written."""

    battle_id: str
    status: Literal["initialized"]
    total_models: int
    current_round: int
    message: str


class LegacyBattleStarted(LegacyStarted, LegacyPair):
    """The same with the pair; its texts follow."""

    arena_mode: Literal[True]
    responses_ready: bool
    models_hidden: bool
    view_index: int


class LegacySessionBattle(Schema):
    """A battle whose id is the session's."""

    battle_id: str
    status: Literal["ready"]
    message: str
    models_hidden: bool
    view_index: int


class LegacyProgressivePair(LegacyPair, _Count, _RankingAtTheEnd):
    """The pair on stage; with the ranking once the battle has ended, and ``error`` when it failed."""

    battle_id: str
    status: Progress
    error: str | SkipJsonSchema[None] = None


class LegacyChoiceMade(LegacyPair, _Count, _RankingAtTheEnd):
    """The next pair, or the final ranking."""

    battle_id: str
    status: Literal["continue", "completed"]
    eliminated_model: str
    eliminated_side: Literal["left", "right", ""]


class LegacyResponses(LegacyPair):
    """The pair on stage; ``ready`` is false while a side is still being written."""

    battle_id: str
    status: Progress
    current_models: list[str]
    ready: bool
    responses_ready: bool
    models_hidden: bool


class LegacySent(LegacyPair, _Standings):
    """A battle in its first round."""

    battle_id: str
    status: Literal["success"]
    current_models: list[str]
    ready: bool
    responses_ready: bool
    models_hidden: bool
    arena_mode: Literal[True]
    view_index: int
    round: int
    total_rounds: int
    message: str
    response: str


class LegacyNextResponses(LegacyPair, _Standings):
    """The pair after a vote."""

    success: Literal[True]
    battle_id: str


class LegacyRevealedModel(Schema):
    """A model with its rating as the board has it now; before names are shown an alias, with 1000."""

    name: str
    display_name: str
    rating: float


class LegacyRevealedPair(Schema):
    """The pair that was judged."""

    model_a: LegacyRevealedModel
    model_b: LegacyRevealedModel


class LegacyVoted(LegacyPair, _Standings, _LastVerdict, _Ranking):
    """The next pair or the final ranking, with all names of fields that front-ends read."""

    success: Literal[True]
    preference_recorded: bool = Field(description="False for the same verdict once more, just after the reply.")
    battle_id: str
    continue_battle: bool
    continue_: bool = Field(alias="continue")
    needs_responses: bool = Field(description="True while the battle runs; the texts are here all the same.")
    round: int
    current_round: int
    response_label_a: str
    response_label_b: str
    models_revealed: LegacyRevealedPair
    message: str | SkipJsonSchema[None] = None


class LegacyArenaVoted(LegacyPair, _Standings, _LastVerdict):
    """The same for the oldest chat page."""

    success: Literal[True]
    preference_recorded: bool
    battle_id: str
    continue_battle: bool
    needs_responses: bool
    final_ranking: list[str]
    comparison_history: list[LegacyComparison]
    round: int
    next_view_index: int
    winner: str | SkipJsonSchema[None] = None
    message: str | SkipJsonSchema[None] = None


class LegacyRefused(Schema):
    """An error; ``valid_types`` or ``valid_formats`` and ``success`` are there where a call documents them."""

    error: str
    code: str
    field: str | SkipJsonSchema[None] = None
    success: Literal[False] | SkipJsonSchema[None] = None
    valid_types: list[str] | SkipJsonSchema[None] = None
    valid_formats: list[str] | SkipJsonSchema[None] = None


Model = type[BaseModel]
