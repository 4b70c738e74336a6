"""The hours of the day in which a run may work: ``22:00-07:00``, by the machine's own time zone. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from app.errors import InvalidInput

_HOURS = re.compile(r"(?P<from>\d{1,2}:\d{2})\s*-\s*(?P<to>\d{1,2}:\d{2})")


def hours_form(given: str, field: str = "between") -> str:
    """The hours as they are kept; empty for always.

    Raises:
        InvalidInput: they are not two times of the day.
    """
    if not given.strip():
        return ""
    found = _HOURS.fullmatch(given.strip())
    try:
        if found is None:
            raise ValueError
        begin, end = (time.fromisoformat(found[name].zfill(5)) for name in ("from", "to"))
    except ValueError:
        raise InvalidInput(f"{field}: {given!r} are no hours of the day; write 22:00-07:00", field=field) from None
    return f"{begin:%H:%M}-{end:%H:%M}"


def is_open(hours: str, now: float) -> bool:
    """Whether the Unix time ``now`` is within the hours; from a later to an earlier time means over midnight."""
    if not hours:
        return True
    begin, end = (time.fromisoformat(part) for part in hours.split("-"))
    at = datetime.fromtimestamp(now, UTC).astimezone().time()
    if begin == end:
        return True
    return begin <= at < end if begin < end else at >= begin or at < end


def opens_at(hours: str) -> str:
    """When the hours begin."""
    return hours.partition("-")[0]
