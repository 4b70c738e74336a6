"""Checks of models' processes, and of what a server believes of its memory. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from app.doctor.checks.recent import models_of, recent
from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedHost
from app.doctor.texts import processes as texts
from app.scheduling.driver.memory_budget import RETRY_AFTER
from app.scheduling.report import EventKind, HostEvent


def on_processes(seen: Observation) -> Iterator[Finding]:
    """What happened to models' processes lately, and hosts that misread their memory."""
    for host in seen.hosts:
        yield from _on_host(host, seen)


def _on_host(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    name = host.host.name

    def happened(kind: EventKind) -> list[HostEvent]:
        return [event for event in recent(seen, name) if event.kind == kind]

    if crashed := happened("crashed"):
        yield texts.model_crashed(host, models_of(crashed), len(crashed), seen.loads_s(name))
    if hung := happened("hung"):
        yield texts.model_hangs(host, models_of(hung), hung[-1].model)
    if replaced := happened("replaced"):
        yield texts.model_replaced(host, models_of(replaced))
    misread = _newest_misreading(seen, name)
    if misread is not None:
        yield texts.memory_misread(host, misread.detail, timedelta(seconds=max(seen.now - misread.at, 0.0)))


def _newest_misreading(seen: Observation, host: str) -> HostEvent | None:
    """The newest that its driver still takes into account."""
    events = seen.reports[host].events if host in seen.reports else ()
    known = [event for event in events if event.kind == "memory_misread"]
    return known[-1] if known and seen.now - known[-1].at <= RETRY_AFTER.total_seconds() else None
