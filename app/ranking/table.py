"""The votes that a board is made of as columns.

Rows are brought into one order (battle, round, pair) whatever order they came in, so that sums of floats, and with them
the bytes of a board, depend on the votes alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from app.battle.battle import Verdict
from app.ranking.bradley_terry import Cells, pair_cells
from app.ranking.choices import ALL_FEATURES, Effect, StyleFeature
from app.ranking.clusters import Clusters
from app.ranking.effects import effect_columns
from app.ranking.graph import Bools, Ints
from app.ranking.likelihoods import Floats
from app.ranking.style import contrasts
from app.ranking.votes import JudgedPair, Selection
from app.records.style import AnswerStyle

A, B, TIE, BOTH_BAD = range(4)
_CODES = {Verdict.A: A, Verdict.B: B, Verdict.TIE: TIE, Verdict.BOTH_BAD: BOTH_BAD}
_NO_STYLE = AnswerStyle()


@dataclass(frozen=True, slots=True)
class VoteTable:
    """Counted votes in columns; side a is left. ``models`` are sorted, ``battle`` numbers battles from 0.

    A row of ``weight`` n is n votes that are alike, each in a battle of its own, which share a number here.

    ``verdict`` is A, B, TIE or BOTH_BAD of this module; ``entry_*``, ``voter`` and ``prompt`` are -1 where unknown;
    ``style_*`` has a column for each of ALL_FEATURES. ``left_out`` counts what the selection refused, by reason.
    """

    models: tuple[str, ...]
    left: Ints
    right: Ints
    verdict: Ints
    battle: Ints
    round: Ints
    entry_a: Ints
    entry_b: Ints
    weight: Ints
    style_a: Floats
    style_b: Floats
    voter: Ints
    prompt: Ints
    newest_s: float | None
    left_out: tuple[tuple[str, int], ...]


def tabulate(rows: Iterable[JudgedPair], selection: Selection | None = None) -> VoteTable:
    """Select the rows that count and put them into columns, in an order of their own."""
    chosen, left_out = _choose(rows, selection or Selection())
    models, battles, numbers = _columns(chosen)
    # Where only one side was measured nothing is known of the difference.
    style_a = _styles([None if row.style_b is None else row.style_a for row in chosen])
    style_b = _styles([None if row.style_a is None else row.style_b for row in chosen])
    order = np.lexsort([*style_b.T, *style_a.T, *numbers.T[::-1]])
    battle, round_, left, right, verdict, entry_a, entry_b, weight, voter, prompt = numbers[order].T
    return VoteTable(
        models=models,
        left=left,
        right=right,
        verdict=verdict,
        battle=_with_own_battles(battle, battles),
        round=round_,
        entry_a=entry_a,
        entry_b=entry_b,
        weight=weight,
        style_a=style_a[order],
        style_b=style_b[order],
        voter=voter,
        prompt=prompt,
        newest_s=max((row.at_s for row in chosen if row.at_s is not None), default=None),
        left_out=tuple(sorted(left_out.items())),
    )


def _columns(rows: Sequence[JudgedPair]) -> tuple[tuple[str, ...], int, Ints]:
    """The models, how many battles have a name, and a row of ten numbers for each of ``rows``."""
    models = sorted({row.model_a for row in rows} | {row.model_b for row in rows})
    index = {name: number for number, name in enumerate(models)}
    names = sorted({row.battle for row in rows if row.battle is not None})
    battles = {name: number for number, name in enumerate(names)}
    voters, prompts = _keyed(row.voter for row in rows), _keyed(row.prompt for row in rows)
    numbers = np.array([_numbers(row, index, battles, voters, prompts) for row in rows], dtype=np.intp)
    return tuple(models), len(battles), numbers.reshape(len(rows), 10)


def _choose(rows: Iterable[JudgedPair], selection: Selection) -> tuple[list[JudgedPair], Counter[str]]:
    chosen: list[JudgedPair] = []
    left_out: Counter[str] = Counter()
    for row in rows:
        reason = selection.refuses(row)
        if reason is None:
            chosen.append(row)
        else:
            left_out[reason] += row.count
    return chosen, left_out


def _keyed(keys: Iterable[str | None]) -> dict[str | None, int]:
    """A number for each key, in their order; -1 for none."""
    return {None: -1} | {key: number for number, key in enumerate(sorted({key for key in keys if key is not None}))}


def _numbers(
    row: JudgedPair,
    index: dict[str, int],
    battles: dict[str, int],
    voters: dict[str | None, int],
    prompts: dict[str | None, int],
) -> tuple[int, ...]:
    """Battle (past all others where there is none), round, left, right, verdict, entries, weight, voter, prompt."""
    return (
        len(battles) if row.battle is None else battles[row.battle],
        row.round,
        index[row.model_a],
        index[row.model_b],
        _CODES[row.verdict],
        -1 if row.entry_a is None else row.entry_a,
        -1 if row.entry_b is None else row.entry_b,
        row.count,
        voters[row.voter],
        prompts[row.prompt],
    )


def _with_own_battles(battle: Ints, named: int) -> Ints:
    """Votes without a battle stand last; number them on, one battle each."""
    alone = battle == named
    return np.asarray(battle + np.where(alone, np.cumsum(alone) - 1, 0))


def _styles(styles: list[AnswerStyle | None]) -> Floats:
    found = [_NO_STYLE if style is None else style for style in styles]
    table = [(style.length, style.headers, style.lists, style.bold) for style in found]
    return np.array(table, dtype=np.float64).reshape(len(styles), len(ALL_FEATURES))


def vote_cells(
    table: VoteTable, features: tuple[StyleFeature, ...] = (), effects: tuple[Effect, ...] = ()
) -> tuple[Cells, Ints]:
    """One cell per row of votes that compare (both_bad does not), and the battle of each.

    The covariates are ``features`` of style, then ``effects``.
    """
    rated = table.verdict != BOTH_BAD
    verdict, weight = table.verdict[rated], table.weight[rated].astype(np.float64)
    cells = Cells(
        models=len(table.models),
        left=table.left[rated],
        right=table.right[rated],
        left_wins=np.where(verdict == A, weight, 0.0),
        right_wins=np.where(verdict == B, weight, 0.0),
        ties=np.where(verdict == TIE, weight, 0.0),
        style=_covariates(table, rated, features, effects),
    )
    return cells, table.battle[rated]


def _covariates(
    table: VoteTable, rated: Bools, features: tuple[StyleFeature, ...], effects: tuple[Effect, ...]
) -> Floats:
    """A row for each ``rated`` row of the table."""
    columns = [ALL_FEATURES.index(feature) for feature in features]
    a, b = table.style_a[rated][:, columns], table.style_b[rated][:, columns]
    effect_values = effect_columns(effects, table.round[rated], table.entry_a[rated], table.entry_b[rated])
    return np.concatenate([contrasts(a, b), effect_values], axis=1)


def vote_clusters(table: VoteTable) -> Clusters:
    """What the votes that compare belong to, in the order of ``vote_cells``."""
    rated = table.verdict != BOTH_BAD
    return Clusters(table.battle[rated], table.voter[rated], table.prompt[rated])


def aggregated(votes: Cells) -> Cells:
    """The same votes, one cell per pair; votes with style stay as they are, since no two are alike."""
    if not votes.style.shape[1]:
        return pair_cells(votes.models, votes.left, votes.right, votes.left_wins, votes.right_wins, votes.ties)
    effect_values = votes.style.astype(np.intp)
    if (np.abs(effect_values) <= 1).all() and np.array_equal(effect_values, votes.style):
        return _by_effects(votes, effect_values)
    return votes


def _by_effects(votes: Cells, effect_values: Ints) -> Cells:
    """One cell for each pair and what its sides have of the effects."""
    rows, which = np.unique(np.column_stack([votes.left, votes.right, effect_values]), axis=0, return_inverse=True)
    won, lost, tied = (
        np.bincount(which.ravel(), part, len(rows)).astype(np.float64)
        for part in (votes.left_wins, votes.right_wins, votes.ties)
    )
    return Cells(votes.models, rows[:, 0], rows[:, 1], won, lost, tied, rows[:, 2:].astype(np.float64))
