"""How every call refuses and fails."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.web.schemas.base import Responses, Schema
from app.web.schemas.battles import VOTE, RoundVote

UNKNOWN_BATTLE = {
    "error": "there is no battle '5f0c8a52c1d94d7fa3c40a54b0a2f1de'; open one with POST /api/arena/battles",
    "code": "not_found",
}
REDIS_AWAY = {"error": "Redis is unavailable; your battle is kept, try again in a few seconds", "code": "redis_away"}


class ErrorBody(Schema):
    """Every error: a sentence with the remedy, a stable code for programs, and the field that it is about."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "message is required", "code": "missing_field", "field": "message"}]}
    )

    error: str = Field(description="One sentence for people: what is wrong and what to do.")
    code: str = Field(description="Snake case and stable, for programs.")
    field: str | SkipJsonSchema[None] = Field(default=None, description="The part of the request that is meant.")
    vote: RoundVote | SkipJsonSchema[None] = Field(
        default=None, description="With `already_judged`: the verdict that stands."
    )


def refused(description: str, example: dict[str, Any]) -> dict[str, Any]:
    """A documented refusal."""
    return {"description": description, "model": ErrorBody, "content": {"application/json": {"example": example}}}


#: How any call may fail. The framework documents a 422 of its own unless this is there: it is never sent.
ANY_ERROR: Responses = {
    "default": refused("Any other refusal or failure", {"error": "something went wrong here", "code": "internal"})
}
INVALID: Responses = {
    400: refused(
        "The request can't be understood",
        {"error": "message is required", "code": "missing_field", "field": "message"},
    )
}
TOO_LARGE: Responses = {
    413: refused(
        "The body or a text is over its limit",
        {"error": "message has 40,000 characters; at most 32,000 are taken", "code": "too_large", "field": "message"},
    )
}
NOT_JSON: Responses = {
    415: refused(
        "The body is not plain JSON",
        {
            "error": "the body must be JSON; send the header Content-Type: application/json",
            "code": "unsupported_media_type",
        },
    )
}
NOT_YOURS_403: Responses = {
    403: refused(
        "The battle is somebody else's",
        {
            "error": "this battle is not yours: send the token that its opening answered as X-Battle-Token",
            "code": "not_yours",
        },
    )
}
NO_BATTLE: Responses = {404: refused("There is no such battle", UNKNOWN_BATTLE)}
UNAVAILABLE: Responses = {503: refused("Something is unavailable; `Retry-After` tells when to ask again", REDIS_AWAY)}


def conflict(example: dict[str, Any]) -> Responses:
    """A refusal for the battle's state."""
    return {409: refused("The state of the battle does not allow it", example)}


ALREADY_JUDGED = conflict(
    {
        "error": "round 1 was already judged as 'a'; that verdict stands",
        "code": "already_judged",
        "vote": VOTE,
    }
)
STILL_RUNNING = conflict({"error": "the battle still runs; stop it first, then delete it", "code": "still_running"})
NOT_JUDGED = conflict({"error": "round 1 has no verdict that stands; judge it first", "code": "not_judged"})
TOO_LATE = conflict({"error": "only the newest verdict can be taken back, within 30 s", "code": "too_late"})
NOT_ON_STAGE = conflict({"error": "round 1 is not on stage; read the battle again", "code": "not_this_round"})
KEY_REUSED = conflict(
    {"error": "this idempotency key was used for another request; send a new one", "code": "idempotency_key_reused"}
)
