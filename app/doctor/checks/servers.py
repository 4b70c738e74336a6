"""Checks of hosts that are no Ollama, and of kinds that were not said. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedHost
from app.doctor.texts import servers as texts
from app.hosts.kinds import KINDS


def on_servers(seen: Observation) -> Iterator[Finding]:
    """What is known of a host's kind, and what its server does not take."""
    for host in seen.hosts:
        if host.host.kind_was_found and host.reach == "chat":
            yield texts.host_kind_found(host)
        elif host.reach == "chat" and host.found_kind not in ("", "openai", host.host.kind):
            yield texts.host_other_kind(host, "warning")
        if host.reach == "chat":
            yield from _options(host, seen)
            yield from _busy(host, seen)


def _options(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    for model in seen.contestants[host.host.name]:
        left_out = KINDS[host.host.kind].left_out(seen.options(model))
        if left_out:
            yield texts.option_not_taken(model, host, left_out)


def _busy(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    report = seen.reports.get(host.host.name)
    running = host.activity.running
    if report is not None and running is not None and running > report.running + 1:
        yield texts.server_busy_with_others(host, running, report.running)
