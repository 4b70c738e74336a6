"""Where the recording of a real card lies among runs of the simulator, which differ by their seeds only.

A run of two minutes hangs on which model the server happens to ask for its free memory, so single runs differ by a
factor of two; the recording is one of them. Printed is, for each figure, the recording, the runs' mean, their tenth
and ninetieth percentile, and the share of runs that don't exceed the recording.

    python -m benchmarks.scheduling.calibration --seeds 30
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from app.simulator.engine.clock import run_virtual
from benchmarks.scheduling.figures import percentile, quiet, table
from benchmarks.scheduling.recorded import directly, recorded, through_drivers
from benchmarks.scheduling.rules import rule


@dataclass(frozen=True, slots=True)
class Among:
    """A recorded figure among the same of several runs."""

    seen: float
    runs: Sequence[float]

    @property
    def share(self) -> float:
        """How many of the runs don't exceed it."""
        return sum(run <= self.seen for run in self.runs) / len(self.runs)

    def columns(self) -> tuple[object, ...]:
        """As in the table."""
        mean = fmean(self.runs)
        ends = percentile(self.runs, 0.1), percentile(self.runs, 0.9)
        return (self.seen, mean, f"{mean / self.seen - 1:+.0%}", *ends, f"{self.share:.0%}")


def among(name: str, runs: Sequence[Mapping[str, float]]) -> dict[str, Among]:
    """Each figure of the recording ``name``."""
    return {figure: Among(seen, [run[figure] for run in runs]) for figure, seen in recorded(name).items()}


def direct(seeds: Sequence[int]) -> dict[str, Among]:
    """Straight to the server, 120 s."""
    return among("crowd-direct", [run_virtual(directly(seed, 120.0)).figures() for seed in seeds])


def stay_zero(seeds: Sequence[int]) -> dict[str, Among]:
    """By the drivers with the rule that was recorded, 70 s."""
    with rule("stay 0"):
        return among("crowd-stay0", [run_virtual(through_drivers(seed, 70.0)).figures() for seed in seeds])


def main() -> None:
    """Run all seeds and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=30)
    seeds = range(1, parser.parse_args().seeds + 1)
    quiet()
    head = ("recorded", "mean", "off by", "p10", "p90", "runs up to it")
    for title, found in (("direct", direct(seeds)), ("stay 0", stay_zero(seeds))):
        print(table((title, *head), ((figure, *one.columns()) for figure, one in found.items())), end="\n\n")


if __name__ == "__main__":
    main()
