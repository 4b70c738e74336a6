"""The draw of a battle's contestants from the set that is drawn from. Pure.

A pair is drawn first, by its weight; where a battle has more contestants, the others are drawn uniformly. Then all are
put into a random order, so that entry order and sides say nothing. So a set of contestants has the probability

    (sum of the shares of its pairs) / C(m - 2, n - 2)

for n contestants of m models. Where fewer models are in the set than a battle needs, all of them enter, and those of
the ``reserve`` in its order, which is the same for all battles of the set: one load serves all that wait for a model.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, perm
from random import Random

FLOOR = 0.25
"""The share of the draws of a pair that is spread evenly over all pairs of the set."""

FEW_VOTES = 20.0
NEW = 4.0
"""A pair with a model that has no votes weighs (1 + NEW) times as much; half of that is left after FEW_VOTES."""

Pair = frozenset[str]


@dataclass(frozen=True, slots=True)
class PairVotes:
    """The verdicts on two models that compare them."""

    left: str
    right: str
    left_wins: float
    right_wins: float
    ties: float = 0.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """Contestants in entry order; ``probability`` is that of these contestants in any order, given the set."""

    contestants: tuple[str, ...]
    probability: float


def pairs_of(models: Collection[str]) -> list[Pair]:
    """All pairs, in an order that hangs on the names only."""
    return [frozenset(pair) for pair in combinations(sorted(models), 2)]


def shares(pairs: Sequence[Pair], gains: Mapping[Pair, float], votes: Mapping[str, float]) -> dict[Pair, float]:
    """The probability of each pair to be drawn first: by gain and newness, and evenly by ``FLOOR``."""
    weights = {pair: gains.get(pair, 0.0) * newness(min(votes.get(model, 0.0) for model in pair)) for pair in pairs}
    total = sum(weights.values())
    even = 1.0 / len(pairs) if pairs else 0.0
    if total <= 0.0:
        return dict.fromkeys(pairs, even)
    return {pair: (1 - FLOOR) * weight / total + FLOOR * even for pair, weight in weights.items()}


def newness(votes: float) -> float:
    """How much more a model is drawn for want of votes: from 1 + NEW down to 1."""
    return 1.0 + NEW * FEW_VOTES / (FEW_VOTES + max(votes, 0.0))


def draw(
    members: Sequence[str], reserve: Sequence[str], count: int, weights: Mapping[Pair, float], chance: Random
) -> Drawn:
    """Draw ``count`` of ``members``, or all of them and the first of ``reserve``; ``weights`` are relative.

    Raises:
        ValueError: fewer than two, or more than there are, or a model twice.
    """
    everybody = (*members, *reserve)
    if len(set(everybody)) != len(everybody):
        raise ValueError("a model can enter a battle once")
    if not 2 <= count <= len(everybody):
        raise ValueError(f"a battle takes 2 to {len(everybody)} of these models, not {count}")
    if count >= len(members):
        missing = count - len(members)
        return Drawn(_shuffled((*members, *reserve[:missing]), chance), 1.0 / perm(len(reserve), missing))
    drawn_first = _normalised(members, weights)
    pair = chance.choices(list(drawn_first), list(drawn_first.values()))[0]
    others = chance.sample(sorted(set(members) - pair), count - 2)
    chosen = (*pair, *others)
    probability = sum(drawn_first[one] for one in pairs_of(chosen)) / comb(len(members) - 2, count - 2)
    return Drawn(_shuffled(chosen, chance), probability)


def _normalised(members: Sequence[str], weights: Mapping[Pair, float]) -> dict[Pair, float]:
    pairs = pairs_of(members)
    known = {pair: weights[pair] for pair in pairs if weights.get(pair, 0.0) > 0.0}
    mean = sum(known.values()) / len(known) if known else 1.0
    filled = {pair: known.get(pair, mean) for pair in pairs}
    total = sum(filled.values())
    return {pair: weight / total for pair, weight in filled.items()}


def _shuffled(models: Sequence[str], chance: Random) -> tuple[str, ...]:
    return tuple(chance.sample(sorted(models), len(models)))
