"""The scheduler's rule again, with contestants drawn from the rotation: load times, pauses, slots; two contestants.

12 users on one 24 GB card with five models, in virtual time. Ours, first come and stay 0
(``benchmarks.scheduling.rules``) get battles from a rotation of their own, drawn by the same seeds. Printed are p95 of
a battle without reading and the loads per battle, means of the seeds; what is unfinished at the end counts with its
age.

    python -m benchmarks.draw.grid --seeds 3
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterable, Mapping
from statistics import fmean

from app.draw.planning.rotation import Stay
from app.simulator.engine.clock import run_virtual
from benchmarks.draw.crowd import rotation_on, unreported
from benchmarks.scheduling.driven_hosts import DrivenHosts
from benchmarks.scheduling.figures import quiet, table
from benchmarks.scheduling.grid import Cell, p95
from benchmarks.scheduling.playing import play_for
from benchmarks.scheduling.rules import RULES, rule


async def played(cell: Cell, seed: int) -> tuple[float, float]:
    """p95 of a battle and loads per battle."""
    async with DrivenHosts.running(cell.setup(seed)) as driven:
        rotating = rotation_on(driven, seed, Stay())
        battles = await play_for(
            cell.seconds, cell.crowd(seed).visits(), driven, driven.clock.now,
            lambda visit: rotating.contestants(len(visit.models)),
        )  # fmt: skip
        return p95(battles), driven.loads["one"].count.total() / max(len(battles), 1)


def figures(cell: Cell, seeds: Iterable[int]) -> Mapping[str, tuple[float, float]]:
    """Means of both by rule."""
    found = {}
    for name in RULES:
        with rule(name):
            runs = [run_virtual(played(cell, seed)) for seed in seeds]
        found[name] = (fmean(run[0] for run in runs), fmean(run[1] for run in runs))
    return found


def main() -> None:
    """Run all cells and print each as it is done, then the worst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--load", type=float, nargs="+", default=[0.3, 2.0, 8.0, 40.0])
    parser.add_argument("--pause", type=float, nargs="+", default=[5.0, 60.0, 300.0, 900.0])
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 4])
    given = parser.parse_args()
    quiet()
    rows, worst = [], (0.0, "")
    with unreported():
        for load, pause, parallel in itertools.product(given.load, given.pause, given.parallel):
            cell = Cell(load, pause, parallel, 2)
            found = figures(cell, range(1, given.seeds + 1))
            share = found["ours"][0] / min(p95_s for p95_s, _ in found.values())
            worst = max(worst, (share, str(cell)))
            rows.append((str(cell), *(f"{p95_s:.1f}; {loads:.3f}" for p95_s, loads in found.values()), f"{share:.2f}"))
            print(*rows[-1], file=sys.stderr, flush=True)
    print(table(("p95 s; loads a battle", *RULES, "ours / best"), rows))
    print(f"worst: {worst[0]:.2f} times the best at {worst[1]}")


if __name__ == "__main__":
    main()
