"""Whether ratings drift with time, and ratings that only compare votes of the same time. Pure.

The draw of contestants uses earlier verdicts and the time of day. That leaves ratings consistent if the same ratings
hold at all times. The votes are cut into epochs; a model's rating in epoch k is theta + delta_k. Twice the gain in log
likelihood of separate ratings over common ones has, without drift, a chi-squared distribution with as many degrees of
freedom as there are independent ratings more (Wilks). Models that met nobody in an epoch add none.

The stratified rating is the precision-weighted mean of the epochs' fits, joined as Gaussians: the sum of each epoch's
information about the differences between those who met in it, times its ratings, solved for one vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lgamma

import numpy as np

from app.ranking.bradley_terry import Cells, Fit, fit, information, pair_cells
from app.ranking.choices import Ties
from app.ranking.likelihoods import LIKELIHOODS, Floats, Slopes


@dataclass(frozen=True, slots=True)
class Drift:
    """``statistic`` and its degrees of ``freedom``; ``p_value`` is small if ratings differ by epoch.

    ``stratified`` are ratings (logits, centred) from comparisons within epochs only.
    """

    statistic: float
    freedom: int
    p_value: float
    stratified: Floats


def drift(epochs: Sequence[Cells], ties: Ties = Ties.HALF_WIN) -> Drift:
    """Compare one rating for all times with one for each epoch; every ``Cells`` has the same models.

    Raises:
        ValueError: no epoch has a vote.
    """
    used = [cells for cells in epochs if cells.votes > 0]
    if not used:
        raise ValueError("no epoch has a vote")
    common = fit(_together(used), ties)
    apart = [fit(cells, ties) for cells in used]
    value = sum(
        _value(cells, one, one.theta) - _value(cells, one, common.theta) for cells, one in zip(used, apart, strict=True)
    )
    freedom = sum(_freedom(one, cells) for one, cells in zip(apart, used, strict=True)) - _freedom(
        common, _together(used)
    )
    statistic = max(2.0 * value, 0.0)
    return Drift(statistic, freedom, chi_squared_above(statistic, freedom), _stratified(used, apart))


def _together(epochs: Sequence[Cells]) -> Cells:
    def joined(name: str) -> Floats:
        return np.concatenate([getattr(cells, name) for cells in epochs])

    left = np.concatenate([cells.left for cells in epochs])
    right = np.concatenate([cells.right for cells in epochs])
    return pair_cells(epochs[0].models, left, right, joined("left_wins"), joined("right_wins"), joined("ties"))


def _slopes(cells: Cells, by: Fit, theta: Floats) -> Slopes:
    eta = theta[cells.left] - theta[cells.right]
    return LIKELIHOODS[by.ties](eta, by.kappa, cells.left_wins, cells.right_wins, cells.ties)


def _value(cells: Cells, by: Fit, theta: Floats) -> float:
    return float(_slopes(cells, by, theta).value)


def _freedom(one: Fit, cells: Cells) -> int:
    """Independent differences: models that met anybody, less one for each island of them."""
    met = np.unique(np.concatenate([cells.left, cells.right]))
    return len(met) - len(np.unique(one.ground.island[met]))


def _stratified(epochs: Sequence[Cells], apart: Sequence[Fit]) -> Floats:
    n = epochs[0].models
    total, weighted = np.zeros((n, n)), np.zeros(n)
    for cells, one in zip(epochs, apart, strict=True):
        known = information(cells, one.ties, _slopes(cells, one, one.theta))[:n, :n]
        total += known
        weighted += known @ one.theta
    ratings = np.linalg.pinv(total, rcond=1e-10, hermitian=True) @ weighted
    return np.asarray(ratings - ratings.mean(), dtype=np.float64)


def chi_squared_above(statistic: float, freedom: int) -> float:
    """The chance of more than ``statistic``, by the regularised incomplete gamma function's series."""
    if freedom <= 0 or statistic <= 0.0:
        return 1.0
    half, x = freedom / 2.0, statistic / 2.0
    log_first = half * np.log(x) - x - lgamma(half + 1.0)
    term, total, k = 1.0, 1.0, half
    while term > 1e-17 * total:
        k += 1.0
        term *= x / k
        total += term
    return float(min(max(1.0 - np.exp(log_first) * total, 0.0), 1.0))
