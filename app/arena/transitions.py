"""Which change of a battle is due, by what SQL and its answers say. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from app.arena.states import BattleState
from app.arena.steps import LogEvent, ShowSide, Step
from app.battle import rules
from app.battle.battle import Battle, Side, Status, Vote
from app.battle.events import Event, EventName, ready_event, round_event, vote_data
from app.records.values import BattleRecord, RoundRecord

OPENING = timedelta(seconds=1)
"""A battle younger than this that Redis does not have is being opened by somebody else."""


@dataclass(frozen=True, slots=True)
class Transition:
    """A change that is due: the battle after it and the steps that log it."""

    battle: Battle
    steps: tuple[Step, ...]


def next_transition(state: BattleState, record: BattleRecord) -> Transition | None:
    """The next change that is due, or None. Pure."""
    battle = state.document.battle
    if state.ended or not battle.running:
        return None
    if battle.votes and battle.votes[-1] not in record.votes:
        return _taken_back(battle)
    judged = next((vote for vote in record.votes if vote.round == battle.round), None)
    if judged is not None:
        return _judged(state, judged, is_last=record.ended_with(judged))
    if record.status is Status.STOPPED:
        return Transition(rules.stop(battle), ())
    if record.status is Status.FAILED:
        return Transition(rules.fail(battle), ())
    if {battle.pair.a, battle.pair.b} & failed_entries(state):
        after = rules.forfeit(battle, failed_entries(state))
        return Transition(after, stage_steps(after))
    if not battle.ready and all(state.answers[battle.pair.on(side)].complete for side in Side):
        return Transition(rules.mark_ready(battle), (LogEvent(ready_event(battle)),))
    return None


def _taken_back(battle: Battle) -> Transition:
    """The newest verdict is taken back: its round can be judged again."""
    after = rules.undo(battle)
    event = Event(EventName.UNVOTE, {"round": after.round})
    return Transition(after, (LogEvent(event), *stage_steps(after), LogEvent(ready_event(after))))


def _judged(state: BattleState, vote: Vote, *, is_last: bool) -> Transition:
    """The round that is on was judged."""
    battle = state.document.battle
    ready = battle if battle.ready else rules.mark_ready(battle)
    after = rules.cast_vote(ready, vote.round, vote.verdict, failed_entries(state), is_last=is_last)
    event = Event(EventName.VOTE, vote_data(after, vote, state.document.named))
    return Transition(after, (LogEvent(event), *stage_steps(after)))


def failed_entries(state: BattleState) -> frozenset[int]:
    """The entries whose answers ended without a text."""
    return frozenset(entry for entry, answer in enumerate(state.answers) if answer.failed)


def stage_steps(battle: Battle) -> tuple[Step, ...]:
    """The round on stage: its event, then what each side already has; nothing when the battle has ended."""
    if not battle.running:
        return ()
    shows = (ShowSide(battle.pair.on(side), battle.round, side) for side in Side)
    return (LogEvent(round_event(battle)), *shows)


def is_opening(record: BattleRecord, now: datetime) -> bool:
    """Whether a battle that Redis does not have is so young that its log is on the way there. Judged, it was there."""
    unjudged = record.status is Status.RUNNING and not record.votes
    return unjudged and now - record.created_at < OPENING


def is_stored(state: BattleState, record: BattleRecord) -> bool:
    """Whether SQL has the round on stage and all answers that have ended: ``ready`` was logged after one commit of all.

    SQL is asked for its number of answers nevertheless: a database may have lost its last commits in a power failure.
    """
    return state.document.battle.ready and record.answers_stored == sum(bool(each.finish) for each in state.answers)


def rounds_of(before: Battle, after: Battle) -> list[RoundRecord]:
    """The rounds of a transition: the one that was on stage, and the one that comes."""
    same_pair = (after.round, after.pair) == (before.round, before.pair)
    judged = len(after.votes) > len(before.votes)
    shown = RoundRecord(before.round, before.pair, before.ready or judged or (same_pair and after.ready))
    return [shown] if same_pair else [shown, RoundRecord(after.round, after.pair, False)]
