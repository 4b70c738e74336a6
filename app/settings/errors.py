"""The error for a bad setting: one sentence that names it, shows what was given, and says what to write. Pure.

Nothing of an address or a secret is ever shown: a value that could be one is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

_SENTENCES = {
    "missing": "is missing",
    "int_parsing": "is no whole number",
    "int_type": "is no whole number",
    "int_from_float": "is no whole number",
    "float_parsing": "is no number",
    "float_type": "is no number",
    "finite_number": "has to be a finite number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "string_type": "has to be a text in quotes",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "may have letters, digits and . _ - only",
    "tuple_type": "has to be a list",
    "dict_type": "has to be a table",
    "model_type": "has to be a table",
    "path_type": "has to be a path",
    "time_delta_type": "is no duration: write seconds (0.5) or a form like 72h, 1h30m, 500ms",
}
_BOUNDS = {
    "greater_than": ("has to be more than", "gt"),
    "greater_than_equal": ("has to be at least", "ge"),
    "less_than": ("has to be less than", "lt"),
    "less_than_equal": ("has to be at most", "le"),
}
_SECRET = ("url", "key", "secret", "password", "host")
_LONGEST = 80


def sentence(error: ValidationError, file: str, fields: Mapping[str, Collection[str]], rows: Mapping[str, Any]) -> str:
    """The first trouble of ``error`` in one line.

    ``file`` is the arena.toml that the tables come from, ``fields`` the names that a row of each table may have, and
    ``rows`` the tables as they were read: a row is called by its name.
    """
    first = error.errors(include_url=False)[0]
    where, *rest = (str(part) for part in first["loc"])
    table = where.strip("[]")
    in_file = where.startswith("[[")
    said = _said(first, fields.get(table, ()) if in_file else ())
    shown = _shown(first)
    if not in_file:
        return f"{'.'.join([where.upper(), *rest])}: {said}{shown}; see .env.example"
    name = _row_name(rows.get(where), rest)
    return f"{file}: {where}{name}: {' '.join(filter(None, ['.'.join(rest[1:]), said]))}{shown}"


def _said(first: Any, fields: Collection[str]) -> str:
    kind, context = first["type"], first.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"is none of {context['expected'].replace(' or ', ', ')}"
    if kind == "extra_forbidden":
        near = get_close_matches(str(first["loc"][-1]), fields, n=1)
        return f"is no setting{f'; did you mean {near[0]}?' if near else '; choose from ' + ', '.join(fields)}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{words} {_bound(context[key])}"
    return _SENTENCES.get(kind, str(first["msg"]))


def _bound(value: object) -> str:
    return f"{value.total_seconds():g} s" if isinstance(value, timedelta) else f"{value}"


def _shown(first: Any) -> str:
    """What was given, unless it could hold a secret or would say nothing."""
    given, name = first.get("input"), str(first["loc"][-1]).lower()
    if first["type"] in ("missing", "extra_forbidden") or any(word in name for word in _SECRET):
        return ""
    if isinstance(given, timedelta):
        return f" (got {given.total_seconds():g} s)"
    if not isinstance(given, str | int | float) or "@" in str(given) or "//" in str(given):
        return ""
    return f" (got {repr(given)[:_LONGEST]})"


def _row_name(rows: object, rest: list[str]) -> str:
    """The name of the row that is meant, or its number from 1."""
    if not rest or not rest[0].isdigit():
        return ""
    number = int(rest[0])
    row = rows[number] if isinstance(rows, list | tuple) and number < len(rows) else None
    name = row.get("name") if isinstance(row, dict) else None
    return f" {name}" if isinstance(name, str) and name else f" number {number + 1}"
