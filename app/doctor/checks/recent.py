"""What the drivers told lately. Pure."""

from __future__ import annotations

from app.doctor.probing.observation import Observation
from app.scheduling.report import HostEvent

RECENT_S = 900.0
"""Events older than a quarter of an hour are history."""


def recent(seen: Observation, host: str) -> tuple[HostEvent, ...]:
    """The events of ``host`` that are still news."""
    report = seen.reports.get(host)
    return tuple(event for event in report.events if seen.now - event.at <= RECENT_S) if report is not None else ()
