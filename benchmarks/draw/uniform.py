"""Battles whose contestants are drawn uniformly, on a card that is too small for all: what is to be beaten.

python -m benchmarks.draw.uniform --hours 0.5 --seeds 1
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from statistics import fmean

from app.backends.base import GenerationOptions
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from benchmarks.scheduling.crowd import FIVE, directly, through_drivers
from benchmarks.scheduling.driven_hosts import Setup
from benchmarks.scheduling.figures import Figures, quiet, table
from benchmarks.scheduling.visits import Crowd


@dataclass(frozen=True, slots=True)
class Load:
    """A load of 25 users: the pause after a battle (seconds), slots of a model, contestants of a battle, the card."""

    pause_s: float
    parallel: int
    contestants: int
    card: str = "a10g"

    def __str__(self) -> str:
        """As in the tables."""
        card = "" if self.card == "a10g" else f", {self.card}"
        return f"pause {self.pause_s:g} s, {self.parallel} slots, {self.contestants} contestants{card}"

    def setup(self, seed: int) -> Setup:
        """One card with five models."""
        # A server that is told nothing keeps three models, whatever would fit; on a larger card it is told.
        most = 0 if self.card == "a10g" else len(FIVE)
        config = SimulatorConfig(card=self.card, models=FIVE, seed=seed, num_parallel=self.parallel, max_loaded=most)
        return Setup(config, GenerationOptions(num_ctx=4096, seed=seed))

    def crowd(self, hours: float, seed: int, users: int = 25) -> Crowd:
        """Who plays."""
        return Crowd(FIVE, users, hours, contestants=self.contestants, seed=seed, pause_s=self.pause_s)


LOADS = (Load(60, 4, 2), Load(60, 4, 3), Load(300, 1, 3), Load(900, 1, 3))
"""Those of the table that the draw was proposed with; two of the models fit with four slots, three with one."""


def main() -> None:
    """Play all loads both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    quiet()
    rows = []
    for load in LOADS:
        for name, way in (("straight to the server", directly), ("ours", through_drivers)):
            seeds = range(1, given.seeds + 1)
            runs = [run_virtual(way(load.setup(seed), load.crowd(given.hours, seed))) for seed in seeds]
            rows.append((str(load), name, *_means(runs)))
            print(*rows[-1], file=sys.stderr, flush=True)
    print(table(("uniform draw", "", "battles", "swaps per battle", "p50 s", "p95 s"), rows))


def _means(runs: list[Figures]) -> tuple[object, ...]:
    swaps = f"{fmean(run.swaps_per_battle for run in runs):.3f}"
    return (
        round(fmean(run.battles for run in runs)),
        swaps,
        fmean(run.battle_s(0.5) for run in runs),
        fmean(run.battle_s(0.95) for run in runs),
    )


if __name__ == "__main__":
    main()
