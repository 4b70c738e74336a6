"""What is shown of hosts and models: one view for everybody, one for those who run the arena.

Everybody may know which hosts there are and whether they live. What would tell who writes in a battle that runs is for
operators: what is in memory and what is being loaded (polled during a battle, it shows which models were loaded for
it), jobs of a host or a model, when a host reported, and what happened to a model. The public view keeps those fields
and leaves them empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from app.doctor.finding import Finding
from app.draw.shown import ShownRotation
from app.hosts.catalog import Contender, Missing
from app.hosts.host import Host
from app.hosts.names import is_cloud, same_model
from app.hosts.roster import Roster
from app.network.addresses import shown
from app.scheduling.report import HostEvent, HostReport, ResidentReport, UnloadReport

Json = dict[str, Any]

#: Events of a host as a whole; all others name a model, or its host would.
_EVENTS_OF_ALL = ("host_down", "host_up")


def rfc3339(at: float | None) -> str | None:
    """Unix time as RFC 3339 in UTC; None for none, for 0 and for a time beyond the calendar."""
    if not at:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def host_view(host: Host, report: HostReport | None, unreachable: str | None = None) -> Json:
    """A host for everybody; ``unreachable`` is why it did not answer this process, which counts if nobody drives it."""
    known = report or HostReport(host.name, 0.0)
    return {
        "name": host.name,
        "kind": host.kind,
        "health": health_of(report, unreachable),
        "driven": report is not None,
        "version": known.version,
        "told_at": None,
        "since": rfc3339(known.since),
        "residents": [],
        "loading": False,
        "max_models": known.max_models,
        "num_parallel": known.slots or host.num_parallel,
        "memory_bytes": host.memory_bytes,
        "resident_vram_bytes": 0,
        "weight": host.weight,
        "fallback": host.fallback,
        "scale_to_zero": host.scale_to_zero,
        "events": [{"at": rfc3339(one.at), "kind": one.kind} for one in known.events if one.kind in _EVENTS_OF_ALL],
    }


def health_of(report: HostReport | None, unreachable: str | None) -> str:
    """What the driver says: up, trying or down; without one ``down`` if it did not answer us, else ``unknown``."""
    if report is not None:
        return report.health
    return "unknown" if unreachable is None else "down"


def by_name(report: HostReport) -> list[ResidentReport]:
    """What is in memory in an order that tells nothing: a server lists first what was used last."""
    return sorted(report.residents, key=lambda one: one.model)


def _resident(one: ResidentReport) -> Json:
    return {
        "model": one.model,
        "size_bytes": one.size_bytes,
        "vram_bytes": one.vram_bytes,
        "context_length": one.context_length,
        "flags": list(one.flags),
        "ours": one.ours,
    }


def full_host_view(host: Host, report: HostReport | None, now: float, unreachable: str | None = None) -> Json:
    """A host for those who run the arena, at the Unix time ``now``."""
    known = report or HostReport(host.name, now)
    return host_view(host, report, unreachable) | {
        "url": shown(host.url),
        "told_at": rfc3339(known.at),
        "loading": known.loading is not None,
        "resident_vram_bytes": sum(one.vram_bytes for one in known.residents),
        "why": known.why or ("" if report else unreachable or ""),
        "residents": [_resident(one) | _times(one) for one in by_name(known)],
        "loading_model": known.loading,
        "loading_for_s": round(max(now - known.loading_since, 0.0), 3) if known.loading else None,
        "waiting": known.waiting,
        "running": known.running,
        "waiting_by_model": dict(known.waiting_by_model),
        "running_by_model": dict(known.running_by_model),
        "load_s": dict(known.load_s),
        "answer_s": dict(known.answer_s),
        "tokens_per_s": dict(known.tokens_per_s),
        "planned": list(known.planned),
        "allowed_models": list(host.models),
        "warm_per_hour": host.warm_per_hour,
        "events": [_event(one) for one in known.events],
        "unloads": [_unload(one) for one in known.unloads],
    }


def rotation_view(rotation: ShownRotation | None) -> Json | None:
    """What battles are drawn from, for those who run the arena only."""
    if rotation is None:
        return None
    fields = asdict(rotation)
    moments = {name: rfc3339(fields[name]) for name in ("since", "earliest", "latest")}
    return fields | moments


def _times(one: ResidentReport) -> Json:
    return {"expires_at": rfc3339(one.expires_at), "since": rfc3339(one.since), "used": rfc3339(one.used)}


def _event(one: HostEvent) -> Json:
    return {"at": rfc3339(one.at), "kind": one.kind, "model": one.model, "detail": one.detail}


def _unload(one: UnloadReport) -> Json:
    return {"at": rfc3339(one.at), "model": one.model, "reason": one.reason or None, "why": one.why}


def finding_view(finding: Finding) -> Json:
    """What the doctor found; ``command`` is null when there is none to run."""
    return {
        "code": finding.code,
        "severity": finding.severity,
        "subject": finding.subject,
        "cause": finding.cause,
        "remedy": finding.remedy,
        "command": finding.command or None,
    }


def model_view(contender: Contender, roster: Roster, reports: Mapping[str, HostReport]) -> Json:
    """A model that can enter battles; ``same_everywhere`` is false when its hosts have different files of that name.

    ``reports`` say where it is in memory; for everybody but operators there are none.
    """
    copies = [copy for host in contender.hosts if (copy := roster.installed(host, contender.model)) is not None]
    with_digest = [copy for copy in copies if copy.digest]  # of a host that sleeps only the name is known
    first = next(iter(with_digest or copies), None)
    return {
        "model": contender.model,
        "hosts": list(contender.hosts),
        "resident_on": [host for host, report in reports.items() if _has(report, contender.model)],
        "size_bytes": contender.size_bytes,
        "digest": first.digest if first else "",
        "quantization": first.quantization if first else "",
        "capabilities": list(first.capabilities) if first else [],
        "same_everywhere": len({copy.digest for copy in with_digest}) <= 1,
    }


def _has(report: HostReport, model: str) -> bool:
    return any(same_model(one.model, model) for one in report.residents)


def missing_view(missing: Missing, silent: Sequence[str]) -> Json:
    """A configured model that no host has, and what to do; it may be on a ``silent`` host, which does not answer."""
    return {"model": missing.name, "suggestion": missing.suggestion, "remedy": _remedy(missing, silent)}


def duplicate_view(duplicate: str, first: str) -> Json:
    """A model that is not drawn because ``first`` is the same one."""
    return {
        "model": duplicate,
        "suggestion": first,
        "remedy": f"It is {first} under another name, and only that is drawn: take {duplicate} out of ARENA_MODELS.",
    }


def _remedy(missing: Missing, silent: Sequence[str]) -> str:
    if is_cloud(missing.name):
        return "It runs in Ollama's cloud and never enters a battle: take it out of ARENA_MODELS."
    if missing.suggestion:
        return f"Did you mean {missing.suggestion}? Correct ARENA_MODELS."
    if silent:
        return f"It may be on {', '.join(silent)}, which can't be reached: start Ollama there."
    return f"Run ollama pull {missing.name} on a host, or take it out of ARENA_MODELS."
