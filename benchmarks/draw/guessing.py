"""How well somebody who reads the ends of battles knows the next one's models, under the rotation.

No model server is simulated: who is drawn hangs on the sets alone. Five models, some of which fit together; battles of
two contestants come at a steady rate. The reader knows the names of the last ten battles, or of the ten before a delay,
or of ten of his own, one in so many, and guesses the two models that were drawn most often, in either order.
``--mixed`` draws that share of battles from the whole field, which costs loads: the last column is how many of a
battle's models are outside the set.

    python -m benchmarks.draw.guessing --hours 48 --seeds 5
"""

from __future__ import annotations

import argparse
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from app.draw.planning.field import HostField
from app.draw.planning.pairs import Pair, draw, pairs_of
from app.draw.planning.rotation import Stay
from app.scheduling.planning.budget import Budget
from benchmarks.draw.rotating import Rotating, Votes
from benchmarks.draw.separation import MODELS
from benchmarks.scheduling.figures import table

GAP = 50.0
READ = 10


@dataclass(frozen=True, slots=True)
class EndsReader:
    """Who knows the names of battles that ended ``delay_s`` ago or earlier; of ``own`` ones, one in so many."""

    name: str
    delay_s: float = 0.0
    own: int = 1


READERS = (
    EndsReader("all ends"),
    EndsReader("ends, 80 minutes later", delay_s=4800.0),
    EndsReader("ends, a day later", delay_s=86_400.0),
    EndsReader("own, one in ten", own=10),
)


@dataclass(slots=True)
class Guessed:
    """What came of the guesses: how often the pair was right, how many there were, and what was not in memory."""

    right: float = 0.0
    battles: int = 0
    outside: int = 0
    ended: list[float] = field(default_factory=list)
    past: list[Pair] = field(default_factory=list)

    def of(self, reader: EndsReader, now: float, pair: Pair, chance: random.Random) -> None:
        """Guess this battle's pair, then learn it."""
        end = bisect_right(self.ended, now - reader.delay_s)
        known = self.past[max(end - READ, 0) : end]
        self.right += _likeliest(known, chance) == pair
        self.battles += 1
        if self.battles % reader.own == 0:
            self.ended.append(now)
            self.past.append(pair)


def _likeliest(known: Sequence[Pair], chance: random.Random) -> Pair:
    """The pair whose models were drawn most often, ties by chance."""
    counts = Counter(model for pair in known for model in pair)
    return max(pairs_of(MODELS), key=lambda pair: (sum(counts[model] for model in pair), chance.random()))


def guessed(fits: int, per_hour: float, mixed: float, hours: float, seed: int) -> dict[str, Guessed]:
    """What each reader got right within these hours."""
    votes = Votes({model: GAP * place for place, model in enumerate(MODELS)}, random.Random(f"{seed} votes"))
    chance, clock = random.Random(f"{seed} draw"), [0.0]
    host = HostField("one", MODELS, Budget(None, fits))
    rotating = Rotating(lambda: (host,), votes, lambda: clock[0], chance, Stay())
    found = {reader.name: Guessed() for reader in READERS}
    while clock[0] < 3600 * hours:
        contestants = rotating.contestants(2)
        if chance.random() < mixed:
            contestants = draw(MODELS, (), 2, {}, chance).contestants
        members = rotating.rotation.members if rotating.rotation else ()
        for reader in READERS:
            found[reader.name].of(reader, clock[0], frozenset(contestants), chance)
            found[reader.name].outside += sum(model not in members for model in contestants)
        clock[0] += chance.expovariate(per_hour / 3600)
    return found


def main() -> None:
    """A row for each arena and each reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=48.0)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fits", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--per-hour", type=float, nargs="+", default=[12.0, 60.0, 270.0])
    parser.add_argument("--mixed", type=float, nargs="+", default=[0.0])
    given = parser.parse_args()
    rows = []
    for fits, per_hour, mixed in ((f, p, m) for m in given.mixed for f in given.fits for p in given.per_hour):
        runs = [guessed(fits, per_hour, mixed, given.hours, seed) for seed in range(1, given.seeds + 1)]
        battles = sum(run[READERS[0].name].battles for run in runs)
        outside = sum(run[READERS[0].name].outside for run in runs) / battles
        rates = [sum(run[reader.name].right for run in runs) / battles for reader in READERS]
        rows.append((fits, f"{per_hour:g}", f"{mixed:g}", *(f"{rate:.0%}, {rate / 2:.0%}" for rate in rates),
                     f"{outside:.3f}"))  # fmt: skip
    head = ("fit", "battles/h", "mixed", *(f"{reader.name}: pair, in order" for reader in READERS), "outside a battle")
    print(table(head, rows))


if __name__ == "__main__":
    main()
