"""From the records to the rows of a ranking: who met whom in battles that have ended, and how fast they wrote."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from app.database import Database
from app.hosts.names import same_model
from app.ranking.board import ModelCard
from app.ranking.speed import AnswerTiming
from app.ranking.style import AnswerStyle, measure_style
from app.ranking.votes import JudgedPair, Mark
from app.records.ended import WrittenAnswer, ended_votes, identities, written_answers
from app.records.identity import ModelIdentity
from app.records.votes import JudgedVote

_AT_ONCE = 200
"""Answers whose looks are measured in one go."""

Current = Callable[[], Collection[str]]
"""Names of the models that may still be drawn; empty when nobody knows."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who stands behind a name on the board; ``contestant`` is None for answers older than identities."""

    name: str
    contestant: str | None
    digest: str | None
    quantization: str | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that boards are made of; ``contestants`` are by the board's names.

    ``verdicts``, ``usage`` (verdicts by model name), ``categories`` and ``languages`` count marked votes, too.
    """

    rows: tuple[JudgedPair, ...] = ()
    timings: tuple[AnswerTiming, ...] = ()
    contestants: Mapping[str, Contestant] = field(default_factory=dict)
    cards: tuple[ModelCard, ...] = ()
    verdicts: Mapping[str, int] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)


async def gather(database: Database, current: Current, *, with_style: bool) -> Gathered:
    """Read what boards are made of; looks of answers are read and measured only ``with_style``.

    Raises:
        Unavailable: the database is away.
    """
    looks, timings = await _answers(database, with_style=with_style)
    votes = [vote async for vote in ended_votes(database)]
    known = await identities(database)
    return await asyncio.to_thread(_gathered, votes, looks, timings, known, tuple(current()))


async def _answers(
    database: Database, *, with_style: bool
) -> tuple[dict[tuple[str, int], AnswerStyle], list[AnswerTiming]]:
    looks: dict[tuple[str, int], AnswerStyle] = {}
    timings: list[AnswerTiming] = []
    unmeasured: list[WrittenAnswer] = []
    async for answer in written_answers(database, texts=with_style):
        timings.append(AnswerTiming(answer.model, answer.host, answer.ttft_s, answer.tokens_per_s, answer.cold))
        if answer.text:  # a forgotten answer has none, and then nothing is known of its looks
            unmeasured.append(answer)
        if len(unmeasured) >= _AT_ONCE:
            looks.update(await asyncio.to_thread(_measured, unmeasured))
            unmeasured = []
    looks.update(_measured(unmeasured))
    return looks, timings


def _measured(answers: Iterable[WrittenAnswer]) -> dict[tuple[str, int], AnswerStyle]:
    return {(answer.battle_id, answer.entry): measure_style(answer.text) for answer in answers}


def _gathered(
    votes: list[JudgedVote],
    looks: Mapping[tuple[str, int], AnswerStyle],
    timings: list[AnswerTiming],
    known: Mapping[str, ModelIdentity],
    current: tuple[str, ...],
) -> Gathered:
    labels = _labels(votes)
    usage = Counter(name for vote in votes for name in (vote.model_a, vote.model_b))
    return Gathered(
        rows=tuple(_row(vote, labels, looks) for vote in votes),
        timings=tuple(timings),
        contestants={label: _contestant(*who, known) for who, label in labels.items()},
        cards=tuple(ModelCard(label, label, _retired(name, current)) for (name, _), label in labels.items()),
        verdicts=Counter(vote.verdict.value for vote in votes),
        usage=usage,
        categories=Counter(name for vote in votes for name in vote.categories or ()),
        languages=Counter(vote.language for vote in votes if vote.language),
    )


def _labels(votes: Iterable[JudgedVote]) -> dict[tuple[str, str | None], str]:
    """What each contestant is called: by its model's name, with the head of its id where the name means several."""
    met = {who for v in votes for who in ((v.model_a, v.contestant_a), (v.model_b, v.contestant_b))}
    bearers = Counter(name for name, _ in met)
    return {(name, by): name if bearers[name] == 1 else f"{name}@{(by or 'unknown')[:8]}" for name, by in met}


def _contestant(name: str, contestant: str | None, known: Mapping[str, ModelIdentity]) -> Contestant:
    identity = known.get(contestant or "")
    if identity is None:
        return Contestant(name, contestant, None, None)
    return Contestant(name, contestant, identity.digest or None, identity.quantization or None)


def _retired(name: str, current: tuple[str, ...]) -> bool:
    return bool(current) and not any(same_model(name, model) for model in current)


def _row(
    vote: JudgedVote, labels: Mapping[tuple[str, str | None], str], looks: Mapping[tuple[str, int], AnswerStyle]
) -> JudgedPair:
    marks = {Mark.FALLBACK: vote.fallback, Mark.LEAKED: vote.leaked}
    return JudgedPair(
        model_a=labels[vote.model_a, vote.contestant_a],
        model_b=labels[vote.model_b, vote.contestant_b],
        verdict=vote.verdict,
        battle=vote.battle_id,
        round=vote.round,
        entry_a=vote.entry_a,
        entry_b=vote.entry_b,
        categories=vote.categories or (),
        language=vote.language,
        marks=frozenset(mark for mark, borne in marks.items() if borne),
        style_a=looks.get((vote.battle_id, vote.entry_a)),
        style_b=looks.get((vote.battle_id, vote.entry_b)),
        at_s=vote.created_at.timestamp(),
    )
