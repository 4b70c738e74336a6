"""Who comes when and asks what: all of it drawn from a seed before the first battle, the same for every way to serve.

A visit is one battle. A user who is still at the last one begins the next as soon as that has ended.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.battle.battle import Verdict

READS_S = (5.0, 30.0)
"""How long a user reads two answers before the vote, from the shortest to the longest."""

TOPICS = (
    "rivers",
    "vaccines",
    "night trains",
    "old bridges",
    "rain",
    "bread",
    "bees",
    "harbours",
    "maps",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One battle that a user wants: when (seconds), the prompt, who answers, and what is said of each round."""

    at: float
    user: int
    number: int
    message: str
    models: tuple[str, ...]
    reads_s: tuple[float, ...]
    verdicts: tuple[Verdict, ...]

    @property
    def battle(self) -> str:
        """The battle's id."""
        return f"u{self.user}n{self.number}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """``users`` who each open a battle every ``every_s`` on average, for ``hours``; some of ``models`` answer.

    ``awake`` says of a moment (seconds from the start, midnight) whether anybody comes.
    """

    models: tuple[str, ...]
    users: int = 25
    hours: float = 2.0
    every_s: float = 300.0
    contestants: int = 3
    seed: int = 1
    awake: Callable[[float], bool] = lambda _at: True

    def visits(self) -> tuple[tuple[Visit, ...], ...]:
        """All visits, for each user in the order of time."""
        return tuple(self._of(user) for user in range(self.users))

    def _of(self, user: int) -> tuple[Visit, ...]:
        chance = random.Random(f"{self.seed} user {user}")
        visits: list[Visit] = []
        at = chance.uniform(0.0, self.every_s)
        while at < self.hours * 3600:
            if self.awake(at):
                visits.append(self._visit(chance, user, len(visits), at))
            at += chance.expovariate(1 / self.every_s)
        return tuple(visits)

    def _visit(self, chance: random.Random, user: int, number: int, at: float) -> Visit:
        rounds = range(self.contestants - 1)
        return Visit(
            at,
            user,
            number,
            f"Question {number} of user {user}: what should a newcomer know about {chance.choice(TOPICS)}?",
            tuple(chance.sample(self.models, self.contestants)),
            tuple(chance.uniform(*READS_S) for _ in rounds),
            tuple(chance.choice(tuple(Verdict)) for _ in rounds),
        )


def awake_by_day(at: float) -> bool:
    """Nobody comes from midnight to seven."""
    return at % 86_400 >= 7 * 3600


def battles(visits: Sequence[Sequence[Visit]]) -> int:
    """How many visits there are."""
    return sum(len(of_user) for of_user in visits)
