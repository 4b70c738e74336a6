"""What is shown of a battle: the snapshot and the reveal, made from Redis or, after its TTL, from SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.arena.document import Document
from app.arena.states import AnswerState, BattleState
from app.battle import rules
from app.battle.battle import Battle, Contestant, Side, Status
from app.battle.events import SideView, Snapshot, error_data, vote_data
from app.records.values import AnswerRecord, BattleRecord
from app.timing.stopwatch import Timing


@dataclass(frozen=True, slots=True)
class Performance:
    """What the reveal says of one answer."""

    host: str | None = None
    timing: Timing | None = None
    fallback: bool = False


def snapshot_of(state: BattleState) -> Snapshot:
    """The battle as it stands in Redis."""
    battle = state.document.battle
    sides = {side: _side_view(battle.contestant(side).alias, state.answers[battle.pair.on(side)]) for side in Side}
    return _snapshot(state.document, sides, state.cursor)


def opened_snapshot(document: Document, cursor: str) -> Snapshot:
    """A battle that was opened just now: one event for the round and one for each side, which is queued."""
    sides = {side: SideView(document.battle.contestant(side).alias, "queued") for side in Side}
    return _snapshot(document, sides, cursor)


def ended_for_viewers(state: BattleState) -> Mapping[int, bool]:
    """The entries whose answers have ended as far as viewers may know (on stage), and whether each is complete."""
    waiting = state.document.battle.waiting if not state.ended else ()
    return {
        entry: answer.complete
        for entry, answer in enumerate(state.answers)
        if answer.finish and entry not in waiting and (answer.end_is_shown or not answer.stage)
    }


def _side_view(alias: str, answer: AnswerState) -> SideView:
    state: Any = answer.shown_state
    if not answer.end_is_shown:
        return SideView(alias, state, answer.shown_text)
    return SideView(alias, state, answer.shown_text, answer.finish or None, answer.error)


def _snapshot(document: Document, sides: Mapping[Side, SideView], cursor: str) -> Snapshot:
    battle = document.battle
    return Snapshot(
        battle_id=battle.id,
        status=battle.status.value,
        message=battle.message,
        round=battle.round,
        rounds_total=battle.rounds_total,
        sides=sides,
        votes=tuple(vote_data(battle, vote, document.named) for vote in battle.votes),
        can_vote=battle.ready,
        cursor=cursor,
        reveal=document.reveal,
    )


def reveal_of(battle: Battle, performance_of: Callable[[int], Performance]) -> dict[str, Any]:
    """Names, places and timings; ``champion`` is None when no verdict was given."""
    champion = None if battle.champion is None else battle.contestants[battle.champion].model
    return {"champion": champion, "ranking": [_line(battle, place, performance_of) for place in rules.ranking(battle)]}


def _line(battle: Battle, place: rules.Place, performance_of: Callable[[int], Performance]) -> dict[str, Any]:
    contestant, performance = battle.contestants[place.entry], performance_of(place.entry)
    return {
        "place": place.place,
        "alias": contestant.alias,
        "model": contestant.model,
        "host": performance.host,
        "timing": None if performance.timing is None else performance.timing.to_dict(),
        "fallback": performance.fallback,
        "failed": place.failed,
    }


def snapshot_from_records(record: BattleRecord, answers: Mapping[int, AnswerRecord], named: bool) -> Snapshot:
    """The battle as SQL holds it, for when Redis no longer does; the cursor is at its end."""
    battle = replay(record, frozenset(entry for entry, answer in answers.items() if answer.finish_reason == "error"))

    def performance_of(entry: int) -> Performance:
        answer = answers.get(entry)
        return Performance() if answer is None else Performance(answer.host, answer.timing, answer.fallback)

    reveal = None if battle.running else reveal_of(battle, performance_of)
    sides = {side: _recorded_side(battle.contestant(side), answers) for side in Side}
    return _snapshot(Document(battle, record.system, named, reveal), sides, cursor="sql-0-end")


def _recorded_side(contestant: Contestant, answers: Mapping[int, AnswerRecord]) -> SideView:
    answer = answers.get(contestant.entry)
    if answer is None:
        return SideView(contestant.alias, "failed", "", "cancelled", error_data("cancelled"))
    complete = answer.finish_reason in ("stop", "length")
    code = answer.error_code or ("cancelled" if answer.finish_reason == "cancelled" else "unavailable")
    error = None if complete else error_data(code)
    return SideView(contestant.alias, "done" if complete else "failed", answer.text, answer.finish_reason, error)


def replay(record: BattleRecord, failed: frozenset[int]) -> Battle:
    """Play the recorded votes again; contestants that ``failed`` leave when the record shows them gone."""
    contestants = tuple(Contestant(entry, model) for entry, model in enumerate(record.contestants))
    battle = rules.open_battle(record.id, record.message, contestants)
    for vote in record.votes:
        battle = _forfeit_until(battle, failed, vote.pair.a, vote.pair.b)
        ready, is_last = rules.mark_ready(battle), record.ended_with(vote)
        battle = rules.cast_vote(ready, vote.round, vote.verdict, failed, is_last=is_last)
    if battle.running and record.status is Status.STOPPED:
        return rules.stop(battle)
    if battle.running and record.status in (Status.FAILED, Status.FINISHED):
        on_stage = {battle.pair.a, battle.pair.b} & failed
        battle = rules.forfeit(battle, on_stage) if on_stage else battle
        return rules.fail(battle) if battle.running else battle
    return battle


def _forfeit_until(battle: Battle, failed: frozenset[int], a: int, b: int) -> Battle:
    """Let failed contestants leave until the pair on stage is the one that was judged."""
    while (battle.pair.a, battle.pair.b) != (a, b):
        gone = {entry for entry in (battle.pair.a, battle.pair.b) if entry in failed}
        if not gone or not battle.running:
            break
        battle = rules.forfeit(battle, gone)
    return battle
