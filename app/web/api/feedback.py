"""The native API: what a voter says of a verdict, if he likes to."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field

from app.battle.battle import Verdict
from app.battle.feedback import MAX_COMMENT, Feedback, Reason, in_order
from app.web.schemas.base import Responses, answered
from app.web.schemas.errors import INVALID, NO_BATTLE, NOT_JSON, NOT_JUDGED, NOT_YOURS_403, TOO_LARGE, UNAVAILABLE
from app.web.schemas.feedback import KEPT, SAID, VoteFeedback
from app.web.shared.answering import DocumentedRoute
from app.web.shared.fields import BattleId, NativeBody, OptionalText
from app.web.shared.ownership import OwnersOnly
from app.web.shared.services import Wired

router = APIRouter(prefix="/api/arena", tags=["battles"], route_class=DocumentedRoute)

_PATH = "/battles/{battle_id}/votes/{round_number}/feedback"
_REFUSED: Responses = {**INVALID, **NOT_YOURS_403, **NO_BATTLE, **NOT_JUDGED, **UNAVAILABLE}

RoundNumber = Annotated[int, Path(ge=1, le=1000)]
Reasons = Annotated[list[Reason], Field(max_length=100)]


class ReasonsBody(NativeBody):
    """Reasons for each side."""

    model_config = ConfigDict(json_schema_extra={"examples": [SAID["reasons"]]})

    a: Reasons = Field(default_factory=list)
    b: Reasons = Field(default_factory=list)


class FeedbackBody(NativeBody):
    """All that is said of a verdict: what is left out is taken away."""

    model_config = ConfigDict(json_schema_extra={"examples": [SAID]})

    reasons: ReasonsBody = Field(default_factory=ReasonsBody)
    comment: OptionalText = Field(default=None, max_length=MAX_COMMENT)


@router.put(
    _PATH,
    name="keep_feedback",
    dependencies=[OwnersOnly],
    responses={200: answered(VoteFeedback, "What is kept now", KEPT), **_REFUSED, **TOO_LARGE, **NOT_JSON},
)
async def keep(battle_id: BattleId, round_number: RoundNumber, body: FeedbackBody, services: Wired) -> dict[str, Any]:
    """Say why a round was judged as it was: reasons for each side and a comment, in the place of earlier ones.

    The verdict has to stand. Taking it back drops what was said of it; erasing the battle drops the comment.
    """
    feedback = Feedback(in_order(body.reasons.a), in_order(body.reasons.b), body.comment)
    verdict = await services.manager.archive.keep_feedback(battle_id, round_number, feedback)
    return _feedback_body(round_number, verdict, feedback)


@router.get(
    _PATH,
    name="read_feedback",
    dependencies=[OwnersOnly],
    responses={200: answered(VoteFeedback, "What is kept now", KEPT), **_REFUSED},
)
async def read(battle_id: BattleId, round_number: RoundNumber, services: Wired) -> dict[str, Any]:
    """What was said of a verdict, for its voter only."""
    return _feedback_body(round_number, *await services.manager.archive.feedback(battle_id, round_number))


def _feedback_body(round_number: int, verdict: Verdict, feedback: Feedback) -> dict[str, Any]:
    reasons = {"a": list(feedback.a), "b": list(feedback.b)}
    return {"round": round_number, "verdict": verdict, "reasons": reasons, "comment": feedback.comment}
