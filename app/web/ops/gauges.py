"""The present state of all hosts as Prometheus reads it, from their drivers' reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from app.hosts.host import Host
from app.metrics.families import EVENTS, FALLBACK, TAKEOVERS, Series
from app.metrics.held import Figures
from app.scheduling.report import EventKind, Health, HostReport
from app.web.api.host_views import by_name

Rows = Iterable[tuple[Sequence[str], float]]


def zeros(hosts: Sequence[Host]) -> list[Series]:
    """The counters of hosts that alerts read, to be shown from the start."""
    series: list[Series] = [(TAKEOVERS.name, host.name) for host in hosts]
    series += [(FALLBACK.name, host.name) for host in hosts if host.fallback]
    return series + [(EVENTS.name, host.name, kind) for host in hosts for kind in get_args(EventKind)]


def gauges(hosts: Sequence[Host], reports: Mapping[str, HostReport], open_battles: int) -> list[Metric]:
    """One family for each thing that is so now, for those who run the arena."""
    reported = [reports[host.name] for host in hosts if host.name in reports]
    return [
        *_open(open_battles),
        *_states(hosts, reports),
        _gauge(
            "arena_host_loading",
            "1 while the host loads a model.",
            ["host"],
            [((one.host,), float(one.loading is not None)) for one in reported],
        ),
        *_memory(hosts, reported),
        *_residents(reported),
        *_flights(reported),
        *_totals(sum(one.waiting for one in reported), sum(one.running for one in reported)),
    ]


def public_gauges(hosts: Sequence[Host], reports: Mapping[str, HostReport], held: Figures) -> list[Metric]:
    """What everybody may read: whether hosts live, and the totals that were held back."""
    reported = [reports[host.name] for host in hosts if host.name in reports]
    return [
        *_open(held.open_battles),
        *_states(hosts, reports),
        *_memory(hosts, reported),
        *_totals(held.waiting, held.running),
    ]


def _open(battles: int) -> list[Metric]:
    return [_gauge("arena_battles_open", "Battles that run, as last counted (every 5 s).", (), [((), battles)])]


def _gauge(name: str, meaning: str, labels: Sequence[str], rows: Rows) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _states(hosts: Sequence[Host], reports: Mapping[str, HostReport]) -> list[Metric]:
    driven = [((host.name,), float(host.name in reports)) for host in hosts]
    found = [reports[host.name] for host in hosts if host.name in reports]
    up = [((report.host,), float(report.health == "up")) for report in found]
    states = [((report.host, state), float(report.health == state)) for report in found for state in get_args(Health)]
    return [
        _gauge("arena_host_driven", "1 while a worker drives the host and reports it.", ["host"], driven),
        _gauge("arena_host_up", "1 while the host answers; absent while nobody drives it.", ["host"], up),
        _gauge("arena_host_state", "1 for the state that the host is in.", ["host", "state"], states),
    ]


def _memory(hosts: Sequence[Host], driven: Sequence[HostReport]) -> list[Metric]:
    card = [((host.name,), float(host.memory_bytes)) for host in hosts if host.memory_bytes is not None]
    most = [((report.host,), float(report.max_models)) for report in driven if report.max_models is not None]
    return [
        _gauge("arena_host_memory_bytes", "Memory of the host's cards, as configured.", ["host"], card),
        _gauge("arena_host_max_models", "Models that are taken to fit at once.", ["host"], most),
    ]


def _residents(driven: Sequence[HostReport]) -> list[Metric]:
    """What is in memory: for those who run the arena, since it shows which models a battle had loaded."""
    residents = [(report.host, resident) for report in driven for resident in by_name(report)]
    sizes = [((host, one.model), float(one.size_bytes)) for host, one in residents]
    on_card = [((host, one.model), float(one.vram_bytes)) for host, one in residents]
    flagged = [((host, one.model, flag), 1.0) for host, one in residents for flag in one.flags]
    who = ["host", "model"]
    return [
        _gauge("arena_resident_bytes", "A model in memory, on the card and beside it.", who, sizes),
        _gauge("arena_resident_vram_bytes", "The part of it that is on the card.", who, on_card),
        _gauge("arena_resident_flagged", "1 for what is wrong with a model in memory.", [*who, "flag"], flagged),
    ]


def _flights(driven: Sequence[HostReport]) -> list[Metric]:
    """By host and model: for those who run the arena, because together with a battle it gives away who writes."""
    waiting = [((one.host, model), float(n)) for one in driven for model, n in sorted(one.waiting_by_model.items())]
    running = [((one.host, model), float(n)) for one in driven for model, n in sorted(one.running_by_model.items())]
    return [
        _gauge("arena_host_answers_waiting", "Answers that wait on this host.", ["host", "model"], waiting),
        _gauge("arena_host_answers_running", "Answers that this host writes.", ["host", "model"], running),
    ]


def _totals(waiting: int, running: int) -> list[Metric]:
    return [
        _gauge("arena_answers_waiting", "Answers that wait, on all hosts.", (), [((), float(waiting))]),
        _gauge("arena_answers_running", "Answers that are written, on all hosts.", (), [((), float(running))]),
    ]
