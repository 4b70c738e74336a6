"""``arena doctor``: what is wrong, and the command that helps; the arena need not run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from app.cli.folder import load_settings
from app.cli.json_output import write_json

if TYPE_CHECKING:
    from app.doctor.diagnose import Diagnosis
    from app.settings.settings import Settings

Wake = Annotated[bool, typer.Option("--wake", help="Probe hosts that scale to zero, too; it may take 90 s.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

WAKES_WITHIN = timedelta(seconds=90)


Url = Annotated[
    str, typer.Option(help="Test a deployment from outside: https://…, with its ARENA_ADMIN_KEY in the environment.")
]
Longest = Annotated[int, typer.Option(min=1, max=300, help="With --url: the longest silence tried, in seconds.")]


def doctor(wake: Wake = False, as_json: AsJson = False, url: Url = "", longest: Longest = 180) -> None:
    """Check the hosts, Redis, the database and the settings; print what is wrong, why, and the command that helps.

    It loads no model and generates nothing; the one small write to each store leaves nothing behind. Exit status 0:
    battles can run, with or without warnings; 1: they can't; 3: this machine is too busy to tell.

    With --url it asks a deployment through its proxy or CDN instead: whether streams come at once, which headers get
    lost, whether anything is cached or sent twice, and after which silence a call is cut. It takes as long as the
    longest silences, some four minutes.
    """
    if url:
        raise typer.Exit(_from_outside(url, longest, as_json))
    diagnosis = asyncio.run(diagnosed(load_settings(), WAKES_WITHIN if wake else None))
    _print_diagnosis(diagnosis, as_json)
    raise typer.Exit(status_of(diagnosis))


def _print_diagnosis(diagnosis: Diagnosis, as_json: bool) -> None:
    from rich.console import Console

    from app.doctor.render import show

    if as_json:
        write_json(orjson.dumps(diagnosis.to_dict(), option=orjson.OPT_INDENT_2))
    else:
        show(diagnosis, Console())


def _from_outside(url: str, longest: int, as_json: bool) -> int:
    """Test what is at ``url``; 1 if something breaks battles there."""
    import sys

    from app.doctor.outside.judge import problems
    from app.doctor.outside.observe import observe_deployment

    seen = asyncio.run(observe_deployment(url, load_settings().arena_admin_key, longest))
    found = problems(seen)
    if as_json:
        write_json(orjson.dumps([problem.to_dict() for problem in found], option=orjson.OPT_INDENT_2))
    else:
        lines = [line for problem in found for line in problem.lines()]
        count = f"{len(found) or 'no'} finding{'' if len(found) == 1 else 's'}"
        sys.stdout.write("\n".join([*lines, f"{url}: {count}", ""]))
    return int(any(problem.severity == "error" for problem in found))


def status_of(diagnosis: Diagnosis) -> int:
    """The exit status: what is known to be wrong counts before what can't be told."""
    if not diagnosis.can_battle:
        return 1
    return 3 if diagnosis.unsure else 0


async def diagnosed(settings: Settings, wake: timedelta | None = None) -> Diagnosis:
    """Diagnose what ``settings`` configure, with clients of its own; ``wake`` as for ``diagnose``.

    Raises:
        ConfigurationError: the settings contradict themselves.
    """
    from app.database.address import database_url
    from app.doctor.diagnose import diagnose  # what it needs takes a while, and other commands don't need it
    from app.doctor.probing.observe import redis_of
    from app.hosts.checking import checked
    from app.process.found_kinds import hosts_with_kinds

    checked(settings)
    hosts = await hosts_with_kinds(settings)
    async with redis_of(settings) as redis:
        return await diagnose(settings, hosts, redis=redis, database=database_url(settings), wake=wake)
