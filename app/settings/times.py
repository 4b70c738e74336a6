"""Durations and days as people write them. Pure.

Durations are seconds (``0.05``) or in Go's form, which Ollama's users know (``72h``, ``1h30m``, ``500ms``).
"""

from __future__ import annotations

import re
from datetime import date, timedelta

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DAYS = re.compile(r"(\d{1,5})d")
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")


def parse_duration(value: object) -> object:
    """Turn ``"72h"``, ``"1h30m"`` or ``"0.05"`` into a timedelta; leave everything else to pydantic."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = _GO_DURATION.findall(digits)
    in_gos_form = bool(parts) and "".join(number + unit for number, unit in parts) == digits
    try:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts) if in_gos_form else float(digits)
        return timedelta(seconds=sign * seconds)
    except (ValueError, OverflowError):
        raise ValueError("is no duration: write seconds (0.5) or a form like 72h, 1h30m, 500ms") from None


def parse_day(text: str, today: date) -> date:
    """``2026-08-31``, or ``30d`` for the day that was 30 days before ``today``.

    Raises:
        ValueError: it is neither.
    """
    word = text.strip()
    days = _DAYS.fullmatch(word)
    try:
        return today - timedelta(days=int(days[1])) if days else date.fromisoformat(word)
    except (ValueError, OverflowError):
        raise ValueError("is a day such as 2026-08-31 or a number of days such as 30d") from None
