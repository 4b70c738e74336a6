"""The command line: ``arena serve``, ``scheduler``, ``demo``, ``simulate``, and what is done to the records."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from app.cli.folder import load_settings, settings_for_driving
from app.cli.records import backup, export, forget, import_, migrate
from app.errors import ArenaError, ConfigurationError

# Imports make hundreds of thousands of objects that stay: searching them for garbage is a sixth of a start. Here and
# not in main(), for worker processes import this module without calling anything. A server has ``COLLECT_AFTER``.
gc.set_threshold(10_000, 10, 10)

app = typer.Typer(
    name="arena",
    help="Blind, side-by-side battles between your local models: the winner stays, the votes decide.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
Workers = Annotated[int, typer.Option(min=1, help="Worker processes; they share Redis and the database.")]


NoScheduler = Annotated[
    bool, typer.Option("--no-scheduler", help="Leave the model hosts to arena scheduler and other workers.")
]


NoLanes = Annotated[bool, typer.Option("--no-lanes", hidden=True)]


def _print_version(asked: bool) -> None:
    if asked:
        print(f"progressive-arena {version('progressive-arena')}")  # noqa: T201 - the command line speaks here
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Blind, side-by-side battles between your local models: the winner stays, the votes decide."""


@app.command()
def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    no_scheduler: NoScheduler = False,
    no_lanes: NoLanes = False,
) -> None:
    """Serve the arena; prints one line when it is ready: its address.

    What it talks to comes from the environment, .env and arena.toml; .env.example documents every setting.
    """
    from app.process.serve import serve as run_serve

    if no_lanes:
        raise ConfigurationError("--no-lanes is now called --no-scheduler")
    if no_scheduler:
        os.environ["ARENA_SCHEDULER"] = "false"  # workers are processes of their own and read their settings there
    run_serve(load_settings(), host, port, workers)


@app.command()
def scheduler(workers: Workers = 1) -> None:
    """Drive the model hosts and serve nobody, beside arena serve --no-scheduler; prints one line when it is ready.

    Both need the same hosts, database and Redis; without REDIS_URL they share the private one of an ARENA_DATA_DIR.
    SIGTERM ends it: running answers get ARENA_DRAIN, the rest goes to another process.
    """
    from app.process.drive import drive

    drive(settings_for_driving(), workers)


@app.command(hidden=True)
def lanes() -> None:
    """The old name of ``arena scheduler``."""
    raise ConfigurationError("arena lanes is now called arena scheduler")


@app.command()
def demo(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    message: Annotated[str, typer.Option(help="The question of the battle.")] = "Why is the sky blue?",
) -> None:
    """Play one battle in the terminal against simulated models: no GPU, no Ollama, nothing to set up.

    Vote with a or b (the better one), t (a tie), n (neither). Without a terminal it votes by itself.
    """
    from app.demo.command import demo as run_demo

    run_demo(host, port, workers, message)


def _replace_what_cannot_be_written() -> None:
    """On a terminal of another encoding (PYTHONIOENCODING=ascii) a sign becomes ``?``, and never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


@cache
def add_commands() -> None:
    """Add the commands that are in modules of their own, once: Typer would take each of them again."""
    from app.cli.batch import batch
    from app.cli.battles import battles
    from app.cli.cache import cache
    from app.cli.config import config
    from app.cli.doctor import doctor
    from app.cli.hosts import hosts
    from app.cli.leaderboard import board
    from app.cli.restore import restore
    from app.cli.why import why
    from app.simulator.server.command import simulate

    of_records: tuple[Callable[..., None], ...] = (migrate, backup, export, import_, forget, restore)
    others: tuple[Callable[..., None], ...] = (simulate, board, doctor, config, hosts, why)
    for run in others + of_records:
        app.command(run.__name__.rstrip("_"))(run)
    for name, group in {"battles": battles, "batch": batch, "cache": cache}.items():
        app.add_typer(group, name=name)


def main() -> None:
    """Run a command; an error on purpose is one line on stderr and status 2."""
    _replace_what_cannot_be_written()
    add_commands()
    try:
        app()
    except ArenaError as error:
        print(f"arena: {error.sentence}", file=sys.stderr)  # noqa: T201 - the command line speaks here
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
