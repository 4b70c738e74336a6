"""What viewers are shown of a backend's failure."""

from __future__ import annotations

from typing import Final

from app.scheduling.ports import ErrorCode

_PUBLIC: Final[dict[str, ErrorCode]] = {
    "unavailable": "unavailable",
    "timeout": "timeout",
    "overloaded": "overloaded",
    "cut_off": "cut_off",
    "empty": "empty",
}


def public(code: str) -> ErrorCode:
    """What a backend's public code is called at the sink; anything else is ``unavailable``."""
    return _PUBLIC.get(code, "unavailable")
