"""Who did what against whom: the plain record of each pair beside what its ratings expect of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.ranking.board import PairRecord
from app.ranking.bradley_terry import Cells, Fit
from app.ranking.counts import figure
from app.ranking.graph import Bools, Ints
from app.ranking.likelihoods import Floats, shares
from app.ranking.table import BOTH_BAD, TIE, A, B, VoteTable

MOST_MODELS = 40
"""Only the records among so many of the first rows are listed: all others would be hundreds of kilobytes."""


@dataclass(frozen=True, slots=True)
class Meetings:
    """The pairs that met in votes that compare.

    ``points`` are those of ``low`` (the lower number) in ``votes``, ``expected`` what the ratings make of them.
    ``variance`` is that of the points. ``won`` and ``lost`` leave ties out.
    """

    low: Ints
    high: Ints
    votes: Floats
    won: Floats
    lost: Floats
    points: Floats
    expected: Floats
    variance: Floats

    @property
    def surprise(self) -> Floats:
        """How far the points are from the expected ones, in standard errors."""
        return np.asarray((self.points - self.expected) / np.sqrt(np.maximum(self.variance, 1e-12)))


def meet(cells: Cells, fit: Fit, dispersion: float) -> Meetings:
    """Add the cells up by pair; ``dispersion`` is the variance of a vote over what the likelihood expects."""
    turned = cells.left > cells.right
    won = np.where(turned, cells.right_wins, cells.left_wins)
    lost = np.where(turned, cells.left_wins, cells.right_wins)
    votes = won + lost + cells.ties
    score, variance = _expected(cells, fit, turned, dispersion)
    low, high = np.minimum(cells.left, cells.right), np.maximum(cells.left, cells.right)
    pairs, which = np.unique(low * cells.models + high, return_inverse=True)

    def summed(parts: Floats) -> Floats:
        return np.bincount(which, weights=parts, minlength=len(pairs)).astype(np.float64)

    return Meetings(
        low=np.asarray(pairs // cells.models),
        high=np.asarray(pairs % cells.models),
        votes=summed(votes),
        won=summed(won),
        lost=summed(lost),
        points=summed(won + cells.ties / 2),
        expected=summed(votes * score),
        variance=summed(votes * variance),
    )


def _expected(cells: Cells, fit: Fit, turned: Bools, dispersion: float) -> tuple[Floats, Floats]:
    """The points that a vote of each cell gives the lower number, on the right if ``turned``: mean and variance."""
    eta = fit.theta[cells.left] - fit.theta[cells.right] + cells.style @ fit.beta
    left, right, tie = shares(fit.ties, eta, fit.kappa)
    wins = np.where(turned, right, left)
    score = wins + tie / 2
    return score, (wins + tie / 4 - score * score) * (1.0 if fit.ties.fitted else dispersion)


def list_records(table: VoteTable, order: Sequence[str], meetings: Meetings | None) -> tuple[PairRecord, ...]:
    """The records among the first models of ``order``, in its order."""
    place = {model: number for number, model in enumerate(order[:MOST_MODELS])}
    counts = _counted(table)
    rated = {} if meetings is None else _rated(meetings)
    pairs = []
    for low, high in counts:
        one, other = table.models[low], table.models[high]
        if one in place and other in place:
            pairs.append((low, high) if place[one] < place[other] else (high, low))
    pairs.sort(key=lambda pair: (place[table.models[pair[0]]], place[table.models[pair[1]]]))
    return tuple(_record(table.models, counts, rated, *pair) for pair in pairs)


def _counted(table: VoteTable) -> dict[tuple[int, int], Ints]:
    """Wins of the lower number, of the higher, ties and both bad, by pair."""
    turned = table.left > table.right
    verdict = np.where(turned & (table.verdict <= B), A + B - table.verdict, table.verdict)
    low, high = np.minimum(table.left, table.right), np.maximum(table.left, table.right)
    pairs, which = np.unique(low * max(len(table.models), 1) + high, return_inverse=True)
    counts = np.bincount(which * 4 + verdict, weights=table.weight, minlength=4 * len(pairs)).reshape(-1, 4)
    numbers = [divmod(int(pair), len(table.models)) for pair in pairs]
    return dict(zip(numbers, counts.astype(np.intp), strict=True))


def _rated(meetings: Meetings) -> dict[tuple[int, int], tuple[float, float, float]]:
    """Share, expected share and surprise of the lower number, by pair."""
    figures = zip(
        meetings.low.tolist(),
        meetings.high.tolist(),
        (meetings.points / meetings.votes).tolist(),
        (meetings.expected / meetings.votes).tolist(),
        meetings.surprise.tolist(),
        strict=True,
    )
    return {(low, high): (share, expected, surprise) for low, high, share, expected, surprise in figures}


def _record(
    models: Sequence[str],
    counts: dict[tuple[int, int], Ints],
    rated: dict[tuple[int, int], tuple[float, float, float]],
    one: int,
    other: int,
) -> PairRecord:
    pair = (min(one, other), max(one, other))
    wins, losses, ties, both_bad = (int(counts[pair][verdict]) for verdict in (A, B, TIE, BOTH_BAD))
    share, expected, surprise = rated.get(pair, (None, None, None))
    if one > other:
        wins, losses = losses, wins
        share, expected, surprise = _seen_from_above(share, expected, surprise)
    return PairRecord(
        model=models[one],
        opponent=models[other],
        wins=wins,
        losses=losses,
        ties=ties,
        both_bad=both_bad,
        share=_rounded(share, 4),
        expected=_rounded(expected, 4),
        surprise=_rounded(surprise, 2),
    )


def _seen_from_above(
    share: float | None, expected: float | None, surprise: float | None
) -> tuple[float | None, float | None, float | None]:
    """The figures of the other side."""
    if share is None or expected is None or surprise is None:
        return None, None, None
    return 1.0 - share, 1.0 - expected, -surprise


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else figure(value, digits)
