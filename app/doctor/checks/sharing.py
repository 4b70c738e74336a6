"""Checks of who else uses a host. Pure.

A server can't be asked who else uses it. What shows: models in memory that are not the arena's, and models of the arena
that disappeared or were reloaded without its doing. Where all of these look like the arena's own, another arena with
the same models is as likely as another client with the same settings, and the finding names both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.backends.base import LoadedModel
from app.doctor.checks.recent import models_of, recent
from app.doctor.checks.residents import DEFAULT_CONTEXTS
from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import Observation, ObservedHost
from app.doctor.texts import work as texts
from app.hosts.names import same_model
from app.scheduling.report import HostEvent

_ONE_MOMENT_S = 5.0

CRASH_S = 60.0
"""A model that left within so many seconds of its process' crash left because of it."""


def on_sharing(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    """What happens on the host without the arena. A fallback may well be somebody's own machine."""
    events = recent(seen, host.host.name)
    unloaded = _unexplained(events)
    severity: Severity = "note" if host.host.fallback else "warning"
    signs = [*_foreign_in_memory(host, seen)]
    signs += _foreign_lately(events, signs)
    if signs:
        yield texts.host_shared(host, severity, signs, models_of(unloaded) if unloaded else "")
    elif _moments(unloaded) > 1:
        yield texts.two_arenas(host, models_of(unloaded), _moments(unloaded))
    elif len({event.model for event in unloaded}) > 1:
        yield texts.server_restarted(host, models_of(unloaded))
    elif unloaded:
        yield texts.host_shared_unloaded(host, severity, models_of(unloaded), unloaded[-1].detail)


def _unexplained(events: Sequence[HostEvent]) -> list[HostEvent]:
    """What left without our doing, but for one model alone whose process crashed: nobody unloaded it."""
    unloaded = [event for event in events if event.kind == "unloaded_by_others"]
    crashed = [event for event in events if event.kind == "crashed"]

    def is_crash(event: HostEvent) -> bool:
        alone = not any(one.model != event.model and abs(one.at - event.at) <= _ONE_MOMENT_S for one in unloaded)
        return alone and any(one.model == event.model and abs(one.at - event.at) <= CRASH_S for one in crashed)

    return [event for event in unloaded if not is_crash(event)]


def _moments(events: Sequence[HostEvent]) -> int:
    """At how many different times something happened; a restart takes all models at once."""
    times = sorted(event.at for event in events)
    return sum(1 for before, at in zip([float("-inf"), *times], times, strict=False) if at - before > _ONE_MOMENT_S)


def _foreign_in_memory(host: ObservedHost, seen: Observation) -> Iterator[str]:
    """What other clients have in memory there."""
    contestants = seen.contestants[host.host.name]
    for one in host.loaded if host.reach == "ollama" and contestants else ():
        model = next((name for name in contestants if same_model(name, one.name)), None)
        if model is None:
            yield texts.foreign_model(one.name, one.size_bytes)
        else:
            yield from _foreign_context(host, seen, model, one)


def _foreign_context(host: ObservedHost, seen: Observation, model: str, loaded: LoadedModel) -> Iterator[str]:
    """A context that another client asked for; shrunk ones and the server's own default have their own findings."""
    found, wanted = loaded.context_length, seen.options(model).num_ctx
    if found is not None and found > wanted and found not in (*DEFAULT_CONTEXTS, host.shape(model).trained_ctx):
        yield texts.foreign_context(loaded.name, found, wanted)


def _foreign_lately(events: Sequence[HostEvent], signs: Sequence[str]) -> list[str]:
    """What other clients had in memory and ``signs`` do not name."""
    named = " ".join(signs)
    models = dict.fromkeys(event.model for event in events if event.kind == "foreign_model")
    return [texts.foreign_load(model) for model in models if model and model not in named]
