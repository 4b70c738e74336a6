"""What the older calls answer and how they refuse, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

import orjson

from app.web.legacy import examples
from app.web.legacy.examples import Json
from app.web.legacy.schemas import LegacyRefused
from app.web.legacy.status_schemas import (
    LegacyExported,
    LegacyStatistics,
    LegacyStatisticsSoFar,
    LegacyStatus,
    LegacyUnavailable,
)
from app.web.schemas.base import Responses, Schema, answered
from app.web.shared.access import OPERATORS_ONLY
from app.web.shared.ownership import NOT_YOURS

_ERRORS: dict[int | str, tuple[str, Json]] = {
    "default": ("Any other refusal or failure", {"error": NOT_YOURS, "code": "not_yours"}),
    400: ("Something is missing or wrong", {"error": "battle_id is required", "code": "missing_field"}),
    404: (
        "No such battle",
        {"error": "Battle session not found: start one with POST /api/arena/start_progressive", "code": "not_found"},
    ),
    503: (
        "Redis, the database or the models are unavailable",
        {"error": "Redis is unavailable; your battle is kept, try again in a few seconds", "code": "redis_away"},
    ),
}


def _content(media_type: str, example: object) -> dict[str, Any]:
    return {"content": {media_type: {"example": example}}}


def _refusals() -> Responses:
    return {
        status: {"description": what, "model": LegacyRefused, **_content("application/json", body)}
        for status, (what, body) in _ERRORS.items()
    }


def answers(model: type[Schema], example: Json) -> Responses:
    """What a call answers, with an example, and how it refuses."""
    return {200: answered(model, "Answered", example), **_refusals()}


def stream(events: list[Json]) -> Responses:
    """What a stream sends, with an example of its events, and how it refuses."""
    example = "".join(f"data: {orjson.dumps(event).decode()}\n\n" for event in events)
    content = {"text/event-stream": {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "Unnamed events", "content": content}, **_refusals()}


_NOT_YOU: Json = {"error": OPERATORS_ONLY, "code": "operators_only"}
_UNAVAILABLE: Json = {
    "available": False,
    "message": "Redis is unavailable",
    "error": "Redis is unavailable",
    "code": "unavailable",
}
#: How ``status`` answers and refuses.
STATUS_OR_NOT: Responses = {
    **answers(LegacyStatus, examples.STATUS),
    503: answered(LegacyUnavailable, "Battles can't be played at the moment", _UNAVAILABLE),
}
_SO_FAR = examples.STATISTICS_SO_FAR
#: How ``statistics`` answers and refuses.
STATISTICS_OR_NOT: Responses = {
    **answers(LegacyStatistics, examples.STATISTICS),
    202: answered(LegacyStatisticsSoFar, "Nothing is counted yet; ask again after Retry-After", _SO_FAR),
}
#: How ``export_training_data`` answers and refuses.
EXPORTED_OR_NOT: Responses = {
    **answers(LegacyExported, examples.EXPORTED),
    400: {
        "description": "No such type or format",
        "model": LegacyRefused,
        **_content("application/json", examples.UNKNOWN_TYPE),
    },
    403: {
        "description": "The caller does not run the arena",
        "model": LegacyRefused,
        **_content("application/json", _NOT_YOU),
    },
}
