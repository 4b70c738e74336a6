"""What the drivers reported lately. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from app.doctor.probing.observation import Observation
from app.scheduling.report import HostEvent

RECENT_S = 900.0
"""Older events, of more than a quarter of an hour ago, no longer count."""


def recent(seen: Observation, host: str) -> tuple[HostEvent, ...]:
    """The events of ``host`` that still count."""
    report = seen.reports.get(host)
    return tuple(event for event in report.events if seen.now - event.at <= RECENT_S) if report is not None else ()


def models_of(events: Iterable[HostEvent]) -> str:
    """The models that events are about, each once."""
    return ", ".join(dict.fromkeys(event.model for event in events if event.model)) or "a model"
