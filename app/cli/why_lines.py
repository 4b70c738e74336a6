"""The story of a battle in lines, from what SQL has: values in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.legible import visible
from app.records.values import AnswerRecord, BattleRecord
from app.records.waits import Neighbour, RoundTimes, Stretch, stretch_of
from app.timing.story import Step

MOST_NEIGHBOURS = 3
"""How many of those that a host wrote meanwhile are named."""

SHORT_S = 0.1
"""A wait below this needs no explanation."""


@dataclass(frozen=True, slots=True)
class StoryLine:
    """What happened ``at`` (Unix time)."""

    at: float
    text: str


def story_lines(
    battle: BattleRecord,
    rounds: Sequence[RoundTimes],
    answers: Mapping[int, AnswerRecord],
    neighbours: Sequence[Neighbour],
) -> Iterator[str]:
    """Yield a headline, what happened in order with seconds since the opening, and where each round's time went."""
    opened = battle.created_at.timestamp()
    yield f"battle {battle.id}, {battle.status.value}, opened {battle.created_at:%Y-%m-%d %H:%M:%S} UTC"
    lines = [*_of_rounds(battle, rounds)]
    for entry, answer in sorted(answers.items()):
        lines += _of_answer(battle.id, entry, answer, neighbours)
    for line in sorted(lines, key=lambda line: line.at):
        yield f"{line.at - opened:8.1f} s  {line.text}"
    yield from _missing(battle, answers)
    for shown in rounds:
        yield from _verdict(battle, shown, answers)


def name_of(entry: int, model: str) -> str:
    """A contestant as the page names it until the reveal, with its model: ``A (llama3.1:8b)``."""
    return f"{chr(ord('A') + entry)} ({visible(model)})"


def _of_rounds(battle: BattleRecord, rounds: Sequence[RoundTimes]) -> Iterator[StoryLine]:
    for shown in rounds:
        names = " against ".join(name_of(entry, battle.contestants[entry]) for entry in (shown.pair.a, shown.pair.b))
        if shown.opened_at is not None:
            yield StoryLine(shown.opened_at.timestamp(), f"round {shown.round}: {names}")
        if shown.ready_at is not None:
            yield StoryLine(shown.ready_at.timestamp(), f"round {shown.round} can be judged")
    for vote, at in zip(battle.votes, battle.voted_at, strict=False):
        yield StoryLine(at.timestamp(), f"round {vote.round} is judged: {vote.verdict.value}")
    if battle.ended_at is not None:
        yield StoryLine(battle.ended_at.timestamp(), f"the battle is {battle.status.value}")


def _of_answer(battle: str, entry: int, answer: AnswerRecord, neighbours: Sequence[Neighbour]) -> Iterator[StoryLine]:
    name, when = name_of(entry, answer.model), stretch_of(answer)
    if when.queued is not None:
        yield StoryLine(when.queued, f"{name} is wanted")
    if not answer.story:
        yield from _by_figures(battle, entry, answer, when, neighbours)
        return
    before: Step | None = None
    for step in sorted(answer.story, key=lambda step: step.at):
        yield StoryLine(step.at, _of_step(step, before, name, answer, _beside(battle, entry, step, neighbours)))
        if step.event != "waited":
            before = step
        elif step.load_began is not None and step.load_ended is not None:
            yield StoryLine(step.load_began, f"{step.host} begins to load {visible(answer.model)}{_made_room(step)}")


def _by_figures(
    battle: str, entry: int, answer: AnswerRecord, when: Stretch, neighbours: Sequence[Neighbour]
) -> Iterator[StoryLine]:
    """An answer that was stored before stories were."""
    host, name = answer.host or "no host", name_of(entry, answer.model)
    if when.begun is not None and when.queued is not None:
        timing = answer.timing
        step = Step(when.begun, "waited", host, since=when.queued)
        parts = f"{timing.queue_s or 0:.1f} s in the queue, {timing.load_s or 0:.1f} s for its model's load"
        beside = _beside(battle, entry, step, neighbours)
        yield StoryLine(when.begun, f"{name} begins on {host}, after {parts}{beside} (attempt {answer.attempts})")
    if when.ended is not None:
        yield StoryLine(when.ended, _end(name, answer))


def _of_step(step: Step, before: Step | None, name: str, answer: AnswerRecord, beside: str) -> str:
    host = step.host or "no host"
    match step.event:
        case "begun":
            again = "" if step.attempt in (None, 1) else f", attempt {step.attempt}"
            return f"{host} takes {name}{again}{_why_again(step, before)}"
        case "waited":
            return f"{name} is sent to its model on {host}{_after(step)}{beside}"
        case "retried":
            return f"{host} refused {name} ({step.cause}) and is asked again"
        case "moved":
            return f"{host} could not write {name} ({step.cause}): given to {step.target}"
        case "left":
            return f"{host} stops writing {name} ({step.cause or 'somebody else writes it'})"
        case "interrupted":
            return f"{name} is given up: it was begun {step.attempt} times"
        case _:
            return _end(name, answer, step.cause)


