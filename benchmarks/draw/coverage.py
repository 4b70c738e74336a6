"""Whether intervals of 95 % hold the true ratings, where pairs are drawn by earlier verdicts and sets change with time.

Five models 50 Elo points apart, three of which fit; two contestants a battle, so that each vote is a battle of its own.
Voters are alike, or they drift (the odd half of the hours prefers the models in another order, by 60 points at most),
or they are mixed (20 voters, whose tastes differ by 0.3 logits). What counts as true is the mean over all hours, or the
strengths that the mixed voters have on average.

    python -m benchmarks.draw.coverage --arenas 200
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from app.battle.battle import Verdict
from app.draw.planning.field import HostField
from app.ranking.leaderboard import build_leaderboard
from app.ranking.votes import JudgedPair
from app.scheduling.planning.budget import Budget
from benchmarks.draw.rotating import Rotating, Votes
from benchmarks.draw.separation import MODELS
from benchmarks.scheduling.figures import table

GAP = 50.0
PER_HOUR = 120.0
DRIFT = 30.0
TASTE_SD = 0.3 * 400 / 2.302585
VOTERS = 20
KINDS = ("alike", "drifting", "mixed")


@dataclass(slots=True)
class Judging(Votes):
    """Votes that are kept as rows; ``extra`` is what this voter thinks of a model now, beyond its strength."""

    extra: Mapping[str, float] = field(default_factory=dict)
    voter: str | None = None
    rows: list[JudgedPair] = field(default_factory=list)

    def of_battle(self, contestants: Sequence[str]) -> None:
        """Judge the one round."""
        a, b = contestants
        ahead = self.strengths[a] - self.strengths[b] + self.extra.get(a, 0.0) - self.extra.get(b, 0.0)
        won = self.chance.random() < 1 / (1 + 10 ** (-ahead / 400))
        self.cast[(a, b) if won else (b, a)] += 1
        battle = f"b{len(self.rows)}"
        self.rows.append(JudgedPair(a, b, Verdict.A if won else Verdict.B, battle=battle, voter=self.voter))


def covered(kind: str, votes: int, seed: int, *, rotates: bool) -> list[bool]:
    """Of each model, whether its interval holds its true rating."""
    chance, clock = random.Random(f"{seed} {kind}"), [0.0]
    judging = Judging({model: GAP * place for place, model in enumerate(MODELS)}, random.Random(f"{seed} votes"))
    tastes = {f"v{n}": {model: chance.gauss(0.0, TASTE_SD) for model in MODELS} for n in range(VOTERS)}
    turned = {model: DRIFT * sign for model, sign in zip(MODELS, (1, -1, 1, -1, 0), strict=True)}
    host = HostField("one", MODELS, Budget(None, 3))
    rotating = Rotating(lambda: (host,), judging, lambda: clock[0], random.Random(f"{seed} draw"))
    for _ in range(votes):
        if kind == "drifting":
            sign = 1 if int(clock[0] // 3600) % 2 else -1
            judging.extra = {model: sign * value for model, value in turned.items()}
        if kind == "mixed":
            judging.voter = chance.choice(list(tastes))
            judging.extra = tastes[judging.voter]
        if rotates:
            rotating.contestants(2)
        else:
            judging.of_battle(chance.sample(MODELS, 2))
        clock[0] += chance.expovariate(PER_HOUR / 3600)
    return _held(judging)


def _held(judging: Judging) -> list[bool]:
    """Of each model of the board of the votes, whether its interval holds its true rating."""
    middle = fmean(judging.strengths.values())
    rows = build_leaderboard(judging.rows).leaderboard
    true = {model: 1000 + strength - middle for model, strength in judging.strengths.items()}
    return [
        (row.rating_lower is None or row.rating_lower <= true[row.model])
        and (row.rating_upper is None or true[row.model] <= row.rating_upper)
        for row in rows
    ]


def main() -> None:
    """All kinds of voters, by both draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arenas", type=int, default=200)
    parser.add_argument("--votes", type=int, default=600)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given, rows = parser.parse_args(), []
    for kind in given.kinds:
        found = {}
        for name, rotates in (("rotation", True), ("uniform", False)):
            hits = [hit for seed in range(given.arenas) for hit in covered(kind, given.votes, seed, rotates=rotates)]
            found[name] = fmean(hits)
        rows.append((kind, f"{found['rotation']:.3f}", f"{found['uniform']:.3f}"))
        print(*rows[-1], file=sys.stderr, flush=True)
    print(table(("voters", "rotation", "uniform"), rows))


if __name__ == "__main__":
    main()
