"""What the service says about itself to people before they ask anything: limits, and what is stored for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from app.settings.settings import Settings
from app.web.schemas.base import Schema

EXAMPLE: dict[str, object] = {
    "max_message": 32000,
    "num_models": 3,
    "undo_s": 30.0,
    "retention_days": 365,
    "notice": "Questions are used for research; write to arena@example.org to have yours deleted.",
    "open": False,
    "pace": "even",
    "named_votes": "leave_out",
}


class About(Schema):
    """What a page shows before the first prompt. Durations are seconds, or days where the name says so."""

    max_message: int
    """Longest message, in characters."""
    num_models: int
    """How many models meet when nothing is said."""
    undo_s: float
    """How long a verdict can be taken back."""
    retention_days: int | None
    """After how many days the words of ended battles are deleted; null: they are kept."""
    notice: str
    """The operator's own text on what is stored; empty: a page says it in its own words."""
    open: bool
    """Whether everybody may vote in everybody's battles."""
    pace: Literal["even", "live"]
    """How answers appear: both sides at one pace, or each as it comes."""
    named_votes: Literal["leave_out", "count"]
    """What the leaderboard does with votes of battles whose opener named the models."""


def about_of(settings: Settings) -> About:
    """What the settings mean to people."""
    kept = settings.arena_retention
    return About(
        max_message=settings.arena_max_message,
        num_models=settings.arena_num_models,
        undo_s=settings.arena_undo.total_seconds(),
        retention_days=None if kept is None else max(1, round(kept / timedelta(days=1))),
        notice=settings.arena_notice,
        open=settings.arena_open,
        pace=settings.arena_pace,
        named_votes=settings.arena_named_votes,
    )