def _why_again(step: Step, before: Step | None) -> str:
    lost = before is not None and before.event in ("begun", "retried")
    if step.attempt in (None, 1) or not lost or before is None:
        return ""
    return f": the process that wrote it on {before.host} was lost"


def _after(step: Step) -> str:
    """How long it waited, and for what."""
    waited = step.at - (step.at if step.since is None else step.since)
    if waited < SHORT_S:
        return " at once"
    if step.load_began is None or step.load_ended is None:
        return f", after {waited:.1f} s in the queue"
    load = step.load_ended - max(step.load_began, step.since or step.load_began)
    again = f", which was begun anew ({step.cause})" if step.cause else ""
    return (
        f", after {waited:.1f} s: {load:.1f} s for its model's load{again}, {max(waited - load, 0):.1f} s in the queue"
    )


def _made_room(step: Step) -> str:
    return f"; {' and '.join(map(visible, step.made_room))} had to leave for it" if step.made_room else ""


def _beside(battle: str, entry: int, step: Step, neighbours: Sequence[Neighbour]) -> str:
    """Whom the host wrote while this one waited: those that took most of the wait."""
    if step.event != "waited" or step.since is None or step.at - step.since < SHORT_S:
        return ""
    shares = [
        (min(other.ended, step.at) - max(other.begun, step.since), other)
        for other in neighbours
        if other.host == step.host and (other.battle_id, other.entry) != (battle, entry)
    ]
    met = sorted(((s, other) for s, other in shares if s >= SHORT_S), key=lambda one: -one[0])
    if not met:
        return ""
    named = [f"{_whom(other, battle)} ({share:.1f} s of it)" for share, other in met[:MOST_NEIGHBOURS]]
    more = f" and {len(met) - MOST_NEIGHBOURS} more" if len(met) > MOST_NEIGHBOURS else ""
    return f"; meanwhile {step.host} wrote {', '.join(named)}{more}"


def _whom(other: Neighbour, battle: str) -> str:
    return f"{visible(other.model)} for {'this battle' if other.battle_id == battle else other.battle_id}"


def _end(name: str, answer: AnswerRecord, cause: str | None = None) -> str:
    if answer.finish_reason in ("error", "cancelled"):
        code = answer.error_code or answer.finish_reason
        return f"{name} failed: {code}" + (f" ({cause})" if cause and cause != code else "")
    timing = answer.timing
    rate = f" at {timing.tokens_per_s:.0f} a second" if timing.tokens_per_s else ""
    first = f", its first word {timing.ttft_s:.1f} s after it was sent" if timing.ttft_s is not None else ""
    thought = f", of which {timing.thinking_s:.1f} s thinking" if timing.thinking_s >= SHORT_S else ""
    return f"{name} is complete: {timing.tokens} tokens{rate}{first}{thought}"


def _missing(battle: BattleRecord, answers: Mapping[int, AnswerRecord]) -> Iterator[str]:
    absent = [name_of(entry, model) for entry, model in enumerate(battle.contestants) if entry not in answers]
    if absent:
        yield f"nothing is stored of {', '.join(absent)}: not asked, or not complete yet"


def _verdict(battle: BattleRecord, shown: RoundTimes, answers: Mapping[int, AnswerRecord]) -> Iterator[str]:
    """Where the time of a round went: its later side decided."""
    if shown.opened_at is None or shown.ready_at is None:
        return
    took = (shown.ready_at - shown.opened_at).total_seconds()
    ends = {entry: _ended(answers.get(entry)) for entry in (shown.pair.a, shown.pair.b)}
    later = max(ends, key=lambda entry: ends[entry])
    if ends[later] <= shown.opened_at.timestamp():
        yield f"round {shown.round} took {took:.1f} s: both answers had been written before"
        return
    parts = ", ".join(f"{seconds:.1f} s {what}" for what, seconds in _parts(answers[later], shown.opened_at))
    name = name_of(later, battle.contestants[later])
    yield f"round {shown.round} took {took:.1f} s; {name} was the later side: {parts or 'nothing is known of it'}"


def _ended(answer: AnswerRecord | None) -> float:
    return 0.0 if answer is None else stretch_of(answer).ended or 0.0


def _parts(answer: AnswerRecord, opened: datetime) -> Iterable[tuple[str, float]]:
    """The parts of an answer's time, the longest first; the lost time of earlier attempts is what is left."""
    timing, when = answer.timing, stretch_of(answer)
    first = max((timing.ttft_s or 0.0) - timing.thinking_s, 0.0)
    parts = {
        "in the queue": timing.queue_s or 0.0,
        "loading its model": timing.load_s or 0.0,
        "until its first word": first,
        "thinking": timing.thinking_s,
        "writing": max(
            (timing.total_s or 0.0) - (timing.queue_s or 0.0) - (timing.load_s or 0.0) - (timing.ttft_s or 0.0), 0.0
        ),
    }
    if when.queued is not None and when.queued < opened.timestamp() - SHORT_S:
        parts["of all that before the round"] = opened.timestamp() - when.queued
    return sorted(((what, s) for what, s in parts.items() if s >= SHORT_S), key=lambda one: -one[1])
