"""What the older calls answer about the arena itself: sessions, status, statistics and exports."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.web.schemas.base import Schema
from app.web.schemas.leaderboard import LeaderboardRow

Choice = Literal["left", "right", "tie", "both_bad"]
Progress = Literal["ready", "waiting", "completed", "failed"]


class LegacyRouting(Schema):
    """Whether the arena answers a message."""

    route: str
    query_type: str
    reasoning: str
    confidence: float
    use_arena: bool
    message: str
    deprecated: bool


class LegacyPong(Schema):
    """The service answers."""

    status: Literal["ok"]
    message: Literal["pong"]


class LegacySession(Schema):
    """The caller's session, or a new one."""

    status: Literal["success"]
    session_id: str


class LegacyStatus(Schema):
    """Whether battles can be played, with which models, and how many there were."""

    available: Literal[True]
    active_models: int
    models: list[str]
    total_battles: int
    completed_battles: int
    leaderboard: list[LeaderboardRow]
    storage_status: str


class LegacyUnavailable(Schema):
    """Battles can't be played at the moment."""

    available: Literal[False]
    message: str
    error: str
    code: Literal["unavailable"]


class LegacyOllamaStatus(Schema):
    """Which models the hosts have; of the fields without a value an unhealthy one has none, but ``error``."""

    status: Literal["healthy", "unhealthy"]
    base_url: str
    recommendation: str
    total_models: int | SkipJsonSchema[None] = None
    available_models: list[str] | SkipJsonSchema[None] = None
    arena_models_status: dict[str, bool] | SkipJsonSchema[None] = None
    all_arena_models_ready: bool | SkipJsonSchema[None] = None
    error: str | SkipJsonSchema[None] = None


class LegacyLoading(Schema):
    """Whose answers are there and whose are still to come."""

    loaded_models: list[str]
    pending_models: list[str]
    total_models: int
    progress_percentage: float
    all_loaded: bool


class LegacyPreferences(Schema):
    """Verdicts by kind."""

    left: int
    right: int
    tie: int
    both_bad: int


class LegacyStatistics(Schema):
    """How much was played and how it was judged."""

    total_battles: int
    completed_battles: int
    completion_rate: float = Field(description="Per cent.")
    preference_distribution: LegacyPreferences
    model_usage: dict[str, int]
    leaderboard: list[LeaderboardRow]
    active_models: int
    models_per_page: int
    total_views: int
    storage_status: str
    votes: int
    votes_of: str
    categories: dict[str, int]
    languages: dict[str, int]


class LegacyStatisticsSoFar(LegacyStatistics):
    """The same while nothing was counted yet: battles are, and of verdicts there are none."""

    state: Literal["being_made"]
    retry_after_s: int


class LegacyExported(Schema):
    """A file of training data on the arena's machine."""

    success: Literal[True]
    file_path: str = Field(description="Relative to ARENA_DATA_DIR.")
    export_type: Literal["dpo", "rlhf", "analytics"]
    format: Literal["jsonl", "json", "csv"]
    battles_included: int
    examples_generated: int | SkipJsonSchema[None] = None
