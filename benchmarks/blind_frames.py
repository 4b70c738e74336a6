"""What each single property of a battle's frames measures: what a careless stream could give its models away by.

Times are logarithms of seconds, sizes logarithms of characters or bytes, everything else counts and shares. Those
named ``both …`` are the same for both sides, so they can only tell which two models it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, pstdev
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One event, or a heartbeat: when it came, on which side, how many bytes it had, and what it said."""

    at_s: float
    event: str
    side: str
    size_bytes: int
    data: dict[str, Any]


def measured(frames: Sequence[Frame], side: str) -> dict[str, float]:
    """The properties of one side of a round."""
    last_round = max((place for place, frame in enumerate(frames) if frame.event == "round"), default=0)
    own = [frame for frame in frames[last_round:] if frame.side == side]
    return _of_a_side(own, frames[last_round:], side) | _of_both(frames[last_round:])


def _of_a_side(own: Sequence[Frame], frames: Sequence[Frame], side: str) -> dict[str, float]:
    deltas = [frame for frame in own if frame.event == "delta"]
    sizes = [len(frame.data["text"]) for frame in deltas]
    gaps = _gaps(deltas[:-1])
    end_s = next((frame.at_s for frame in own if frame.event == "answer"), 0.0)
    return {
        "first word": _log(deltas[0].at_s),
        **_of_statuses([frame for frame in own if frame.event == "status"]),
        "deltas": _log(len(deltas)),
        "first delta's size": _log(sizes[0]),
        "deltas' size": _log(fmean(sizes[1:-1] or sizes)),
        "deltas' size varies": pstdev(sizes[1:-1] or sizes),
        "gap between deltas": _log(fmean(gaps)),
        "gaps vary": _log(pstdev(gaps)),
        "longest gap": _log(max(gaps)),
        "grown before the end": _log(sum(sizes[:-1])),
        "last delta's size": _log(sizes[-1]),
        "bytes a character": sum(frame.size_bytes for frame in own) / max(sum(sizes), 1),
        "length": _log(sum(sizes)),
        "end": _log(end_s),
        "comes first": _share_first(frames, side),
        "end comes first": float(next((frame.side for frame in frames if frame.event == "answer"), "") == side),
        "end before the other": _difference(frames, side, "answer"),
        "words before the other": _difference(frames, side, "delta"),
    }


def _of_statuses(statuses: Sequence[Frame]) -> dict[str, float]:
    return {
        "status writing": _log(next((f.at_s for f in statuses if f.data["state"] == "writing"), 0.0)),
        "statuses": len(statuses),
        "announced wait": max((frame.data.get("eta_s") or 0 for frame in statuses), default=0),
        "announced place": max((frame.data.get("place") or 0 for frame in statuses), default=0),
    }


def _of_both(frames: Sequence[Frame]) -> dict[str, float]:
    ready_s = frames[-1].at_s
    answers = [frame.at_s for frame in frames if frame.event == "answer"]
    first = next((frame.at_s for frame in frames if frame.event == "delta"), 0.0)
    return {
        "both: heartbeats": sum(frame.event == "heartbeat" for frame in frames),
        "both: frames": _log(len(frames)),
        "both: time of text": _log(ready_s - first),
        "both: ends to ready": _log(ready_s - max(answers, default=ready_s)),
        "both: bytes": _log(sum(frame.size_bytes for frame in frames)),
    }


def _gaps(frames: Sequence[Frame]) -> list[float]:
    return [later.at_s - earlier.at_s for earlier, later in pairwise(frames)] or [0.0]


def _difference(frames: Sequence[Frame], side: str, event: str) -> float:
    """Seconds from the first such event of this side to that of the other."""
    first: dict[str, float] = {}
    for frame in frames:
        if frame.event == event:
            first.setdefault(frame.side, frame.at_s)
    other = "b" if side == "a" else "a"
    return first.get(other, 0.0) - first.get(side, 0.0)


def _share_first(frames: Sequence[Frame], side: str) -> float:
    """Of the moments at which both sides grew, in which share this side's delta was sent before the other's."""
    deltas = [frame for frame in frames if frame.event == "delta"]
    turns = [earlier.side for earlier, later in pairwise(deltas) if earlier.side != later.side]
    return turns[::2].count(side) / max(len(turns[::2]), 1)


def _log(value: float) -> float:
    return math.log(max(value, 0.0) + 0.01)
