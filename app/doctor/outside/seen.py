"""What was seen of a deployment from outside, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of events: when each arrived, in seconds from the request, and the headers that came with it.

    ``heartbeats`` are counted in a silence of ``silent_s``; ``error`` is what cut it.
    """

    arrived_s: tuple[float, ...] = ()
    headers: Mapping[str, str] | None = None
    silent_s: float = 0.0
    heartbeats: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Silence:
    """A call that says nothing for ``seconds``: its status (0: it was cut), when, and how often it arrived."""

    seconds: float
    status: int
    after_s: float
    arrivals: int | None = None


@dataclass(frozen=True, slots=True)
class OutsideView:
    """Everything; ``refused`` says why nothing could be asked. ``ids`` are of two GETs of the same address."""

    refused: str = ""
    stream: Stream = Stream()
    silences: tuple[Silence, ...] = ()
    sent_headers: tuple[str, ...] = ()
    arrived_headers: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    reply_headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding; programs branch on ``code``, which never changes."""

    code: str
    severity: Severity
    cause: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return asdict(self)

    def lines(self) -> tuple[str, ...]:
        """As text."""
        return (f"{self.severity} {self.code}", f"  {self.cause}.", f"  Do: {self.remedy}.", "")
