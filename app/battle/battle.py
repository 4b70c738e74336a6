"""The values that a battle is made of.

A battle has contestants in *entry order* (0, 1, 2 …), which is drawn once and never changes. Entry 0 opens on
side ``a``, entry 1 on side ``b``. Rounds are counted from 1. A contestant's alias follows its entry and stays
with it: Model A and Model B open the battle, Model C is the third entrant and keeps its letter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Side(StrEnum):
    """One of the two places of a round."""

    A = "a"
    B = "b"

    @property
    def other(self) -> Side:
        """The side across."""
        return Side.B if self is Side.A else Side.A


class Verdict(StrEnum):
    """What a voter says of a round."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"


class Status(StrEnum):
    """Where a battle stands; all but ``running`` are final."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"


class IllegalMove(ValueError):
    """The rules forbid this move now; ``code`` is stable and says why."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model that entered; ``entry`` counts from 0 in the drawn order."""

    entry: int
    model: str

    @property
    def alias(self) -> str:
        """``Model A`` for entry 0, ``Model Z`` for 25, ``Model AA`` for 26."""
        letters, rest = "", self.entry
        while rest >= 0:
            letters = chr(ord("A") + rest % 26) + letters
            rest = rest // 26 - 1
        return f"Model {letters}"


@dataclass(frozen=True, slots=True)
class Pair:
    """The entries on side ``a`` and side ``b``."""

    a: int
    b: int

    def on(self, side: Side) -> int:
        """The entry on ``side``."""
        return self.a if side is Side.A else self.b

    def with_entry(self, side: Side, entry: int) -> Pair:
        """The same pair with ``entry`` on ``side``."""
        return replace(self, a=entry) if side is Side.A else replace(self, b=entry)

    def side_of(self, entry: int) -> Side | None:
        """The side that ``entry`` is on, or None when it is off stage."""
        if entry == self.a:
            return Side.A
        return Side.B if entry == self.b else None


@dataclass(frozen=True, slots=True)
class Vote:
    """A stored verdict on one round and the pair that was judged."""

    round: int
    verdict: Verdict
    pair: Pair


@dataclass(frozen=True, slots=True)
class Battle:
    """One prompt, its contestants in entry order, and how far it has come.

    ``pair`` sits on stage; the entries from ``next_entry`` on have not been on stage yet. ``beaten`` holds the
    entries that lost a round, in order of leaving; ``failed`` those whose answer failed. ``ready`` is true while
    both answers on stage are complete and the round waits for its verdict. ``rounds_total`` is what was last
    announced with a round.
    """

    id: str
    message: str
    contestants: tuple[Contestant, ...]
    pair: Pair = Pair(0, 1)
    next_entry: int = 2
    round: int = 1
    rounds_total: int = 1
    status: Status = Status.RUNNING
    ready: bool = False
    votes: tuple[Vote, ...] = ()
    beaten: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()

    @property
    def running(self) -> bool:
        """True until the battle has ended."""
        return self.status is Status.RUNNING

    def contestant(self, side: Side) -> Contestant:
        """Who sits on ``side``."""
        return self.contestants[self.pair.on(side)]

    @property
    def waiting(self) -> tuple[int, ...]:
        """Entries that have not been on stage and have not failed, in order."""
        return tuple(e for e in range(self.next_entry, len(self.contestants)) if e not in self.failed)

    @property
    def champion(self) -> int | None:
        """The entry that survived the newest verdict; None while nothing was judged."""
        return None if not self.votes else survivor(self.votes[-1])


def survivor(vote: Vote) -> int:
    """The entry that stays after ``vote``: the winner; on tie or both_bad the champion, who entered first."""
    if vote.verdict is Verdict.A:
        return vote.pair.a
    if vote.verdict is Verdict.B:
        return vote.pair.b
    # The champion always entered before its challenger, in round one as in every other.
    return min(vote.pair.a, vote.pair.b)
