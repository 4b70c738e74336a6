"""What a log's frames say, for those who read a log to pass its texts on in another protocol. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson


class LoggedEvent(NamedTuple):
    """One event: its name and its data."""

    name: str
    data: dict[str, Any]


def events_in(frames: bytes) -> Iterator[LoggedEvent]:
    """The events of whole SSE frames as the hub makes them, in order; comments and ``retry`` are left out."""
    for frame in frames.split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line)
        if b"event" in fields:
            yield LoggedEvent(fields[b"event"].decode(), orjson.loads(fields[b"data"]))
