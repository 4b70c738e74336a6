"""``keep_alive`` in all its forms, and Go's durations with the texts of their errors.

A number is seconds (fractions allowed), a string is a Go duration (``5m``, ``1h30m``, ``0``), anything negative means
for ever, 0 means unload when this request ends, null means not given. ``"-1"``, ``"5"``, ``"1d"`` and ``""`` are
errors, as are booleans, lists and objects.
"""

from __future__ import annotations

import json
import math
import re
from typing import Final

FOREVER: Final = math.inf
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)")
_LONGEST_S: Final = (2**63 - 1) / 1e9
_BARE: Final = re.compile(r"-?[0-9]{1,15}")
_GO_TYPES: Final = ((bool, "bool"), (list, "[]interface {}"), (dict, "map[string]interface {}"))


class DurationInvalid(ValueError):
    """The text of Go's own error."""


def go_duration(text: str) -> float:
    """Seconds of a Go duration; raises DurationInvalid with Go's words."""
    quoted = json.dumps(text, ensure_ascii=False)
    sign = -1.0 if text.startswith("-") else 1.0
    rest = text[1:] if text[:1] in "+-" and text else text
    if rest == "0":
        return 0.0
    if not rest:
        raise DurationInvalid(f"time: invalid duration {quoted}")
    total = 0.0
    while rest:
        piece = _PIECE.match(rest)
        if piece is None:
            raise DurationInvalid(f"time: invalid duration {quoted}")
        number, unit = piece.groups()
        if not unit:
            raise DurationInvalid(f"time: missing unit in duration {quoted}")
        if unit not in _UNITS:
            raise DurationInvalid(f"time: unknown unit {json.dumps(unit, ensure_ascii=False)} in duration {quoted}")
        total += float(number) * _UNITS[unit]
        rest = rest[piece.end() :]
    if total > _LONGEST_S:
        raise DurationInvalid(f"time: invalid duration {quoted}")
    return sign * total


def keep_alive_seconds(value: object) -> float | None:
    """What a request's ``keep_alive`` means: seconds, ``FOREVER``, or None for not given; raises DurationInvalid."""
    if value is None:
        return None
    for kind, name in _GO_TYPES:
        if isinstance(value, kind):
            raise DurationInvalid(f"Unsupported type: '{name}'")
    seconds = go_duration(value) if isinstance(value, str) else float(str(value))
    return FOREVER if seconds < 0 else seconds


def keep_alive_setting(text: str) -> float:
    """What OLLAMA_KEEP_ALIVE means; unlike a request's string it may be a bare number of seconds."""
    seconds = float(text) if _BARE.fullmatch(text) else go_duration(text)
    return FOREVER if seconds < 0 else seconds
