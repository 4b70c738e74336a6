"""Two hosts of which one is killed every ten minutes, in turn: no battle may fail.

A killed host refuses connections, cuts its answers and loses its memory, and comes back some minutes later. An answer
that was cut after its first token has failed (it is never spliced together) and the next challenger takes its side; a
battle has failed only if nobody stands. Prints both, beside one host of the same load that is never killed.

    python -m benchmarks.scheduling.killed --hours 12
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from app.backends.base import GenerationOptions
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.beside import beside
from benchmarks.scheduling.driven_hosts import DrivenHosts, Setup
from benchmarks.scheduling.figures import Figures, added, goal, quiet, table
from benchmarks.scheduling.playing import play_all
from benchmarks.scheduling.visits import Crowd

HEAD = (
    "", "battles", "answers", "failed battles", "failed answers", "refused", "p50 s", "p95 s", "longest round", "loads",
)  # fmt: skip


async def _killed_in_turn(machines: Sequence[Machine], every_s: float, down_s: float) -> None:
    turn = 0
    while True:
        await asyncio.sleep(every_s - down_s)
        await machines[turn % len(machines)].restart(down_s)
        turn += 1


async def killed(setup: Setup, crowd: Crowd, *, every_s: float | None, down_s: float) -> tuple[Figures, int]:
    """All battles of ``crowd``, and how often one was refused at first; None kills nobody."""
    async with AsyncExitStack() as stack:
        driven = await stack.enter_async_context(DrivenHosts.running(setup))
        if every_s is not None:
            await stack.enter_async_context(beside(_killed_in_turn(tuple(driven.machines.values()), every_s, down_s)))
        played = await play_all(crowd.visits(), driven, driven.clock.now)
        return Figures(played, added(loads.count for loads in driven.loads.values())), driven.refused


def _row(name: str, figures: Figures, refused: int) -> tuple[object, ...]:
    times = (figures.battle_s(0.5), figures.battle_s(0.95), figures.round_s(1.0))
    ended = (figures.battles, figures.answers, figures.failed, figures.failed_answers, refused)
    return (name, *ended, *times, sum(figures.loads.values()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=12.0)
    parser.add_argument("--users", type=int, default=25)
    parser.add_argument("--every", type=float, default=600.0, help="seconds between a user's battles, on average")
    parser.add_argument("--kill-every", type=float, default=600.0)
    parser.add_argument("--down", type=float, default=180.0, help="seconds until a killed host is back")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Run both and print."""
    given = _arguments()
    quiet()
    config = SimulatorConfig(card="a10g", seed=given.seed)
    two = Setup(config, GenerationOptions(num_ctx=8192, seed=given.seed), hosts=("one", "two"))
    crowd = Crowd(config.models, given.users, given.hours, given.every, seed=given.seed)
    began = time.perf_counter()
    calm = run_virtual(killed(dataclasses.replace(two, hosts=("one",)), crowd, every_s=None, down_s=0.0))
    figures, refused = run_virtual(killed(two, crowd, every_s=given.kill_every, down_s=given.down))
    print(table(HEAD, [_row("one host, never killed", *calm), _row("two hosts, killed in turn", figures, refused)]))
    print(f"{given.hours:g} h, a kill every {given.kill_every:g} s; {time.perf_counter() - began:.0f} s")
    print(goal(figures.failed == 0, "no failed battle"))


if __name__ == "__main__":
    main()
