"""A round that a verdict is given on, as Redis has it or, without Redis, as SQL does. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from app.arena.states import BattleState
from app.battle import rules
from app.battle.battle import Battle, Contestant, IllegalMove, Status, Verdict, Vote
from app.battle.events import vote_data
from app.errors import Conflict
from app.records.values import BattleRecord, NewBattle


@dataclass(frozen=True, slots=True)
class RoundToJudge:
    """A round that is to be judged: the vote that stands for it, and the entries whose answers have failed.

    ``state`` is the battle's as Redis has it, ``asked`` the entries whose answers have been begun.
    """

    battle: Battle
    number: int
    vote: Vote | None
    failed: frozenset[int] = frozenset()
    state: BattleState | None = None
    asked: frozenset[int] = frozenset()

    def after(self, verdict: Verdict, *, is_last: bool) -> Battle:
        """The battle with ``verdict`` on this round, its last one if ``is_last``.

        Raises:
            Conflict: the round can't be judged now.
        """
        try:
            return rules.cast_vote(self.battle, self.number, verdict, self.failed, is_last=is_last)
        except IllegalMove as illegal:
            raise Conflict(f"{illegal}; read the battle for what it waits for", code=illegal.code) from None

    def already_judged(self, standing: Vote, *, named: bool) -> Conflict:
        """Why another verdict than the one of ``standing`` is refused; it goes with the error, ``named`` or not."""
        return Conflict(
            f"round {self.number} was already judged as {standing.verdict.value!r}; that verdict stands",
            code="already_judged",
            vote=vote_data(self.battle, standing, named),
        )


def refused(status: Status, number: int) -> Conflict:
    """Why SQL took no verdict on round ``number`` of a battle that has ``status`` there, and none stands for it."""
    if status is Status.RUNNING:  # the verdict before this one was taken back, and that is not logged yet
        return Conflict(f"round {number} is not on stage; read the battle again", code="not_this_round")
    return Conflict(f"the battle is over ({status.value}); start a new one", code="battle_over")


def round_of_state(state: BattleState, number: int) -> RoundToJudge:
    """The round as Redis has it."""
    battle = state.document.battle
    failed = frozenset(entry for entry, answer in enumerate(state.answers) if answer.failed)
    asked = frozenset(entry for entry, answer in enumerate(state.answers) if answer.attempts or answer.finish)
    return RoundToJudge(battle, number, _vote(battle.votes, number), failed, state, asked)


def round_of_record(record: BattleRecord, number: int) -> RoundToJudge:
    """The round of a battle that Redis does not have.

    Raises:
        Conflict: the round was not judged.
    """
    vote = _vote(record.votes, number)
    if vote is not None:
        return RoundToJudge(opened(record), number, vote)
    if record.status is Status.RUNNING:  # it is on its way to Redis
        why = "both answers must be complete before you vote; read the battle for what it waits for"
        raise Conflict(why, code="not_ready")
    raise Conflict("the battle is over; start a new one", code="battle_over")


def opened(record: NewBattle | BattleRecord) -> Battle:
    """The battle as it was when it was opened."""
    contestants = tuple(Contestant(entry, model) for entry, model in enumerate(record.contestants))
    return rules.open_battle(record.id, record.message, contestants)


def _vote(votes: tuple[Vote, ...], number: int) -> Vote | None:
    return next((vote for vote in votes if vote.round == number), None)
