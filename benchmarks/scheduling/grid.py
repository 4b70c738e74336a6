"""Our rule against straight to the server, first come, and the rule before it: load times, pauses, slots, contestants.

Each cell is one crowd of users on one 24 GB card with five models, in virtual time, by all four from the same seeds;
what is unfinished at the end counts with its age. Printed is p95 of a battle without reading, the mean of the seeds.

    python -m benchmarks.scheduling.grid --seeds 3 --load 0.3 2 8 40 --pause 5 60 300 900 --parallel 1 4 --contestants
    2 3
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from app.backends.base import GenerationOptions
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.crowd import FIVE, PATIENT
from benchmarks.scheduling.direct import Direct
from benchmarks.scheduling.driven_hosts import GRAIN, DrivenHosts, Setup
from benchmarks.scheduling.figures import percentile, quiet, table
from benchmarks.scheduling.playing import Played, play_for
from benchmarks.scheduling.rules import RULES, rule
from benchmarks.scheduling.visits import Crowd

READS_S = (2.0, 10.0)


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of the grid: seconds of every load, of the pause after a battle, slots, contestants, and users."""

    load_s: float
    pause_s: float
    parallel: int
    contestants: int
    users: int = 12

    def __str__(self) -> str:
        """As in the table."""
        return f"load {self.load_s:g}, pause {self.pause_s:g}, {self.parallel} slots, {self.contestants} contestants"

    @property
    def seconds(self) -> float:
        """How long it is played: several rounds of every user, and of every model."""
        return max(240.0, 3 * self.pause_s, 30 * self.load_s)

    def crowd(self, seed: int) -> Crowd:
        """The users."""
        return Crowd(
            FIVE, self.users, self.seconds / 3600, contestants=self.contestants, seed=seed, pause_s=self.pause_s,
            reads_s=READS_S,
        )  # fmt: skip

    def setup(self, seed: int) -> Setup:
        """The server and its driver."""
        config = SimulatorConfig(
            card="a10g", models=FIVE, seed=seed, num_parallel=self.parallel, load_s=self.load_s, answer_tokens=120
        )
        return Setup(config, GenerationOptions(num_ctx=4096, seed=seed))


async def straight(cell: Cell, seed: int) -> list[Played]:
    """Each user's client for itself."""
    setup = cell.setup(seed)
    async with Machine.running(setup.config) as machine:
        backend = SimulatedBackend(machine, grain=GRAIN, first_token=PATIENT)
        direct = Direct(backend, setup.options, machine.clock)
        return await play_for(cell.seconds, cell.crowd(seed).visits(), direct, machine.clock.now)


async def played(cell: Cell, seed: int) -> list[Played]:
    """The same by the driver, with the rule in force."""
    async with DrivenHosts.running(cell.setup(seed)) as driven:
        return await play_for(cell.seconds, cell.crowd(seed).visits(), driven, driven.clock.now)


def p95(played: Iterable[Played]) -> float:
    """Of all battles; what is unfinished counts with its age."""
    return percentile((one.waited_s for one in played), 0.95)


def figures(cell: Cell, seeds: Iterable[int]) -> Mapping[str, float]:
    """The mean of p95 by way."""
    found: dict[str, list[float]] = {"straight": [], **{name: [] for name in RULES}}
    for seed in seeds:
        found["straight"].append(p95(run_virtual(straight(cell, seed))))
        for name in RULES:
            with rule(name):
                found[name].append(p95(run_virtual(played(cell, seed))))
    return {name: fmean(values) for name, values in found.items()}


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--load", type=float, nargs="+", default=[0.3, 2.0, 8.0, 40.0])
    parser.add_argument("--pause", type=float, nargs="+", default=[5.0, 60.0, 300.0, 900.0])
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--contestants", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--users", type=int, default=12)
    return parser


def main() -> None:
    """Run all cells and print each as it is done, then the worst."""
    given = arguments().parse_args()
    quiet()
    rows, worst = [], (0.0, "")
    for place in itertools.product(given.load, given.pause, given.parallel, given.contestants):
        cell = Cell(*place, users=given.users)
        found = figures(cell, range(1, given.seeds + 1))
        share = found["ours"] / min(found.values())
        worst = max(worst, (share, str(cell)))
        rows.append((str(cell), *found.values(), f"{share:.2f}"))
        print(*rows[-1], file=sys.stderr, flush=True)
    print(table(("p95 s", "straight", *RULES, "ours / best"), rows))
    print(f"worst: {worst[0]:.2f} times the best at {worst[1]}")


if __name__ == "__main__":
    main()
