"""A crowd whose battles are drawn from the rotation, against the uniform draw and the limit: loads that cost nothing.

25 users on one A10G with five models, of which two (four slots) or three (one slot) fit, or on a card with room for all
five; voters prefer the better of two models, which are 50 Elo points apart. The limit is the same rotation, drawn by
the same seed, on a card where every load takes 0.05 s. All figures are means of the seeds, after the first ``--warm``
hours. With ``--out`` each run is appended to a file as a line of JSON as soon as it is over, and what the file has
already is not run again; seed after seed, so that all loads have equally many.

    python -m benchmarks.draw.crowd --hours 24 --seeds 10 --out crowd.jsonl
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, dataclass, replace
from datetime import timedelta
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

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
    Load(60, 4, 3), Load(300, 4, 3), Load(900, 4, 3), Load(60, 4, 2, "a100-80"), Load(900, 4, 3, "a100-80"),
)  # fmt: skip
NOTHING_S = 0.05
GAP = 50.0
WAYS = ("uniform", "rotation", "limit")
UNREAD = timedelta(hours=1)
"""A driver's reports are read by other processes; here is none, and a report four times a second is half the work."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a run came to after it was warm."""

    battles: float
    loads: float
    p50_s: float
    p95_s: float
    sets: float
    least_share: float
    without_load: float

    @classmethod
    def mean(cls, runs: Sequence[Came]) -> Came:
        """The means of several."""
        return cls(*(fmean(figures) for figures in zip(*map(astuple, runs), strict=True)))


@dataclass(frozen=True, slots=True)
class Run:
    """One run of ``LOADS[number]`` by a way."""

    number: int
    way: str
    seed: int
    hours: float
    warm: float
    stay: Stay

    def came(self) -> Came:
        """Play it."""
        load = LOADS[self.number]
        setup = load.setup(self.seed)
        if self.way == "limit":
            setup = replace(setup, config=replace(setup.config, load_s=NOTHING_S))
        return run_virtual(played(load, setup, self))


async def played(load: Load, setup: Setup, run: Run) -> Came:
    """One run."""
    async with DrivenHosts.running(setup) as hosts:
        rotating = rotation_on(hosts, run.seed, run.stay)
        contestants = as_planned if run.way == "uniform" else lambda visit: rotating.contestants(len(visit.models))
        crowd = load.crowd(run.hours, run.seed)
        loads, warm_s = hosts.loads["one"].count, 3600 * run.warm
        early: list[int] = []
        hosts.clock.call_later(warm_s, lambda: early.append(loads.total())) if run.warm else early.append(0)
        battles = await play_for(3600 * run.hours, crowd.visits(), hosts, hosts.clock.now, contestants)
        counted = [one for one in battles if one.opened_at >= warm_s]
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


@dataclass(frozen=True, slots=True)
class Results:
    """What runs came to, kept in a file of JSON lines if there is one."""

    found: dict[Run, Came]
    path: Path | None

    @classmethod
    def of(cls, path: Path | None) -> Results:
        """Those that are in the file."""
        lines = path.read_text().splitlines() if path is not None and path.exists() else []
        read = [json.loads(line) for line in lines]
        return cls(
            {Run(**{**one["run"], "stay": Stay(**one["run"]["stay"])}): Came(**one["came"]) for one in read}, path
        )

    def add(self, run: Run) -> None:
        """Play a run that is not there yet."""
        if run in self.found:
            return
        came = self.found[run] = run.came()
        print(LOADS[run.number], run.way, run.seed, came, file=sys.stderr, flush=True)
        if self.path is not None:
            with self.path.open("a") as file:
                file.write(json.dumps({"run": asdict(run), "came": asdict(came)}) + "\n")

    def rows(self) -> Iterator[tuple[object, ...]]:
        """One for each load, way and number of hours."""
        for number, hours, way in sorted({(run.number, run.hours, run.way) for run in self.found}):
            runs = [self.found[run] for run in self.found if (run.number, run.hours, run.way) == (number, hours, way)]
            came = Came.mean(runs)
            yield (
                str(LOADS[number]), hours, way, len(runs), round(came.battles), f"{came.loads:.4f}", came.p50_s,
                came.p95_s, round(came.sets), f"{came.least_share:.2f}", f"{came.without_load:.3f}",
            )  # fmt: skip

    def goals(self) -> Iterator[str]:
        """What became of the goals."""
        for number, hours in sorted({(run.number, run.hours) for run in self.found}):
            paired = [
                (came, limit)
                for run, came in self.found.items()
                if run.way == "rotation" and (run.number, run.hours) == (number, hours)
                and (limit := self.found.get(replace(run, way="limit")))
            ]  # fmt: skip
            if paired:
                load, most = LOADS[number], loads_at_most(LOADS[number])
                ours, limits = (Came.mean(runs) for runs in zip(*paired, strict=True))
                over = ours.p95_s / limits.p95_s
                yield goal(
                    ours.loads <= most, f"{load}, {hours:g} h: {ours.loads:.4f} loads a battle, at most {most:g}"
                )
                yield goal(over <= 1.15, f"{load}, {hours:g} h: p95 {over:.2f} times the limit, at most 1.15")


def loads_at_most(load: Load) -> float:
    """The goal for loads per battle: two fit with four slots, three with one."""
    if load.card == "a10g" and load.contestants > (2 if load.parallel == 4 else 3):
        return 0.05
    return 0.02 if load.pause_s >= 900 else 0.01


@contextmanager
def unreported() -> Iterator[None]:
    """Let drivers report hardly ever: no figure changes by it."""
    with patch("app.scheduling.driver.reporter.AT_MOST_EVERY", UNREAD):
        yield


def main() -> None:
    """Play all loads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--warm", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--shortest", type=float, default=Stay().shortest_s)
    parser.add_argument("--longest", type=float, default=Stay().longest_s)
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(LOADS))), help="numbers of loads")
    parser.add_argument("--ways", nargs="+", default=list(WAYS))
    parser.add_argument("--out", type=Path, help="a file of JSON lines: is read, and continued")
    given = parser.parse_args()
    quiet()
    stay, results = Stay(given.shortest, given.longest), Results.of(given.out)
    with unreported():
        for seed in range(1, given.seeds + 1):
            for number in given.only:
                for way in given.ways:
                    results.add(Run(number, way, seed, given.hours, given.warm, stay))
    head = ("", "h", "", "seeds", "battles", "loads", "p50 s", "p95 s", "sets", "least pair", "no load")
    print(table(head, results.rows()), *results.goals(), sep="\n")


if __name__ == "__main__":
    main()
