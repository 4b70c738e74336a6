"""From the records to the rows of a ranking: who met whom in battles that have ended, and how fast they wrote."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import product
from sys import intern
from typing import Literal, NamedTuple

from app.battle.battle import Verdict
from app.database.database import Database
from app.hosts.names import same_model
from app.leaderboard.query import LeaderboardQuery
from app.legible import visible
from app.ranking.board import ModelCard
from app.ranking.choices import Clustering
from app.ranking.votes import AnswerTiming, JudgedPair, Mark
from app.records.ended import WrittenAnswer, ended_votes, identities, repeated_prompts, written_answers
from app.records.identity import ModelIdentity
from app.records.imported import Apart, ImportedVotes, imported_sums
from app.records.style import AnswerStyle
from app.records.votes import JudgedVote

_MARKS = {
    borne: frozenset(mark for mark, is_borne in zip(Mark, borne, strict=True) if is_borne)
    for borne in product((False, True), repeat=len(Mark))
}
"""The marks of a vote, by whether it bears each of them, in their order."""


def counted_marks(named_votes: Literal["leave_out", "count"]) -> frozenset[Mark]:
    """The marks that are no reason to leave a vote out, by the operator's setting."""
    return frozenset({Mark.NAMED} if named_votes == "count" else ())


Current = Callable[[], Collection[str]]
"""Names of the models that may still be drawn; empty when nobody knows."""


@dataclass(frozen=True, slots=True)
class BoardContestant:
    """Who stands behind a name on the board; ``contestant`` is None for answers older than identities."""

    name: str
    contestant: str | None
    digest: str | None
    quantization: str | None


@dataclass(frozen=True, slots=True)
class Gathered:
    """All that boards are made of; ``contestants`` are by the board's names.

    ``verdicts``, ``usage`` (verdicts by model name), ``categories`` and ``languages`` count marked votes, too, but
    neither void ones nor those of voters who knew names, unless these count on every board; of such votes they have
    the names only (0), since boards may be asked for that let them in.
    """

    rows: tuple[JudgedPair, ...] = ()
    timings: tuple[AnswerTiming, ...] = ()
    contestants: Mapping[str, BoardContestant] = field(default_factory=dict)
    cards: tuple[ModelCard, ...] = ()
    verdicts: Mapping[str, int] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)


async def gather(
    database: Database,
    current: Current,
    *,
    with_style: bool,
    with_voters: bool = False,
    since: Sequence[datetime] = (),
    counted: frozenset[Mark] = frozenset(),
) -> Gathered:
    """Read what boards are made of; the answers' style is read only ``with_style``.

    Marks that are ``counted`` are no reason to leave a vote out: no row bears them.

    Imported votes are summed up, those before and after a moment of ``since`` apart. Voters of these are told only
    where they are few, or ``with_voters``.

    Raises:
        Unavailable: the database is unavailable.
    """
    known, gathering = await identities(database), _Gathering(with_style, await repeated_prompts(database), counted)
    async with aclosing(written_answers(database)) as chunks:
        async for answers in chunks:
            await asyncio.to_thread(gathering.add_answers, answers)
    async with aclosing(ended_votes(database)) as rows:
        async for votes in rows:
            await asyncio.to_thread(gathering.add_votes, votes)
    async with aclosing(imported_sums(database, Apart(with_style, with_voters, tuple(since)))) as sums:
        async for imported in sums:
            await asyncio.to_thread(gathering.add_imported, imported)
    return gathering.whole(known, tuple(current()))


class _Kind(NamedTuple):
    """What imported votes have in common that are one row of a ranking."""

    model_a: str
    model_b: str
    verdict: Verdict
    language: str | None
    categories: tuple[str, ...] | None
    voter: str | None
    period: int


