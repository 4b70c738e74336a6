"""What a run would do here: which hosts have its models, whether they fit together, how long it may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.backends.base import InstalledModel
from app.batch.estimate import CallFigures, Estimate, estimate
from app.batch.spec import RunSpec
from app.database.database import Database
from app.errors import InvalidInput
from app.hosts.host import Host
from app.hosts.names import same_model
from app.hosts.roster import Roster
from app.records.batch_tables import batch_calls
from app.records.tables import answers
from app.scheduling.planning.budget import budget_of
from app.timing.history import FIRST_ANSWER_S, FIRST_LOAD_S

LATEST = 200
"""So many of a model's latest calls are looked at."""


@dataclass(frozen=True, slots=True)
class HostModels:
    """A host and those of the run's models that it has; None where it did not answer."""

    host: Host
    models: dict[str, InstalledModel] | None


def host_models(roster: Roster, hosts: Sequence[Host], spec: RunSpec) -> list[HostModels]:
    """What each host has of the run's models, as it answered last."""
    return [HostModels(host, _found(roster, host, spec) if roster.reaches(host.name) else None) for host in hosts]


def _found(roster: Roster, host: Host, spec: RunSpec) -> dict[str, InstalledModel]:
    allowed = [m for m in spec.models if not host.models or any(same_model(m, one) for one in host.models)]
    return {model: found for model in allowed if (found := roster.installed(host.name, model)) is not None}


def fits(one: HostModels) -> bool:
    """Whether all of its models of the run fit at once, as far as the host's memory is configured."""
    budget, sizes = budget_of(one.host), [model.size_bytes for model in (one.models or {}).values()]
    return all(budget.takes(sizes[:place], size) for place, size in enumerate(sizes))


def refuse_missing(spec: RunSpec, hosts: Sequence[HostModels]) -> None:
    """Refuse a run with a model that no host has.

    Raises:
        InvalidInput: the sentence names the model, and the hosts that did not answer.
    """
    silent = [one.host.name for one in hosts if one.models is None]
    for model in spec.models:
        if not any(model in (one.models or {}) for one in hosts):
            why = f"host {', '.join(silent)} does not answer, and " if silent else ""
            raise InvalidInput(f"{why}no host has {model}; pull it there, or name another model", field="model")


def likely_time(spec: RunSpec, jobs: int, recorded: dict[str, CallFigures], hosts: Sequence[HostModels]) -> Estimate:
    """How long a run may take; ``recorded`` is what is known of its models' calls."""
    figures = {model: CallFigures(FIRST_ANSWER_S, "guess") for model in spec.models} | recorded
    able = [one for one in hosts if one.models]
    slots = {model: sum(one.host.num_parallel for one in able if model in (one.models or {})) for model in spec.models}
    # A battle's answer has the host to itself; beside others each takes longer.
    alone = {model for model, one in figures.items() if one.basis != "runs"}
    slots = {model: 1 if model in alone else count for model, count in slots.items()}
    fit = all(fits(one) for one in able)
    return estimate(spec, jobs, figures, slots, fit=fit, load_s=FIRST_LOAD_S, hosts=len(able))


async def recorded_figures(database: Database, models: Sequence[str]) -> dict[str, CallFigures]:
    """What a call of each model takes, of those of which something is recorded.

    Raises:
        Unavailable: the database does not answer.
    """
    return await database.read(lambda connection: _recorded(connection, models))


def _recorded(connection: Connection, models: Sequence[str]) -> dict[str, CallFigures]:
    found = {}
    for model in models:
        for basis, table in (("runs", batch_calls), ("battles", answers)):
            seconds = _latest(connection, table, model)
            if seconds is not None:
                found[model] = CallFigures(seconds, basis)
                break
    return found


def _latest(connection: Connection, table: sa.Table, model: str) -> float | None:
    """The mean of a model's latest answers, without what they waited."""
    columns = table.c
    took = columns.total_s - sa.func.coalesce(columns.queue_s, 0.0) - sa.func.coalesce(columns.load_s, 0.0)
    latest = (
        sa.select(took.label("took"))
        .where(columns.model == model, columns.finish_reason.in_(("stop", "length")), columns.total_s.is_not(None))
        .order_by(columns.created_at.desc())
        .limit(LATEST)
        .subquery()
    )
    mean: float | None = connection.execute(sa.select(sa.func.avg(latest.c.took))).scalar_one()
    return mean
