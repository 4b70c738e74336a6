"""The rotation in virtual time: the draw as it is served, with simulated voters who prefer the better model."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from app.draw.planning.field import Field, HostField
from app.draw.planning.first import weights
from app.draw.planning.knowledge import learned
from app.draw.planning.pairs import Pair, PairVotes, draw, pairs_of, shares
from app.draw.planning.rotation import Rotation, Stay, turned

EVERY = 20
"""Battles after which the votes are counted anew."""


@dataclass(slots=True)
class Votes:
    """Verdicts of voters who prefer models by their strengths (Elo points)."""

    strengths: Mapping[str, float]
    chance: random.Random
    cast: Counter[tuple[str, str]] = field(default_factory=Counter)

    def of_battle(self, contestants: Sequence[str]) -> None:
        """Judge a battle: the winner stays."""
        stays = contestants[0]
        for challenger in contestants[1:]:
            ahead = self.strengths[stays] - self.strengths[challenger]
            won = self.chance.random() < 1 / (1 + 10 ** (-ahead / 400))
            winner, loser = (stays, challenger) if won else (challenger, stays)
            self.cast[winner, loser] += 1
            stays = winner

    @property
    def total(self) -> int:
        """How many there are."""
        return self.cast.total()

    def pairs(self) -> list[PairVotes]:
        """By pair."""
        return [PairVotes(a, b, self.cast[a, b], self.cast[b, a]) for a, b in combinations(sorted(self.strengths), 2)]


@dataclass(slots=True)
class Rotating:
    """Draws battles from a rotation over ``places``; ``on_change`` gets its sets. ``now`` is in seconds."""

    places: Callable[[], tuple[HostField, ...]]
    votes: Votes
    now: Callable[[], float]
    chance: random.Random
    stay: Stay = field(default_factory=Stay)
    on_change: Callable[[Mapping[str, tuple[str, ...]]], None] = lambda _sets: None
    waiting: Callable[[], int] = lambda: 0
    rotation: Rotation | None = None
    drawn: int = 0
    sets: int = 0
    battles: int = 0
    count: int = 2
    day: deque[tuple[float, Pair]] = field(default_factory=deque)
    pair_draws: Counter[Pair] = field(default_factory=Counter)
    known: tuple[dict[Pair, float], dict[str, float]] = field(default_factory=lambda: ({}, {}))
    shares: dict[Pair, float] = field(default_factory=dict)

    def contestants(self, count: int) -> tuple[str, ...]:
        """Who enters the battle that opens now."""
        self.count = count
        rotation = self._turned()
        if self.battles % EVERY == 0 or not self.shares:
            self.known = known_of(tuple(sorted(self.votes.strengths)), self.votes)
            self.shares = shares(pairs_of(rotation.members), *self.known)
        drawn = draw(rotation.members, rotation.reserve, count, self.shares, self.chance)
        self.drawn += 1
        self.battles += 1
        for pair in pairs_of(drawn.contestants):
            self.day.append((self.now(), pair))
            self.pair_draws[pair] += 1
        self.votes.of_battle(drawn.contestants)
        return drawn.contestants

    def _turned(self) -> Rotation:
        """The rotation as of now; it is only asked for once its shortest stay is over."""
        before = self.rotation
        if before is not None and self.now() < before.earliest:
            return before
        after = turned(before, self.field(), self.stay, now=self.now(), drawn=self.drawn, chance=self.chance)
        if before is None or after.number != before.number:
            self.drawn, self.sets, self.shares = 0, self.sets + 1, {}
            self.on_change(after.sets)
        self.rotation = after
        return after

    def field(self) -> Field:
        """The field as of now."""
        models = tuple(sorted(self.votes.strengths))
        while self.day and self.now() - self.day[0][0] > 86_400:
            self.day.popleft()
        places = tuple(replace(place, waiting=self.waiting()) for place in self.places())
        return Field(models, places, *self.known, Counter(pair for _, pair in self.day), self.count)


def known_of(models: tuple[str, ...], votes: Votes) -> tuple[dict[Pair, float], dict[str, float]]:
    """Gains by pair and votes by model."""
    known = learned(models, votes.pairs())
    found = weights(known)
    at = {model: number for number, model in enumerate(models)}
    by_pair = {pair: float(found[tuple(at[model] for model in pair)]) for pair in pairs_of(models)}
    return by_pair, dict(zip(models, np.asarray(known.votes).tolist(), strict=True))