class _Gathering:
    """What was read so far. All answers come before the votes, so that it is known which names mean several models."""

    def __init__(self, with_style: bool, prompts: Mapping[str, str], counted: frozenset[Mark]) -> None:
        self._with_style = with_style
        self._counted = counted
        self._prompts = prompts
        self._bearers: dict[str, set[str | None]] = defaultdict(set)
        self._judged: dict[str, tuple[str, str | None]] = {}
        self._timings: list[AnswerTiming] = []
        self._rows: list[JudgedPair] = []
        self._imported: dict[_Kind, tuple[int, datetime]] = {}
        self._verdicts: Counter[str] = Counter()
        self._usage: Counter[str] = Counter()
        self._categories: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()

    def add_answers(self, answers: Iterable[WrittenAnswer]) -> None:
        """Take a chunk of answers."""
        for answer in answers:
            self._bearers[answer.model].add(answer.contestant_id)
            timing = AnswerTiming(answer.model, answer.host, answer.ttft_s, answer.tokens_per_s, answer.cold)
            self._timings.append(timing)

    def add_votes(self, votes: Iterable[JudgedVote]) -> None:
        """Take a chunk of votes."""
        for vote in votes:
            self._rows.append(self._row(vote))
            if not vote.void:
                self._count(vote, 0 if vote.named and Mark.NAMED not in self._counted else 1)

    def add_imported(self, sums: Iterable[ImportedVotes]) -> None:
        """Take in votes that were imported without a battle. Like ones of several ranges become one row."""
        for alike in sums:
            names = (alike.model_a, alike.model_b, alike.verdict, alike.language, alike.categories)
            kind = _Kind(*names, alike.voter, alike.period)
            if alike.style_a is None or alike.style_b is None:
                count, newest = self._imported.get(kind, (0, alike.newest))
                self._imported[kind] = count + alike.count, max(newest, alike.newest)
            else:
                self._rows.append(self._imported_row(kind, alike.count, alike.newest, alike.style_a, alike.style_b))
            self._count(alike, alike.count)

    def _count(self, vote: JudgedVote | ImportedVotes, times: int = 1) -> None:
        self._verdicts[vote.verdict.value] += times
        for model in (vote.model_a, vote.model_b):
            self._usage[model] += times
        for category in vote.categories or ():
            self._categories[category] += times
        if vote.language:
            self._languages[vote.language] += times

    def whole(self, known: Mapping[str, ModelIdentity], current: tuple[str, ...]) -> Gathered:
        """What was read."""
        self._rows += [self._imported_row(kind, *seen) for kind, seen in self._imported.items()]
        self._shorten()
        return Gathered(
            rows=tuple(self._rows),
            timings=tuple(self._timings),
            contestants={label: _contestant(*who, known) for label, who in self._judged.items()},
            cards=tuple(
                ModelCard(label, visible(label), _retired(name, current)) for label, (name, _) in self._judged.items()
            ),
            verdicts=self._verdicts,
            usage=self._usage,
            categories=self._categories,
            languages=self._languages,
        )

    def _shorten(self) -> None:
        """Take the id from names that only one judged contestant bears: the others wrote, but nobody judged them."""
        judged = Counter(name for name, _ in self._judged.values())
        short = {label: name for label, (name, _) in self._judged.items() if label != name and judged[name] == 1}
        if short:
            self._judged = {short.get(label, label): who for label, who in self._judged.items()}
            self._rows = [
                replace(row, model_a=short.get(row.model_a, row.model_a), model_b=short.get(row.model_b, row.model_b))
                for row in self._rows
            ]

    def _row(self, vote: JudgedVote) -> JudgedPair:
        return JudgedPair(
            model_a=self._label(vote.model_a, vote.contestant_a),
            model_b=self._label(vote.model_b, vote.contestant_b),
            verdict=vote.verdict,
            battle=vote.battle_id,
            round=vote.round,
            entry_a=vote.entry_a,
            entry_b=vote.entry_b,
            categories=tuple(map(intern, vote.categories or ())),
            language=intern(vote.language) if vote.language else None,
            marks=_MARKS[vote.fallback, vote.leaked, vote.cut_prompt, vote.named, vote.batch] - self._counted,
            style_a=vote.style_a if self._with_style else None,
            style_b=vote.style_b if self._with_style else None,
            at_s=vote.created_at.timestamp(),
            void=vote.void,
            voter=None if vote.voter is None else intern(vote.voter),
            prompt=self._prompts.get(vote.battle_id, vote.battle_id),
        )

    def _imported_row(
        self,
        kind: _Kind,
        count: int,
        newest: datetime,
        style_a: AnswerStyle | None = None,
        style_b: AnswerStyle | None = None,
    ) -> JudgedPair:
        return JudgedPair(
            model_a=self._label(kind.model_a, None),
            model_b=self._label(kind.model_b, None),
            verdict=kind.verdict,
            categories=kind.categories or (),
            language=kind.language,
            style_a=style_a,
            style_b=style_b,
            at_s=newest.timestamp(),
            count=count,
            voter=kind.voter,
        )

    def _label(self, name: str, contestant: str | None) -> str:
        """What a contestant is called: by its model's name, with the head of its id where the name means several."""
        alone = self._bearers[name] <= {contestant}
        label = intern(name if alone else f"{name}@{(contestant or 'unknown')[:8]}")
        self._judged[label] = (name, contestant)
        return label


def _contestant(name: str, contestant: str | None, known: Mapping[str, ModelIdentity]) -> BoardContestant:
    identity = known.get(contestant or "")
    if identity is None:
        return BoardContestant(name, contestant, None, None)
    return BoardContestant(name, contestant, identity.digest or None, identity.quantization or None)


def _retired(name: str, current: tuple[str, ...]) -> bool:
    return bool(current) and not any(same_model(name, model) for model in current)


async def gather_for(
    database: Database,
    current: Current,
    queries: Sequence[LeaderboardQuery],
    counted: frozenset[Mark] = frozenset(),
) -> Gathered:
    """Read what the boards of ``queries`` are made of; votes with marks that are ``counted`` count on all of them.

    Raises:
        Unavailable: the database is unavailable.
    """
    return await gather(
        database,
        current,
        with_style=any(query.features for query in queries),
        with_voters=any(query.clustering is Clustering.VOTER for query in queries),
        since=sorted({query.begins_at for query in queries if query.begins_at is not None}),
        counted=counted,
    )
