"""What a voter says of a verdict; blind as the snapshot is."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from app.battle.battle import Verdict
from app.battle.feedback import Reason
from app.web.schemas.base import Schema, example

SAID: dict[str, Any] = {
    "reasons": {"a": ["useful", "clear"], "b": ["superficial"]},
    "comment": "The left one has an example.",
}
KEPT: dict[str, Any] = {"round": 1, "verdict": "a"} | SAID


class SideReasons(Schema):
    """Reasons for each side, in a fixed order."""

    a: list[Reason]
    b: list[Reason]


class VoteFeedback(Schema):
    """A verdict that stands, with the reasons and the comment that its voter gave; empty until there are any."""

    model_config = ConfigDict(json_schema_extra={"examples": [example(KEPT)]})

    round: int = Field(ge=1)
    verdict: Verdict
    reasons: SideReasons
    comment: str | None
