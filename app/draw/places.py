"""What each host could hold, by its driver's report. Values only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from app.draw.planning.field import HostField
from app.hosts.catalog import Contender
from app.hosts.host import Host
from app.hosts.names import model_key
from app.scheduling.planning.budget import Budget, budget_of
from app.scheduling.report import HostReport

_Figure = TypeVar("_Figure", int, float)

ALL_RESIDENT = Budget(None, 1_000_000)
"""Of a host that does not let its memory be controlled: it has whatever is asked for."""


def host_fields(
    contenders: Sequence[Contender],
    hosts: Sequence[Host],
    reports: Mapping[str, HostReport],
    free: Collection[str] = (),
) -> tuple[HostField, ...]:
    """What each host could hold; without those that are down, and those of which nothing is known yet.

    A fallback is asked only when no other can, so it holds no set unless there are fallbacks only. ``free`` are hosts
    that do not let their memory be controlled.
    """
    up = [host for host in hosts if host.name in reports and reports[host.name].health != "down"]
    own = [host for host in up if not host.fallback] or up
    return tuple(_host_field(host, contenders, reports[host.name], host.name in free) for host in own)


def _host_field(host: Host, contenders: Sequence[Contender], report: HostReport, free: bool) -> HostField:
    budget = ALL_RESIDENT if free else budget_of(host)
    if not free and report.max_models is not None:
        budget = replace(budget, max_models=max(min(budget.max_models, report.max_models), 1))
    models = tuple(one.model for one in contenders if host.name in one.hosts)
    resident = {model_key(one.model) for one in report.residents}
    return HostField(
        host.name,
        models,
        budget,
        resident=tuple(model for model in models if model_key(model) in resident),
        sizes=_by_name(models, report.sizes),
        load_s=_by_name(models, report.change_s),
        answer_s=_by_name(models, report.answer_s),
        waiting=report.waiting,
    )


def _by_name(models: Sequence[str], figures: Mapping[str, _Figure]) -> dict[str, _Figure]:
    """Figures by the catalog's names: a driver spells models as it met them first."""
    known = {model_key(model): figure for model, figure in figures.items()}
    return {model: known[model_key(model)] for model in models if model_key(model) in known}
