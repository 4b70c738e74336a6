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
    """One battle that a user wants: when (seconds), the prompt, who answers, and what is said of each round.

    With a ``pause_s`` it is that long after the end of the user's last battle (of the first: after the start) instead.
    """

    at: float
    user: int
    number: int
    message: str
    models: tuple[str, ...]
    reads_s: tuple[float, ...]
    verdicts: tuple[Verdict, ...]
    pause_s: float | None = None

    @property
    def battle(self) -> str:
        """The battle's id."""
        return f"u{self.user}n{self.number}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """``users`` who each open a battle every ``every_s`` on average, for ``hours``; some of ``models`` answer.

    ``awake`` says of a moment (seconds from the start, midnight) whether anybody comes. With a ``pause_s`` nobody has a
    time table: a user comes back that long after a battle's end (half of it to one and a half times), as was recorded,
    and comes for the first time within it. ``reads_s`` is how long a user reads, from the shortest to the longest.
    """

    models: tuple[str, ...]
    users: int = 25
    hours: float = 2.0
    every_s: float = 300.0
    contestants: int = 3
    seed: int = 1
    awake: Callable[[float], bool] = lambda _at: True
    pause_s: float | None = None
    reads_s: tuple[float, float] = READS_S

    def visits(self) -> tuple[tuple[Visit, ...], ...]:
        """All visits, for each user in the order of time."""
        of = self._timed if self.pause_s is None else self._paused
        return tuple(of(user) for user in range(self.users))

    def _paused(self, user: int) -> tuple[Visit, ...]:
        assert self.pause_s is not None
        chance = random.Random(f"{self.seed} user {user}")
        visits = [self._visit(chance, user, 0, 0.0, chance.uniform(0.0, self.pause_s))]
        left = self.hours * 3600
        while left > 0:
            pause_s = chance.uniform(0.5 * self.pause_s, 1.5 * self.pause_s)
            visits.append(self._visit(chance, user, len(visits), 0.0, pause_s))
            left -= pause_s
        return tuple(visits)

    def _timed(self, user: int) -> tuple[Visit, ...]:
        chance = random.Random(f"{self.seed} user {user}")
        visits: list[Visit] = []
        at = chance.uniform(0.0, self.every_s)
        while at < self.hours * 3600:
            if self.awake(at):
                visits.append(self._visit(chance, user, len(visits), at))
            at += chance.expovariate(1 / self.every_s)
        return tuple(visits)

    def _visit(self, chance: random.Random, user: int, number: int, at: float, pause_s: float | None = None) -> Visit:
        rounds = range(self.contestants - 1)
        return Visit(
            at,
            user,
            number,
            f"Question {number} of user {user}: what should a newcomer know about {chance.choice(TOPICS)}?",
            tuple(chance.sample(self.models, self.contestants)),
            tuple(chance.uniform(*self.reads_s) for _ in rounds),
            tuple(chance.choice(tuple(Verdict)) for _ in rounds),
            pause_s,
        )


def awake_by_day(at: float) -> bool:
    """Nobody comes from midnight to seven."""
    return at % 86_400 >= 7 * 3600


def battles(visits: Sequence[Sequence[Visit]]) -> int:
    """How many visits there are."""
    return sum(len(of_user) for of_user in visits)
