"""Our rule against straight to the server, first come, and the rule before it: load times, pauses, slots, contestants.

Each cell is one crowd of users on one 24 GB card with five models, in virtual time, by all four from the same seeds;
what is unfinished at the end counts with its age. Printed is p95 of a battle without reading, the mean of the seeds,
and ours less the best other way, paired by seed, with its standard error.

    python -m benchmarks.scheduling.grid --seeds 10 --load 2 8 --pause 5 60 --parallel 4 --out grid.jsonl

With ``--out`` each cell and seed is written to a file as it is done, one JSON object a line; what is there already is
not run again. After a change of the planner or the simulator begin a new file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev

from app.backends.base import GenerationOptions
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from benchmarks.scheduling.crowd import FIVE, PATIENT
from benchmarks.scheduling.direct import Direct
from benchmarks.scheduling.driven_hosts import GRAIN, DrivenHosts, Setup
from benchmarks.scheduling.figures import goal, percentile, quiet, table
from benchmarks.scheduling.playing import Played, play_for
from benchmarks.scheduling.rules import RULES, rule
from benchmarks.scheduling.visits import Crowd

READS_S = (2.0, 10.0)

MOST = 1.05
"""The aim: ours as a multiple of the best of the four ways, in every cell."""


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


def figures(cell: Cell, seed: int) -> Mapping[str, float]:
    """p95 by way."""
    found = {"straight": p95(run_virtual(straight(cell, seed)))}
    for name in RULES:
        with rule(name):
            found[name] = p95(run_virtual(played(cell, seed)))
    return found


@dataclass(frozen=True, slots=True)
class Records:
    """What was found for cells and seeds, in memory and, with a ``path``, in a file of JSON lines."""

    path: Path | None = None
    found: dict[tuple[Cell, int], Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path | None) -> Records:
        """Those of a file, which need not be there yet; a last line that was cut off is removed from it."""
        records = cls(path)
        if path is None or not path.exists():
            return records
        text = path.read_text()
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole)
        for line in map(json.loads, whole.splitlines()):
            records.found[Cell(**line["cell"]), line["seed"]] = line["p95"]
        return records

    def of_cell(self, cell: Cell, seeds: Iterable[int]) -> list[Mapping[str, float]]:
        """The figures of a cell for each seed; what is not there yet is run."""
        return [self._of_seed(cell, seed) for seed in seeds]

    def _of_seed(self, cell: Cell, seed: int) -> Mapping[str, float]:
        if (cell, seed) not in self.found:
            self.found[cell, seed] = found = figures(cell, seed)
            if self.path is not None:
                with self.path.open("a") as file:
                    file.write(json.dumps({"cell": asdict(cell), "seed": seed, "p95": found}) + "\n")
        return self.found[cell, seed]


@dataclass(frozen=True, slots=True)
class Row:
    """One cell: p95 by way, the mean of the seeds; ours less the best other way, and the standard error of that."""

    cell: Cell
    means: Mapping[str, float]
    behind_s: float
    error_s: float

    @classmethod
    def of(cls, cell: Cell, found: Sequence[Mapping[str, float]]) -> Row:
        """Of the figures of each seed."""
        means = {way: fmean(one[way] for one in found) for way in found[0]}
        best = min((way for way in means if way != "ours"), key=means.__getitem__)
        behind = [one["ours"] - one[best] for one in found]
        error_s = stdev(behind) / math.sqrt(len(behind)) if len(behind) > 1 else math.nan
        return cls(cell, means, fmean(behind), error_s)

    @property
    def share(self) -> float:
        """Ours as a multiple of the best of all four."""
        return self.means["ours"] / min(self.means.values())

    def columns(self) -> tuple[object, ...]:
        """As in the table."""
        behind = f"{self.behind_s:+.1f} ({self.error_s:.1f})"
        return (str(self.cell), *self.means.values(), f"{self.share:.2f}", behind)


def arguments() -> argparse.ArgumentParser:
    """What can be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--load", type=float, nargs="+", default=[0.3, 2.0, 8.0, 40.0])
    parser.add_argument("--pause", type=float, nargs="+", default=[5.0, 60.0, 300.0, 900.0])
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--contestants", type=int, nargs="+", default=[2, 3])
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--out", type=Path, help="a file of JSON lines, gone on with where it ends")
    return parser


def main() -> None:
    """Run all cells and print each as it is done, then the worst."""
    given = arguments().parse_args()
    quiet()
    records, seeds = Records.of(given.out), range(1, given.seeds + 1)
    rows: list[Row] = []
    for place in itertools.product(given.load, given.pause, given.parallel, given.contestants):
        cell = Cell(*place, users=given.users)
        rows.append(Row.of(cell, records.of_cell(cell, seeds)))
        print(*rows[-1].columns(), file=sys.stderr, flush=True)
    ways = ("straight", *RULES)
    print(table(("p95 s", *ways, "ours / best", "less the best other"), (row.columns() for row in rows)))
    worst = max(rows, key=lambda row: row.share)
    met = sum(row.share <= MOST for row in rows)
    print(goal(met == len(rows), f"ours within {MOST} of the best in {met} of {len(rows)} cells"))
    print(f"worst: {worst.share:.2f} times the best at {worst.cell}")


if __name__ == "__main__":
    main()
