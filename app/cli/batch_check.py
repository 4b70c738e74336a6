"""``arena batch check``: a run against its jobs, the hosts, their memory and the clock."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.backends.base import InstalledModel
from app.batch.estimate import CallFigures, estimate
from app.batch.progress import words
from app.batch.spec import RunSpec
from app.batch.submission import CheckedRun, check
from app.database.address import database_url, parse, sqlite_file
from app.database.database import Database
from app.errors import InvalidInput, Unavailable
from app.hosts.host import Host
from app.hosts.names import same_model
from app.hosts.roster import Roster, ignore
from app.process.batch import chat_of_settings
from app.process.connections import backends_of
from app.process.found_kinds import hosts_with_kinds
from app.records.batch_tables import batch_calls
from app.records.tables import answers
from app.scheduling.planning.budget import budget_of
from app.settings.settings import Settings
from app.timing.history import FIRST_ANSWER_S, FIRST_LOAD_S

LATEST = 200
"""So many of a model's latest calls are looked at."""
BASES = {
    "runs": "from earlier runs",
    "battles": "from battles, one answer at a time",
    "guess": f"a guess of {FIRST_ANSWER_S:.0f} s a call: nothing of these models is recorded yet",
}


@dataclass(frozen=True, slots=True)
class HostModels:
    """A host and those of the run's models that it has; None where it did not answer."""

    host: Host
    models: dict[str, InstalledModel] | None


async def say_what_would_be_done(settings: Settings, spec: RunSpec, jobs: Path) -> None:
    """Check everything and print what would be done.

    Raises:
        InvalidInput: the run, its jobs or its models are not as they have to be; the sentence says what.
    """
    with jobs.open("rb") as lines:
        checked = await check(spec, lines, chat_of_settings(settings))
    spec = checked.spec
    _say(f"run {checked.run_id()}: {checked.jobs} jobs, at most {checked.jobs * spec.parts} calls")
    for stage in spec.stages:
        models = ", ".join(stage.models) or "the model of each line"
        _say(f"  stage {stage.name}: {models}{f', {stage.samples} samples' if stage.samples > 1 else ''}")
    if spec.stages[0].chat:
        return
    hosts = await _hosts(settings, spec)
    for one in hosts:
        _say(f"  host {one.host.name}: {_of_host(one, spec)}")
    _refuse_missing(spec, hosts)
    _say(await _time(settings, checked, hosts))


async def _hosts(settings: Settings, spec: RunSpec) -> list[HostModels]:
    async with AsyncExitStack() as stack:
        hosts = await hosts_with_kinds(settings)
        roster = Roster(hosts, backends_of(settings, hosts, stack), (), on_trouble=ignore)
        await roster.refresh()
    return [HostModels(host, _found(roster, host, spec) if roster.reaches(host.name) else None) for host in hosts]


def _found(roster: Roster, host: Host, spec: RunSpec) -> dict[str, InstalledModel]:
    allowed = [m for m in spec.models if not host.models or any(same_model(m, one) for one in host.models)]
    return {model: found for model in allowed if (found := roster.installed(host.name, model)) is not None}


def _of_host(one: HostModels, spec: RunSpec) -> str:
    if one.models is None:
        return "does not answer"
    if not one.models:
        return "has none of the models"
    sizes = ", ".join(f"{model} ({found.size_bytes / 1e9:.1f} GB)" for model, found in one.models.items())
    slots = f"{one.host.num_parallel} slots"
    if len(spec.models) == 1:
        return f"{sizes}, {slots}"
    return f"{sizes}, {slots}, {'all fit together' if _fits(one) else 'one after the other: they do not fit together'}"


def _fits(one: HostModels) -> bool:
    """Whether all of its models of the run fit at once, as far as the host's memory is configured."""
    budget, sizes = budget_of(one.host), [model.size_bytes for model in (one.models or {}).values()]
    return all(budget.takes(sizes[:place], size) for place, size in enumerate(sizes))


def _refuse_missing(spec: RunSpec, hosts: Sequence[HostModels]) -> None:
    silent = [one.host.name for one in hosts if one.models is None]
    for model in spec.models:
        if not any(model in (one.models or {}) for one in hosts):
            why = f"host {', '.join(silent)} does not answer, and " if silent else ""
            raise InvalidInput(f"{why}no host has {model}; pull it there, or name another model", field="model")


async def _time(settings: Settings, checked: CheckedRun, hosts: Sequence[HostModels]) -> str:
    spec = checked.spec
    figures = await _figures(settings, spec)
    able = [one for one in hosts if one.models]
    slots = {model: sum(one.host.num_parallel for one in able if model in (one.models or {})) for model in spec.models}
    # A battle's answer has the host to itself; beside others each takes longer.
    alone = {model for model, one in figures.items() if one.basis != "runs"}
    slots = {model: 1 if model in alone else count for model, count in slots.items()}
    found = estimate(
        spec,
        checked.jobs,
        figures,
        slots,
        fit=all(_fits(one) for one in able),
        load_s=FIRST_LOAD_S,
        hosts=len(able),
    )
    times = f"{words(found.low_s)} to {words(found.high_s)}"
    return f"  time: {times}, {BASES[found.basis]}; about {found.loads} loads"


async def _figures(settings: Settings, spec: RunSpec) -> dict[str, CallFigures]:
    """What a call of each model takes, from what is recorded."""
    guess = {model: CallFigures(FIRST_ANSWER_S, "guess") for model in spec.models}
    file = sqlite_file(parse(database_url(settings)))
    if file is not None and not file.exists():
        return guess
    database = Database(database_url(settings))
    try:
        return guess | await database.read(lambda connection: _recorded(connection, spec.models))
    except (Unavailable, sa.exc.SQLAlchemyError):
        return guess
    finally:
        await database.aclose()


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


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
