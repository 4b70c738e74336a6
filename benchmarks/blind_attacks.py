"""How an attacker guesses the models of a battle from what he saw of it, and of other battles whose models he knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import permutations
from random import Random

#: Gigabytes of each model's weights: what it writes in a second and how long it loads follow from them.
MODELS = {"oak": 1.6, "elm": 2.6, "ash": 4.9, "fir": 8.4, "yew": 12.0}
NEAREST = 5
RECENT = 10
UNSEEN = 1e6


class Stream(IntEnum):
    """How much of the stream an attacker uses; each has what is before it."""

    NOTHING = 0
    GROWTH = 1
    ENDS = 2
    TEXTS = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What the stream tells of one side: seconds since the battle was opened, characters, characters a second.

    ``eta_s`` is the longest wait that was announced, ``singles`` what each single property of its frames measures.
    """

    began_s: float
    rate: float
    ended_s: float
    length: int
    eta_s: float
    singles: Mapping[str, float] = field(default_factory=dict)

    def features(self, uses: Stream) -> tuple[float, ...]:
        """Logarithms, since times and rates differ by factors."""
        found = [self.began_s, self.rate, 0.1 + self.eta_s / 100]
        if uses >= Stream.ENDS:
            found.append(self.ended_s)
        if uses >= Stream.TEXTS:
            found.append(self.length / max(self.ended_s - self.began_s, 0.01))
        return tuple(math.log(value + 0.01) for value in found)


@dataclass(frozen=True, slots=True)
class Battle:
    """The models on both sides, what the stream told of these, and which models were polled as in memory or loading."""

    models: tuple[str, str]
    seen: tuple[Seen, Seen]
    polled: dict[str, float]
    polled_by_operator: dict[str, float]


@dataclass(frozen=True, slots=True)
class Attack:
    """What an attacker uses."""

    name: str
    stream: Stream = Stream.NOTHING
    polls: bool = False
    operator: bool = False
    single: str = ""
    recent: bool = False

    def cost(self, asked: Battle, known: Sequence[Battle], side: int, model: str) -> float:
        """How badly ``model`` fits on that side, by the nearest of the battles that are known."""
        cost = 0.0
        if self.stream or self.single:
            mine = self.measured(asked.seen[side])
            theirs = [self.measured(b.seen[i]) for b in known for i in (0, 1) if b.models[i] == model]
            nearest = sorted(math.dist(mine, other) ** 2 for other in theirs)[:NEAREST]
            cost += sum(nearest) / len(nearest) if nearest else UNSEEN
        if self.recent:
            cost -= sum(model in b.models for b in known)
        if self.polls:
            by_model = asked.polled_by_operator if self.operator else asked.polled
            cost -= by_model[model]
        return cost

    def measured(self, seen: Seen) -> tuple[float, ...]:
        """What he compares of a side: one property of its frames, or what the stream told of it."""
        return (seen.singles[self.single],) if self.single else seen.features(self.stream)

    def guess(self, asked: Battle, known: Sequence[Battle], among: Sequence[str]) -> tuple[str, str]:
        """The two models in order that fit best; ties by chance, since the order of ``among`` is drawn."""
        costs = {(side, model): self.cost(asked, known, side, model) for side in (0, 1) for model in among}
        return min(permutations(among, 2), key=lambda pair: costs[0, pair[0]] + costs[1, pair[1]])


ATTACKS = (
    Attack("control"),
    Attack("recent", recent=True),
    Attack("polls", polls=True),
    Attack("growth", Stream.GROWTH),
    Attack("pace", Stream.ENDS),
    Attack("both", Stream.ENDS, polls=True),
    Attack("with texts", Stream.TEXTS),
    Attack("operator", Stream.ENDS, polls=True, operator=True),
)


def singles(battles: Sequence[Battle]) -> list[Attack]:
    """An attack by each single property of the frames that was measured in these battles."""
    names = battles[0].seen[0].singles if battles else {}
    return [Attack(name, single=name) for name in names]


def wilson(right: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a rate (Wilson 1927)."""
    z, rate = 1.96, right / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(rate * (1 - rate) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def rates(attack: Attack, battles: Sequence[Battle], random: Random) -> list[tuple[int, int, float]]:
    """Of each kind of guess how many were right, of how many, and the chance level; each battle is guessed once."""
    sides = both = pairs = 0
    for place, asked in enumerate(battles):
        others = [*battles[:place], *battles[place + 1 :]]
        known = battles[max(place - RECENT, 0) : place] if attack.recent else others
        guess = attack.guess(asked, known, random.sample(list(MODELS), len(MODELS)))
        sides += sum(one == two for one, two in zip(guess, asked.models, strict=True))
        both += guess == asked.models
        pairs += attack.guess(asked, known, random.sample(asked.models, 2)) == asked.models
    return [(sides, 2 * len(battles), 0.2), (both, len(battles), 0.05), (pairs, len(battles), 0.5)]


def line(attack: Attack, battles: Sequence[Battle], random: Random) -> str:
    """A row of the table; ``*`` marks a rate whose interval lies above its chance level."""
    cells = []
    for right, of, chance in rates(attack, battles, random):
        low, high = wilson(right, of)
        cells.append(f"{right / of:>5.0%} [{low:>3.0%}, {high:>3.0%}]{'*' if low > chance else ' '}")
    return f"{attack.name:<22}{'  '.join(cells)}"
