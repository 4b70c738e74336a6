"""How many votes it takes until the best of five is separated from the second, and how evenly pairs are shown.

Simulated voters judge models that are ``--gap`` Elo points apart. Battles come at a steady rate; their contestants are
drawn from a rotation of sets of two or three, against the uniform draw with the same voters. The best is separated when
the chance that it is the best, by draws from the posterior, is 97.5 %, as on the board. Pairs are counted over the
first day. No model server is simulated: what a draw teaches hangs on who meets, not on how long it takes.

    python -m benchmarks.draw.separation --seeds 48 --days 6 --gap 50 100
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from app.draw.planning.field import HostField
from app.draw.planning.knowledge import learned
from app.draw.planning.pairs import Pair, pairs_of
from app.draw.planning.rotation import Stay
from app.scheduling.planning.budget import Budget
from benchmarks.draw.rotating import Rotating, Votes
from benchmarks.scheduling.figures import goal, table

MODELS = ("a", "b", "c", "d", "e")
CLEAR = 0.975
CHECK_EVERY = 50
MOST = 20_000
"""Votes after which a run is given up; it counts with that number."""


@dataclass(frozen=True, slots=True)
class Arena:
    """How many fit, how many enter a battle, and how many battles there are an hour."""

    fits: int
    contestants: int
    per_hour: float

    def __str__(self) -> str:
        """As in the table."""
        return f"{self.fits} fit, {self.contestants} contestants, {self.per_hour:g} battles/h"


ARENAS = (Arena(2, 2, 900), Arena(2, 2, 270), Arena(3, 3, 270), Arena(3, 3, 95), Arena(5, 2, 270))


def strengths(gap: float, seed: int) -> dict[str, float]:
    """The five models in a random order, so far apart."""
    shuffled = random.Random(f"{seed} order").sample(MODELS, len(MODELS))
    return {model: gap * place for place, model in enumerate(shuffled)}


def is_separated(votes: Votes) -> bool:
    """Whether one is the best with 97.5 %."""
    known = learned(MODELS, votes.pairs())
    draws = np.random.default_rng(1).multivariate_normal(known.ratings, known.covariance, 4000)
    return float(np.bincount(draws.argmax(axis=1), minlength=len(MODELS)).max()) / len(draws) >= CLEAR


def votes_needed(arena: Arena, gap: float, seed: int, *, rotates: bool, stay: Stay) -> int:
    """How many votes until the best is separated."""
    votes = Votes(strengths(gap, seed), random.Random(f"{seed} votes"))
    chance, clock = random.Random(f"{seed} draw"), [0.0]
    rotating = rotation_of(arena, votes, clock, chance, stay)
    asked = CHECK_EVERY
    while votes.total < MOST:
        if rotates:
            rotating.contestants(arena.contestants)
        else:
            votes.of_battle(chance.sample(MODELS, arena.contestants))
        clock[0] += chance.expovariate(arena.per_hour / 3600)
        if votes.total >= asked:
            asked += max(CHECK_EVERY, votes.total // 40)
            if is_separated(votes):
                return votes.total
    return MOST


def least_share(arena: Arena, gap: float, seed: int, stay: Stay) -> float:
    """The smallest share of a pair over a day, of its uniform share."""
    votes = Votes(strengths(gap, seed), random.Random(f"{seed} votes"))
    chance, clock = random.Random(f"{seed} draw"), [0.0]
    rotating = rotation_of(arena, votes, clock, chance, stay)
    counts: Counter[Pair] = Counter()
    while clock[0] < 86_400:
        counts.update(pairs_of(rotating.contestants(arena.contestants)))
        clock[0] += chance.expovariate(arena.per_hour / 3600)
    pairs = pairs_of(MODELS)
    return min(counts[pair] for pair in pairs) / (counts.total() / len(pairs))


def rotation_of(arena: Arena, votes: Votes, clock: list[float], chance: random.Random, stay: Stay) -> Rotating:
    """The rotation of one host."""
    host = HostField("one", MODELS, Budget(None, arena.fits))
    return Rotating(lambda: (host,), votes, lambda: clock[0], chance, stay)


def main() -> None:
    """All arenas and gaps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--days", type=int, default=10, help="seeds of which a day of pairs is counted")
    parser.add_argument("--gap", type=float, nargs="+", default=[20.0, 50.0, 100.0])
    parser.add_argument("--shortest", type=float, default=Stay().shortest_s)
    parser.add_argument("--longest", type=float, default=Stay().longest_s)
    parser.add_argument("--only", type=int, nargs="+", default=list(range(len(ARENAS))))
    given = parser.parse_args()
    stay, rows = Stay(given.shortest, given.longest), []
    for arena in (ARENAS[number] for number in given.only):
        for gap in given.gap:
            seeds = range(1, given.seeds + 1)
            uniform = [votes_needed(arena, gap, seed, rotates=False, stay=stay) for seed in seeds]
            ours = [votes_needed(arena, gap, seed, rotates=True, stay=stay) for seed in seeds]
            least = [least_share(arena, gap, seed, stay) for seed in range(1, given.days + 1)]
            share = fmean(ours) / fmean(uniform)
            means = (round(fmean(uniform)), round(fmean(ours)), f"{share:.2f}")
            spread = (f"{median(ours) / median(uniform):.2f}", f"{min(least):.2f}", f"{fmean(least):.2f}")
            rows.append((str(arena), f"{gap:g}", *means, *spread))
            print(*rows[-1], file=sys.stderr, flush=True)
            print(goal(share <= 0.7, "at most 0.7 times the votes"), file=sys.stderr)
            print(goal(min(least) >= 0.2, "every pair at least a fifth"), file=sys.stderr, flush=True)
    head = ("", "gap", "uniform", "ours", "means", "medians", "least pair", "its mean")
    print(table(head, rows))


if __name__ == "__main__":
    main()
