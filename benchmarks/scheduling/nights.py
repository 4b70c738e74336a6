"""Three models that fit on one card, users by day and nobody at night: how many answers had to wait for a model.

Nobody comes from midnight to seven. With ``--restart`` the server is restarted each night at four, as updates do, and
comes back with nothing in memory. The same visits are played with the prewarmer and without, with the arena's
keep_alive sent along with loads and with the server's own (5 minutes), in virtual time.

    python -m benchmarks.scheduling.nights --hours 72
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import time
from contextlib import AsyncExitStack

from app.backends.base import GenerationOptions
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.beside import beside
from benchmarks.scheduling.driven_hosts import DrivenHosts, Setup
from benchmarks.scheduling.figures import Figures, goal, quiet, table
from benchmarks.scheduling.playing import play_all
from benchmarks.scheduling.visits import Crowd, awake_by_day

DAY_S = 86_400.0
RESTART_AT_S = 4 * 3600.0
DOWN_S = 60.0

HEAD = ("", "battles", "answers", "cold", "loads", "p50 s", "p95 s", "failed")


async def _restarted_at_four(machine: Machine) -> None:
    while True:
        await asyncio.sleep((RESTART_AT_S - machine.clock.now()) % DAY_S or DAY_S)
        await machine.restart(DOWN_S)


async def nights(setup: Setup, crowd: Crowd, *, restart: bool) -> Figures:
    """All battles of ``crowd``; with ``restart`` the server loses its memory each night."""
    async with AsyncExitStack() as stack:
        driven = await stack.enter_async_context(DrivenHosts.running(setup))
        if restart:
            await stack.enter_async_context(beside(_restarted_at_four(driven.machines["one"])))
        played = await play_all(crowd.visits(), driven, driven.clock.now)
        return Figures(played, driven.loads["one"].count)


def _row(name: str, figures: Figures) -> tuple[object, ...]:
    loads = sum(figures.loads.values())
    times = (figures.battle_s(0.5), figures.battle_s(0.95))
    return (name, figures.battles, figures.answers, figures.cold_answers, loads, *times, figures.failed)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=72.0)
    parser.add_argument("--users", type=int, default=25)
    parser.add_argument("--every", type=float, default=3600.0, help="seconds between a user's battles, on average")
    parser.add_argument("--restart", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Run all four and print."""
    given = _arguments()
    quiet()
    config = SimulatorConfig(card="a10g", seed=given.seed)
    kept = Setup(config, GenerationOptions(num_ctx=8192, seed=given.seed))
    short = dataclasses.replace(kept, keep_alive=None)
    crowd = Crowd(config.models, given.users, given.hours, given.every, seed=given.seed, awake=awake_by_day)
    began, figures = time.perf_counter(), {}
    for name, setup in (
        ("prewarmer, keep_alive 72h", kept),
        ("prewarmer, keep_alive 5m", short),
        ("no prewarmer, keep_alive 72h", dataclasses.replace(kept, prewarm=False)),
        ("no prewarmer, keep_alive 5m", dataclasses.replace(short, prewarm=False)),
    ):
        figures[name] = run_virtual(nights(setup, crowd, restart=given.restart))
    print(table(HEAD, [_row(name, one) for name, one in figures.items()]))
    cold = figures["prewarmer, keep_alive 72h"].cold_answers
    print(f"{given.hours:g} h four times in {time.perf_counter() - began:.0f} s")
    print(goal(cold == 0, "no answer is cold with the prewarmer on"))


if __name__ == "__main__":
    main()
