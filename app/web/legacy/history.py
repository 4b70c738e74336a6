"""How a battle went up to a snapshot: who was judged, who left and who is still to come.

Existing clients get this with every answer; the native API has it in its events. Everything here is made of
the snapshot and of what SQL holds, so every worker and every call says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from app.arena.lookup import Entered
from app.battle.battle import Contestant, Pair, Side, Status, Vote, survivor
from app.battle.events import Snapshot
from app.records.values import BattleRecord

#: What a battle is marked with that was opened by a call of the contract in which two models met once, by a client that
#: did not say how many it wants.
TWO_STEP: Mapping[str, object] = {"opened_as": "two_step"}

#: When names are shown: at the battle's end, of the pair that was judged, or from the start.
Reveal = Literal["end", "vote", "always"]


@dataclass(frozen=True, slots=True)
class BattleHistory:
    """A battle at the moment of ``snapshot``; ``votes`` are its verdicts, ``voted_at`` when, by round.

    ``is_two_step``: it was opened by a call that the clients of one round make, too, and without ``num_models``.
    """

    snapshot: Snapshot
    contestants: tuple[Contestant, ...]
    votes: tuple[Vote, ...]
    shown: frozenset[int]
    voted_at: Mapping[int, datetime] = field(default_factory=dict)
    is_two_step: bool = False

    @property
    def running(self) -> bool:
        """Whether verdicts are still taken."""
        return self.snapshot.status == Status.RUNNING

    def contestant_on(self, side: Side) -> Contestant:
        """The contestant on ``side``."""
        alias = self.snapshot.sides[side].alias
        return next(contestant for contestant in self.contestants if contestant.alias == alias)

    def name(self, entry: int) -> str:
        """The model's name when it is shown, else the alias."""
        contestant = self.contestants[entry]
        return contestant.model if entry in self.shown else contestant.alias

    def line(self, entry: int) -> Mapping[str, Any]:
        """The contestant's line of the reveal; empty before it."""
        ranking = [] if self.snapshot.reveal is None else self.snapshot.reveal["ranking"]
        alias = self.contestants[entry].alias
        return next((line for line in ranking if line["alias"] == alias), {})

    @property
    def on_stage(self) -> tuple[int, ...]:
        """The entries on side a and on side b."""
        return tuple(self.contestant_on(side).entry for side in Side)

    @property
    def judged(self) -> Pair:
        """The pair that was judged last; that on stage while none was, or its verdict was taken back."""
        return self.votes[-1].pair if self.votes else Pair(*self.on_stage)

    @property
    def judged_are_shown(self) -> bool:
        """Whether both names of the pair that was judged last may be shown."""
        return self.shown.issuperset((self.judged.a, self.judged.b))

    @property
    def beaten(self) -> tuple[int, ...]:
        """The entries that lost a round, in order of leaving."""
        return tuple(loser(vote) for vote in self.votes)

    @property
    def failed(self) -> tuple[int, ...]:
        """The entries whose answers failed: passed over while the battle runs, named by the reveal at its end."""
        beaten, champions = self.beaten, [survivor(vote) for vote in self.votes]
        entered = range(max((*self.on_stage, *beaten, *champions)))
        passed_over = {entry for entry in entered if entry not in (*self.on_stage, *beaten, *champions)}
        failed = {c.entry for c in self.contestants if self.line(c.entry).get("failed")}
        return tuple(sorted(passed_over | failed))

    @property
    def eliminated(self) -> tuple[int, ...]:
        """Who is out: the beaten in order of leaving, then those whose answers failed."""
        return (*self.beaten, *self.failed)

    @property
    def remaining(self) -> tuple[int, ...]:
        """Who has not been on stage yet and may still be."""
        if not self.running:
            return ()
        newest = max((*self.on_stage, *self.beaten))
        return tuple(c.entry for c in self.contestants if c.entry > newest)

    @property
    def chain(self) -> tuple[int, ...]:
        """Everybody who survived a round, once, in order."""
        return tuple(dict.fromkeys(survivor(vote) for vote in self.votes))

    def names(self, entries: tuple[int, ...]) -> list[str]:
        """Names or aliases of ``entries``."""
        return [self.name(entry) for entry in entries]


def loser(vote: Vote) -> int:
    """Who leaves with a verdict; on tie and both_bad it is the challenger."""
    return vote.pair.b if survivor(vote) == vote.pair.a else vote.pair.a


def history_of(snapshot: Snapshot, record: BattleRecord | Entered, reveal: Reveal) -> BattleHistory:
    """The battle at the moment of ``snapshot``; what the records learned later is left out."""
    contestants = tuple(Contestant(entry, model) for entry, model in enumerate(record.contestants))
    shown_rounds = {vote["round"] for vote in snapshot.votes}
    votes = tuple(vote for vote in record.votes if vote.round in shown_rounds)
    voted_at = dict(zip((vote.round for vote in record.votes), record.voted_at, strict=False))
    is_two_step = all(record.options.get(key) == word for key, word in TWO_STEP.items())
    shown = _shown(snapshot, votes, len(contestants), reveal)
    return BattleHistory(snapshot, contestants, votes, shown, voted_at, is_two_step=is_two_step)


def _shown(snapshot: Snapshot, votes: tuple[Vote, ...], count: int, reveal: Reveal) -> frozenset[int]:
    if reveal == "always" or snapshot.reveal is not None:
        return frozenset(range(count))
    if reveal == "vote":
        return frozenset(entry for vote in votes for entry in (vote.pair.a, vote.pair.b))
    return frozenset()
