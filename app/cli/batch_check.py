"""``arena batch check``: a run against its jobs, the hosts, their memory and the clock."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import sqlalchemy as sa

from app.batch.estimate import CallFigures
from app.batch.outlook import HostModels, fits, host_models, likely_time, recorded_figures, refuse_missing
from app.batch.progress import words
from app.batch.spec import RunSpec
from app.batch.submission import CheckedRun, check
from app.database.address import database_url, parse, sqlite_file
from app.database.database import Database
from app.errors import Unavailable
from app.hosts.roster import Roster, ignore
from app.process.batch import chat_of_settings
from app.process.connections import backends_of
from app.process.found_kinds import hosts_with_kinds
from app.settings.settings import Settings
from app.timing.history import FIRST_ANSWER_S

BASES = {
    "runs": "from earlier runs",
    "battles": "from battles, one answer at a time",
    "guess": f"a guess of {FIRST_ANSWER_S:.0f} s a call: nothing of these models is recorded yet",
}


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
    refuse_missing(spec, hosts)
    _say(await _time(settings, checked, hosts))


async def _hosts(settings: Settings, spec: RunSpec) -> list[HostModels]:
    async with AsyncExitStack() as stack:
        hosts = await hosts_with_kinds(settings)
        roster = Roster(hosts, backends_of(settings, hosts, stack), (), on_trouble=ignore)
        await roster.refresh()
    return host_models(roster, hosts, spec)


def _of_host(one: HostModels, spec: RunSpec) -> str:
    if one.models is None:
        return "does not answer"
    if not one.models:
        return "has none of the models"
    sizes = ", ".join(f"{model} ({found.size_bytes / 1e9:.1f} GB)" for model, found in one.models.items())
    slots = f"{one.host.num_parallel} slots"
    if len(spec.models) == 1:
        return f"{sizes}, {slots}"
    return f"{sizes}, {slots}, {'all fit together' if fits(one) else 'one after the other: they do not fit together'}"


async def _time(settings: Settings, checked: CheckedRun, hosts: Sequence[HostModels]) -> str:
    found = likely_time(checked.spec, checked.jobs, await _figures(settings, checked.spec), hosts)
    times = f"{words(found.low_s)} to {words(found.high_s)}"
    return f"  time: {times}, {BASES[found.basis]}; about {found.loads} loads"


async def _figures(settings: Settings, spec: RunSpec) -> dict[str, CallFigures]:
    """What a call of each model takes, as far as there are records."""
    file = sqlite_file(parse(database_url(settings)))
    if file is not None and not file.exists():
        return {}
    database = Database(database_url(settings))
    try:
        return await recorded_figures(database, spec.models)
    except (Unavailable, sa.exc.SQLAlchemyError):
        return {}
    finally:
        await database.aclose()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
