"""Checks of the work on the hosts: drivers, queues, loads, answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.doctor.checks.recent import models_of, recent
from app.doctor.checks.sharing import on_sharing
from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import Observation, ObservedHost
from app.doctor.texts import work as texts
from app.scheduling.driver.load_limit import SLOWEST_READ, LoadLimits
from app.scheduling.report import HostEvent, HostReport

LOAD_FACTOR = 3.0
"""A load hangs when it takes so many times what it usually takes on its host: over half a minute, and longer than its
file takes from a slow disk, for it may have been read from memory before. In any case it hangs after its limit."""

REFUSED = ("bad_request:", "prompt_too_long:")
"""How the detail of a load begins that the server refused as it was asked."""

NEARLY_FULL = 0.8
_SHORTEST_HANG_S = 30.0


def on_work(seen: Observation) -> Iterator[Finding]:
    """What is wrong with the work on the hosts."""
    yield from _drivers(seen)
    if seen.hosts and all(host.host.fallback for host in seen.hosts):
        yield texts.only_fallback_hosts()
    yield from _queues(seen)
    for host in seen.hosts:
        report = seen.reports.get(host.host.name)
        yield from on_sharing(host, seen)
        if report is not None:
            yield from _loads(host, report, seen)
            yield from _answers(host, report, seen)
            yield from _slow(host, seen)


def _drivers(seen: Observation) -> Iterator[Finding]:
    """Whether processes drive the hosts. Before the first one serves, none does, and that is as it should be."""
    idle = [name for name, driven in seen.driven.items() if not driven]
    if (seen.driven and not idle) or (not seen.driven and seen.redis.state not in ("idle", "up")):
        return
    if len(idle) < len(seen.driven):
        yield texts.nobody_drives_some(idle)
    elif not seen.settings.arena_scheduler:
        yield texts.nobody_drives_without_scheduler()
    else:
        yield texts.nobody_drives()


def _queues(seen: Observation) -> Iterator[Finding]:
    bound = seen.settings.arena_queue
    all_full = bool(seen.waiting) and all(count >= bound for count in seen.waiting.values())
    severity: Severity = "error" if all_full else "warning"
    for name, count in seen.waiting.items():
        if count >= bound:
            yield texts.queue_full(name, severity, count, bound)
        elif count >= NEARLY_FULL * bound:
            yield texts.queue_nearly_full(name, severity, count, bound)


def _loads(host: ObservedHost, report: HostReport, seen: Observation) -> Iterator[Finding]:
    events = recent(seen, host.host.name)
    hung = [event for event in events if event.kind == "load_hung"]
    if hung:
        yield texts.loads_hang(host, texts.load_never_ended(models_of(hung)))
    elif (for_s := _hangs_for_s(host, report, seen)) is not None:
        yield texts.loads_hang(host, texts.load_under_way(report.loading, for_s))
    failed = [event for event in events if event.kind == "load_failed"]
    refused = [event for event in events if event.kind == "answer_refused"]
    refused += [event for event in failed if event.detail.startswith(REFUSED)]
    if refused:
        yield texts.requests_refused(host, models_of(refused), refused[-1].detail)
        failed = [event for event in failed if event not in refused]
    if failed:
        last = failed[-1]
        yield texts.loads_fail(host, models_of(failed), len(failed), last=last.detail, model=last.model)


def _hangs_for_s(host: ObservedHost, report: HostReport, seen: Observation) -> float | None:
    """How long the load that is under way has taken, when that is too long."""
    if not report.loading or not report.loading_since:
        return None
    for_s, usual_s = seen.now - report.loading_since, report.load_s.get(report.loading, 0.0)
    installed = host.installed_as(report.loading)
    size_bytes = installed.size_bytes if installed is not None else 0
    of_driver = LoadLimits(seen.settings.arena_load_limit).of(report.loading, size_bytes, usual_s).total_seconds()
    limit_s = report.loading_limit_s or of_driver
    if usual_s:
        limit_s = min(limit_s, max(_SHORTEST_HANG_S, LOAD_FACTOR * usual_s, size_bytes / SLOWEST_READ))
    return for_s if for_s > limit_s else None


def _answers(host: ObservedHost, report: HostReport, seen: Observation) -> Iterator[Finding]:
    """A host that answers its probes and fails its answers. One that answers nothing has a finding of its address."""
    if not host.answers or not report.fails_answers:
        return
    failing = {name for name, known in seen.reports.items() if known.fails_answers}
    others = [one for one in seen.catalog.contenders if set(one.hosts) - failing]
    model = next(iter((*seen.contestants[host.host.name], *report.planned)), "MODEL")
    severity: Severity = "warning" if len(others) >= 2 else "error"
    yield texts.answers_fail(host, severity, failed=report.failed_answers, failure=report.failure, model=model)


def _slow(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    slow: list[HostEvent] = [event for event in recent(seen, host.host.name) if event.kind == "slow"]
    if slow:
        yield texts.model_slow(host, models_of(slow), slow[-1].detail)
