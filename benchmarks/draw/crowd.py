"""A crowd whose battles are drawn from the rotation, against the uniform draw and the limit: loads that cost nothing.

25 users on one A10G with five models, of which two (four slots) or three (one slot) fit; voters prefer the better of
two models, which are 50 Elo points apart. The limit is the same rotation, drawn by the same seed, on a card where every
load takes 0.05 s. All figures are means of the seeds, after the first ``--warm`` hours.

    python -m benchmarks.draw.crowd --hours 24 --seeds 10
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from app.draw.planning.field import HostField
from app.draw.planning.pairs import pairs_of
from app.draw.planning.rotation import Stay
from app.scheduling.planning.budget import budget_of
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.memory import predicted_bytes
from benchmarks.draw.rotating import Rotating, Votes
from benchmarks.draw.uniform import Load
from benchmarks.scheduling.crowd import FIVE
from benchmarks.scheduling.driven_hosts import DrivenHosts, Setup
from benchmarks.scheduling.figures import goal, percentile, quiet, table
from benchmarks.scheduling.playing import as_planned, play_for

LOADS = (
    Load(60, 4, 2), Load(300, 4, 2), Load(900, 4, 2), Load(60, 1, 3), Load(300, 1, 3), Load(900, 1, 3),
    Load(60, 4, 3), Load(300, 4, 3), Load(900, 4, 3),
)  # fmt: skip
NOTHING_S = 0.05
GAP = 50.0


@dataclass(frozen=True, slots=True)
class Came:
    """What a run came to after it was warm."""

    battles: int
    loads: float
    p50_s: float
    p95_s: float
    sets: int
    least_share: float
    without_load: float

    @classmethod
    def mean(cls, runs: Sequence[Came]) -> Came:
        """The means of several."""
        return cls(*(fmean(getattr(run, name) for run in runs) for name in cls.__slots__))  # type: ignore[arg-type]


async def played(load: Load, setup: Setup, hours: float, warm: float, seed: int, *, rotates: bool, stay: Stay) -> Came:
    """One run."""
    async with DrivenHosts.running(setup) as hosts:
        rotating = rotation_on(hosts, seed, stay)
        contestants = (lambda visit: rotating.contestants(len(visit.models))) if rotates else as_planned
        crowd = load.crowd(hours, seed)
        loads = hosts.loads["one"].count
        early: list[int] = []
        hosts.clock.call_later(3600 * warm, lambda: early.append(loads.total())) if warm else early.append(0)
        battles = await play_for(3600 * hours, crowd.visits(), hosts, hosts.clock.now, contestants)
        counted = [one for one in battles if one.opened_at >= 3600 * warm]
        waits = [one.waited_s for one in counted]
        even = sum(rotating.pair_draws.values()) / len(pairs_of(FIVE))
        least = min((rotating.pair_draws[pair] for pair in pairs_of(FIVE)), default=0) / even if even else 1.0
        cold = sum(any(answer.timing.cold for answer in one.answers) for one in counted)
        return Came(
            len(counted),
            (loads.total() - early[0]) / max(len(counted), 1),
            percentile(waits, 0.5),
            percentile(waits, 0.95),
            rotating.sets,
            least,
            1 - cold / max(len(counted), 1),
        )


def rotation_on(hosts: DrivenHosts, seed: int, stay: Stay) -> Rotating:
    """The rotation of the one host."""
    host = hosts.hosts[0]
    chance = random.Random(f"{seed} draw")
    votes = Votes({model: GAP * number for number, model in enumerate(FIVE)}, random.Random(f"{seed} votes"))
    config = hosts.setup.config
    sizes = {
        model.name: predicted_bytes(model, hosts.setup.options.num_ctx or 4096, config.num_parallel)
        for model in config.catalogue
    }
    place = HostField(host.name, hosts.setup.models, budget_of(host), sizes=sizes)

    def present() -> tuple[HostField, ...]:
        return (replace(place, resident=tuple(runner.model.name for runner in hosts.loads["one"].values())),)

    def follow(sets: object) -> None:
        hosts.rotation = sets  # type: ignore[assignment]

    return Rotating(present, votes, hosts.clock.now, chance, stay, follow)


def main() -> None:
    """Play all loads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--warm", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shortest", type=float, default=Stay().shortest_s)
    parser.add_argument("--longest", type=float, default=Stay().longest_s)
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(LOADS))), help="numbers of loads")
    parser.add_argument("--ways", nargs="+", default=["uniform", "rotation", "limit"])
    given = parser.parse_args()
    quiet()
    stay = Stay(given.shortest, given.longest)
    rows = []
    for load in (LOADS[number] for number in given.only):
        seeds = range(1, given.seeds + 1)
        ways = {
            "uniform": [(load.setup(seed), False) for seed in seeds],
            "rotation": [(load.setup(seed), True) for seed in seeds],
            "limit": [(costless(load.setup(seed)), True) for seed in seeds],
        }
        found = {
            name: Came.mean([
                run_virtual(played(load, setup, given.hours, given.warm, seed, rotates=rotates, stay=stay))
                for seed, (setup, rotates) in zip(seeds, runs, strict=True)
            ])
            for name, runs in ways.items()
            if name in given.ways
        }  # fmt: skip
        for name, came in found.items():
            rows.append((str(load), name, round(came.battles), f"{came.loads:.3f}", came.p50_s, came.p95_s,
                         round(came.sets), f"{came.least_share:.2f}", f"{came.without_load:.3f}"))  # fmt: skip
            print(*rows[-1], file=sys.stderr, flush=True)
        if {"rotation", "limit"} <= found.keys():
            over = found["rotation"].p95_s / found["limit"].p95_s
            print(goal(over <= 1.15, f"p95 {over:.2f} times the limit, at most 1.15"), file=sys.stderr, flush=True)
    print(table(("", "", "battles", "loads", "p50 s", "p95 s", "sets", "least pair", "no load"), rows))


def costless(setup: Setup) -> Setup:
    """The same where a load costs nothing."""
    return replace(setup, config=replace(setup.config, load_s=NOTHING_S))


if __name__ == "__main__":
    main()
