"""Five models that don't fit together on one 24 GB card: through the drivers, and straight to the same server.

The same users come at the same times with the same prompts to both, from the same seed, in virtual time. Prints how
long battles took (without reading) and how often models were loaded, and the ratio of the two ways.

    python -m benchmarks.scheduling.crowd --users 25 --hours 1
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import timedelta

from app.backends.base import GenerationOptions
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.direct import Direct
from benchmarks.scheduling.driven_hosts import GRAIN, DrivenHosts, Setup, count_loads
from benchmarks.scheduling.figures import Figures, goal, quiet, ratio, table
from benchmarks.scheduling.playing import Played, Writers, play_all, play_for
from benchmarks.scheduling.visits import Crowd

FIVE = ("llama3.1:8b", "mistral:7b", "qwen3:8b", "gemma2:9b", "biomistral:7b")

FASTER, FEWER = 3.0, 5.0
"""The aims: battles so many times shorter at p95, so many times fewer swaps."""

PATIENT = timedelta(hours=2)
"""The direct clients wait as long as it takes: with a limit of minutes many would give up, and look fast."""


async def played_by(crowd: Crowd, writers: Writers, now: Callable[[], float]) -> list[Played]:
    """All battles of users with a time table; of those who come back after a pause, what fits into the hours."""
    if crowd.pause_s is None:
        return await play_all(crowd.visits(), writers, now)
    return await play_for(3600 * crowd.hours, crowd.visits(), writers, now)


async def through_drivers(setup: Setup, crowd: Crowd) -> Figures:
    """All battles of ``crowd`` by the drivers."""
    async with DrivenHosts.running(setup) as driven:
        played = await played_by(crowd, driven, driven.clock.now)
        return Figures(played, driven.loads["one"].count)


async def directly(setup: Setup, crowd: Crowd) -> Figures:
    """The same, each user's client for itself; keep_alive is the server's own."""
    async with Machine.running(setup.config) as machine:
        loads = count_loads(machine)
        backend = SimulatedBackend(machine, grain=GRAIN, first_token=PATIENT)
        played = await played_by(crowd, Direct(backend, setup.options, machine.clock), machine.clock.now)
        return Figures(played, loads.count)


def row(name: str, figures: Figures) -> tuple[object, ...]:
    """One line of the table."""
    return (
        name,
        figures.battles,
        figures.battle_s(0.5),
        figures.battle_s(0.95),
        figures.round_s(0.5),
        figures.round_s(0.95),
        figures.swaps,
        f"{figures.swaps_per_battle:.3f}",
        figures.failed,
        figures.failed_answers,
    )


HEAD = ("", "battles", "p50 s", "p95 s", "round p50", "round p95", "swaps", "per battle", "failed", "failed answers")


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=25)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between a user's battles, on average")
    parser.add_argument("--pause", type=float, help="seconds after the end of a user's battle, instead of --every")
    parser.add_argument("--num-ctx", type=int, default=4096)
    parser.add_argument("--parallel", type=int, default=4, help="OLLAMA_NUM_PARALLEL")
    parser.add_argument("--disk", default="nvme")
    parser.add_argument("--load", type=float, help="seconds that every load takes, whatever the disk and the model")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def setup_of(given: argparse.Namespace) -> Setup:
    """The servers and drivers that are asked for."""
    config = SimulatorConfig(
        card="a10g", models=FIVE, seed=given.seed, num_parallel=given.parallel, disk=given.disk, load_s=given.load
    )
    return Setup(config, GenerationOptions(num_ctx=given.num_ctx, seed=given.seed))


def crowd_of(given: argparse.Namespace) -> Crowd:
    """The users that are asked for."""
    return Crowd(FIVE, given.users, given.hours, given.every, seed=given.seed, pause_s=given.pause)


def main() -> None:
    """Run both and print."""
    given = arguments().parse_args()
    quiet()
    setup, began = setup_of(given), time.perf_counter()
    crowd = crowd_of(given)
    direct = run_virtual(directly(setup, crowd))
    drivers = run_virtual(through_drivers(setup, crowd))
    print(table(HEAD, (row("direct", direct), row("scheduler", drivers))))
    faster = ratio(direct.battle_s(0.95), drivers.battle_s(0.95))
    fewer = ratio(direct.swaps_per_battle, drivers.swaps_per_battle)
    print(f"{faster:.1f} times faster at p95, {fewer:.1f} times fewer swaps; {time.perf_counter() - began:.0f} s")
    print(goal(faster >= FASTER, f"at least {FASTER:g} times faster"))
    print(goal(fewer >= FEWER, f"at least {FEWER:g} times fewer swaps"))


if __name__ == "__main__":
    main()
