"""What a validator found wrong with a request, as one sentence in our words that names the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError

from app.errors import ArenaError, InvalidInput, NotFound
from app.web.shared.fields import UNKNOWN_FIELD

Found = Mapping[str, Any]

_PLACES = ("body", "query", "path", "header", "cookie")


def invalid_input(error: RequestValidationError) -> ArenaError:
    """The first thing that is wrong with the input."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if part not in _PLACES]
    if first["loc"] == ("path", "battle_id"):
        return NotFound("there is no such battle; open one with POST /api/arena/battles")
    kind = first["type"]
    if kind == "json_invalid":
        return InvalidInput('the body is not valid JSON; send an object such as {"message": "…"}', code="invalid_json")
    if kind == UNKNOWN_FIELD:
        return InvalidInput(first["ctx"]["sentence"], code=UNKNOWN_FIELD, field=first["ctx"]["field"])
    if not path:
        return InvalidInput("the body must be a JSON object with the fields of this call", code="invalid_body")
    name = ".".join(path)
    if kind == "missing":
        return InvalidInput(f"{name} is required", code="missing_field", field=name)
    return InvalidInput(f"{name} {_what(first)}", field=name)


def _what(found: Found) -> str:
    sentence = _SENTENCES.get(found["type"])
    if sentence is not None:
        return sentence(found)
    message = str(found["msg"]).removeprefix("Value error, ").removeprefix("Input ").removeprefix("should ")
    return message.replace("be ", "must be ", 1) if message.startswith("be ") else message


def _length(found: Found, bound: str, key: str) -> str:
    size, text = found["ctx"][key], isinstance(found["input"], str)
    things = ("character" if text else "item") + ("" if size == 1 else "s")
    return f"must have at {bound} {size} {things}"


def _longest(found: Found) -> str:
    return _length(found, "most", "max_length")


def _shortest(found: Found) -> str:
    return _length(found, "least", "min_length")


_SENTENCES: Mapping[str, Callable[[Found], str]] = {
    "string_type": lambda _: "must be text",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "int_parsing_size": lambda _: "is too large a number",
    "list_type": lambda _: "must be a list",
    "model_attributes_type": lambda _: "must be an object",
    "too_long": _longest,
    "string_too_long": _longest,
    "too_short": _shortest,
    "string_too_short": _shortest,
    "greater_than_equal": lambda found: f"must be at least {found['ctx']['ge']}",
    "less_than_equal": lambda found: f"must be at most {found['ctx']['le']}",
    "enum": lambda found: f"must be {found['ctx']['expected']}",
    "literal_error": lambda found: f"must be {found['ctx']['expected']}",
    "string_pattern_mismatch": lambda _: "has characters that it can't have",
    "timezone_aware": lambda _: "must be a time with a zone, such as 2026-01-01T12:00:00Z",
    "datetime_type": lambda _: "must be a time with a zone, such as 2026-01-01T12:00:00Z",
    "datetime_parsing": lambda _: "must be a time with a zone, such as 2026-01-01T12:00:00Z",
    "datetime_from_date_parsing": lambda _: "must be a time with a zone, such as 2026-01-01T12:00:00Z",
}
