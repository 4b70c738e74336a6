"""The present state of all hosts as Prometheus reads it, from their drivers' reports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from app.hosts.host import Host
from app.metrics.families import EVENTS, FALLBACK, REFUSED, TAKEOVERS, Series
from app.metrics.held import Figures
from app.scheduling.report import EventKind, Health, HostReport
from app.web.api.host_views import by_name

VOTING = (
    "/api/arena/battles/{battle_id}/votes",
    "/api/arena/submit_progressive_choice",
    "/api/arena/vote",
    "/api/vote_arena",
)
"""The routes that votes come by."""
FAILURES = (("500", "internal"), ("503", "database_away"), ("503", "redis_away"))

Rows = Iterable[tuple[Sequence[str], float]]


def zeros(hosts: Sequence[Host]) -> list[Series]:
    """The counters that alerts read, to be shown from the start: the first event would be none otherwise."""
    series: list[Series] = [(TAKEOVERS.name, host.name) for host in hosts]
    series += [(REFUSED.name, route, status, code) for route in VOTING for status, code in FAILURES]
    series += [(FALLBACK.name, host.name) for host in hosts if host.fallback]
    return series + [(EVENTS.name, host.name, kind) for host in hosts for kind in get_args(EventKind)]


@dataclass(frozen=True, slots=True)
class Foundations:
    """What everything stands on: whether each store can be used now, and the bytes of the data folder's disk.

    ``free_bytes`` is None where nothing of the arena is in that folder: then it says nothing.
    """

    usable: Mapping[str, bool] = field(default_factory=dict)
    free_bytes: int | None = None
    size_bytes: int = 0


NOT_KNOWN = Foundations()


def gauges(
    hosts: Sequence[Host],
    reports: Mapping[str, HostReport],
    open_battles: int,
    ground: Foundations = NOT_KNOWN,
    now: float = 0.0,
) -> list[Metric]:
    """One family for each thing that is so at the Unix time ``now``, for those who run the arena."""
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
        *_ages(reported, now),
        *_ground(ground),
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


def _ages(driven: Sequence[HostReport], now: float) -> list[Metric]:
    """How long somebody has waited by now; also when nothing is dispatched, of which no histogram would know."""
    ages = [((one.host,), max(now - one.waiting_since, 0.0) if one.waiting_since else 0.0) for one in driven]
    return [_gauge("arena_host_oldest_wait_seconds", "Age of the oldest answer that waits here.", ["host"], ages)]


def _ground(ground: Foundations) -> list[Metric]:
    usable = [((store,), float(one)) for store, one in ground.usable.items()]
    disk = ground.free_bytes is not None
    free = [((), float(ground.free_bytes or 0))] if disk else []
    size = [((), float(ground.size_bytes))] if disk else []
    return [
        _gauge("arena_store_usable", "1 while the store answers and takes writes.", ["store"], usable),
        _gauge("arena_data_free_bytes", "Free bytes on the disk of the data folder.", (), free),
        _gauge("arena_data_size_bytes", "Bytes of that disk.", (), size),
    ]


def _totals(waiting: int, running: int) -> list[Metric]:
    return [
        _gauge("arena_answers_waiting", "Answers that wait, on all hosts.", (), [((), float(waiting))]),
        _gauge("arena_answers_running", "Answers that are written, on all hosts.", (), [((), float(running))]),
    ]
