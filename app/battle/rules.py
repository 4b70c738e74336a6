"""The rules, pure: a battle and a move give the next battle, or ``IllegalMove``.

- The winner stays on its side, the challenger takes the loser's side.
- A tie or both_bad keeps the champion (in round one: the earlier entrant); it is recorded as what it was.
- N models end after N-1 verdicts. A contestant whose answer failed leaves at once, unranked; the next one takes
  its side and there is one round less. It never costs the battle while two others stand.
- The ranking: champion, then the beaten in reverse order of leaving, then the rest without a place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.battle.battle import Battle, Contestant, IllegalMove, Side, Status, Verdict, Vote, survivor


def open_battle(battle_id: str, message: str, contestants: tuple[Contestant, ...]) -> Battle:
    """Open a battle in round 1 with entries 0 and 1 on stage.

    Raises:
        IllegalMove: fewer than two contestants, a model twice, or entries out of order.
    """
    if len(contestants) < 2:
        raise IllegalMove("too_few_contestants", "a battle needs at least two models")
    if len({contestant.model for contestant in contestants}) != len(contestants):
        raise IllegalMove("contestant_twice", "a model can enter a battle once")
    if [contestant.entry for contestant in contestants] != list(range(len(contestants))):
        raise IllegalMove("entry_order", "entries count from 0 without a gap")
    return Battle(battle_id, message, contestants, rounds_total=len(contestants) - 1)


def _running(battle: Battle) -> None:
    if not battle.running:
        raise IllegalMove("battle_over", f"the battle is over ({battle.status}); start a new one")


def mark_ready(battle: Battle) -> Battle:
    """Both answers on stage are complete: the round can be judged.

    Raises:
        IllegalMove: the battle is over, or the round is ready already.
    """
    _running(battle)
    if battle.ready:
        raise IllegalMove("already_ready", "the round is ready already")
    return replace(battle, ready=True)


def cast_vote(
    battle: Battle, round_number: int, verdict: Verdict, failed: Iterable[int] = (), *, is_last: bool = False
) -> Battle:
    """Judge the round: the next challenger that has not ``failed`` steps in, or the battle ends.

    With ``is_last`` it ends whoever is left: its voter knows of this pair only.

    Raises:
        IllegalMove: the battle is over, another round is on stage, or its answers are not complete.
    """
    _running(battle)
    if round_number != battle.round:
        raise IllegalMove("not_this_round", f"round {battle.round} is on stage, not round {round_number}")
    if not battle.ready:
        raise IllegalMove("not_ready", "both answers must be complete before you vote")
    vote = Vote(round_number, verdict, battle.pair)
    stays = survivor(vote)
    side = Side.B if battle.pair.a == stays else Side.A
    judged = replace(battle, votes=(*battle.votes, vote), beaten=(*battle.beaten, battle.pair.on(side)), ready=False)
    judged = _without(judged, failed)
    return replace(judged, status=Status.FINISHED) if is_last else _next_round(judged, side)


def undo(battle: Battle) -> Battle:
    """Take the newest verdict back: its pair is on stage again, complete and ready to be judged.

    Raises:
        IllegalMove: the battle is over, or nothing was judged.
    """
    _running(battle)
    if not battle.votes:
        raise IllegalMove("nothing_judged", "there is no verdict to take back")
    vote = battle.votes[-1]
    back = replace(
        battle,
        votes=battle.votes[:-1],
        beaten=battle.beaten[:-1],
        pair=vote.pair,
        next_entry=max(vote.pair.a, vote.pair.b) + 1,
        round=vote.round,
        ready=True,
    )
    return replace(back, rounds_total=back.round + len(back.waiting))


def _without(battle: Battle, failed: Iterable[int]) -> Battle:
    """Take failed contestants that wait off stage out of the battle."""
    gone = tuple(entry for entry in sorted(set(failed)) if entry in battle.waiting)
    return replace(battle, failed=(*battle.failed, *gone))


def _next_round(battle: Battle, side: Side) -> Battle:
    if not battle.waiting:
        return replace(battle, status=Status.FINISHED)
    number = battle.round + 1
    stepped_in = _step_in(battle, side)
    return replace(stepped_in, round=number, rounds_total=number + len(stepped_in.waiting))


def _step_in(battle: Battle, side: Side) -> Battle:
    """Put the next waiting contestant on ``side``; there must be one."""
    entry = battle.waiting[0]
    return replace(battle, pair=battle.pair.with_entry(side, entry), next_entry=entry + 1)


def forfeit(battle: Battle, failed: Iterable[int]) -> Battle:
    """Contestants whose answers failed leave: those on stage are replaced, those off stage are passed over.

    The round keeps its number. When nobody is left to step in, the battle ends: finished if a verdict was
    given and one contestant stands, else failed.

    Raises:
        IllegalMove: the battle is over, none of ``failed`` is on stage, or one was judged before.
    """
    _running(battle)
    failed = tuple(failed)
    sides = [side for side in Side if battle.pair.on(side) in failed]
    if not sides:
        raise IllegalMove("nobody_failed", "no contestant on stage has failed")
    if battle.champion in failed:
        raise IllegalMove("answer_judged", "an answer that was judged is complete and can't fail any more")
    battle = replace(battle, failed=(*battle.failed, *(battle.pair.on(side) for side in sides)), ready=False)
    battle = _without(battle, failed)
    if len(battle.waiting) < len(sides):
        return replace(battle, status=_status_without_challengers(battle))
    for side in sides:
        battle = _step_in(battle, side)
    return replace(battle, rounds_total=battle.round + len(battle.waiting))


def _status_without_challengers(battle: Battle) -> Status:
    stands = any(battle.pair.on(side) not in battle.failed for side in Side)
    return Status.FINISHED if stands and battle.votes else Status.FAILED


def lost_without(battle: Battle, failed: Iterable[int]) -> bool:
    """Whether the battle would end without a single verdict if the contestants ``failed`` were out of it."""
    if battle.votes or battle.status is not Status.RUNNING:
        return False
    out = {*battle.failed, *failed}
    return sum(contestant.entry not in out for contestant in battle.contestants) < len(Side)


def stop(battle: Battle) -> Battle:
    """End a running battle as stopped; its votes stay.

    Raises:
        IllegalMove: the battle is over.
    """
    _running(battle)
    return replace(battle, status=Status.STOPPED, ready=False)


def fail(battle: Battle) -> Battle:
    """End a running battle as failed: it can't be continued.

    Raises:
        IllegalMove: the battle is over.
    """
    _running(battle)
    return replace(battle, status=Status.FAILED, ready=False)


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the ranking; ``place`` counts from 1 and is None for who failed or was never judged."""

    place: int | None
    entry: int
    failed: bool = False


def ranking(battle: Battle) -> tuple[Place, ...]:
    """Champion, then the beaten in reverse order of leaving, then the unjudged, then the failed."""
    champion = () if battle.champion is None else (battle.champion,)
    ranked = (*champion, *reversed(battle.beaten))
    placed = tuple(Place(place, entry) for place, entry in enumerate(ranked, start=1))
    rest = [entry for entry in range(len(battle.contestants)) if entry not in ranked]
    unjudged = tuple(Place(None, entry) for entry in rest if entry not in battle.failed)
    failed = tuple(Place(None, entry, failed=True) for entry in rest if entry in battle.failed)
    return (*placed, *unjudged, *failed)
