"""How sure a rating is: a sandwich estimate clustered by battle, fixed for few votes.

The votes of one battle share its prompt and its champion's answer, so they err together. The covariance is
V = S M S, with S the inverse Hessian and M the sum over battles of s s', s being the battle's summed score (Liang and
Zeger 1986). Three things fix it where votes are few:

- M is multiplied by N / (N - n) for N votes and n models, for the fit has already followed the votes.
- A model known from few battles would get an interval from a handful of residuals, which may all be near zero by
  chance. A vote between models seen in g battles (the less known of the two) counts g / (g + 5) by its residual,
  the rest by what the likelihood expects of it, scaled with the dispersion of all votes. The dispersion is never taken
  above 1, which is the most that a score between 0 and 1 can have.
- Votes between groups that only ever won or lost have no information in their residuals. They count wholly by what the
  likelihood expects, together with the tie the groups share, which makes these intervals wide and never empty.

A cell of n votes is n battles of one vote each: it adds n s², not (n s)².

In simulated winner-stays arenas (``benchmarks/ranking.py coverage``) intervals of 95 % so cover 94 to 97 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from app.ranking.bradley_terry import Cells, Fit, information
from app.ranking.graph import Bools, Ints, battles_of_each
from app.ranking.likelihoods import LIKELIHOODS, Floats, Slopes

EXPECTED_BATTLES = 5.0
"""How many battles the likelihood's expectation is worth beside a model's own residuals."""


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """``covariance`` over the ratings (logits, centred by island); ``style`` over style coefficients.

    ``dispersion`` is the variance of a vote over what the likelihood expects; below 1 when half-win ties are common.
    """

    covariance: Floats
    style: Floats
    dispersion: float


def uncertainty(votes: Cells, battle: Ints, cells: Cells, fit: Fit) -> Uncertainty:
    """Estimate the covariance of ``fit`` from one cell per vote; ``battle`` numbers the battle of each."""
    slopes, weight = vote_slopes(votes, fit), vote_weights(votes)
    crossing = fit.ground.group[votes.left] != fit.ground.group[votes.right]
    seen = np.bincount(votes.left, minlength=votes.models) + np.bincount(votes.right, minlength=votes.models)
    factor = float(weight.sum()) / max(float(weight.sum()) - int((seen > 0).sum()), 1.0)
    dispersion = _dispersion(slopes, weight, crossing, factor)
    trust = np.where(crossing, 0.0, _trust(votes, battle, weight))
    expected = np.where(crossing, 1.0, (1.0 - trust) * dispersion)
    share = np.sqrt(trust / weight)
    meat = factor * _clustered(votes, battle, fit, slopes.eta * share, slopes.kappa * share)
    meat += information(votes, fit.ties, _scaled(slopes, expected))
    meat += information(cells, fit.ties, _shared(cells, fit))
    whole = fit.spread @ meat @ fit.spread
    whole = (whole + whole.T) / 2
    n, width = votes.models, votes.style.shape[1]
    return Uncertainty(whole[:n, :n], whole[n : n + width, n : n + width], dispersion)


def vote_weights(votes: Cells) -> Floats:
    """How many votes each cell is."""
    return votes.left_wins + votes.right_wins + votes.ties


def vote_slopes(votes: Cells, fit: Fit) -> Slopes:
    """The derivatives of each cell at the maximum; those of its votes are alike, and added up."""
    if not votes.style.shape[1] and 3 * votes.models**2 < len(votes.left):
        return _looked_up(votes, fit)
    eta = fit.theta[votes.left] - fit.theta[votes.right] + votes.style @ fit.beta
    return LIKELIHOODS[fit.ties](eta, fit.kappa, votes.left_wins, votes.right_wins, votes.ties)


def _looked_up(votes: Cells, fit: Fit) -> Slopes:
    """The same for many votes: worked out once for each pair and verdict, then looked up."""
    gaps = np.repeat((fit.theta[:, None] - fit.theta[None, :]).ravel(), 3)
    kinds = [np.tile(np.eye(3)[kind], len(gaps) // 3) for kind in range(3)]
    of_all = LIKELIHOODS[fit.ties](gaps, fit.kappa, *kinds)
    kind = (votes.right_wins > 0) + 2 * (votes.ties > 0)
    at, weight = (votes.left * votes.models + votes.right) * 3 + kind, vote_weights(votes)
    names = ("eta", "kappa", "eta_eta", "eta_kappa", "kappa_kappa")
    return Slopes(of_all.value, *(weight * getattr(of_all, name)[at] for name in names))


def _dispersion(slopes: Slopes, weight: Floats, crossing: Bools, factor: float) -> float:
    """Squared residuals over expected ones, with one more vote that is as expected: never zero."""
    within = ~crossing
    one = float(slopes.eta_eta.sum()) / float(weight.sum())
    seen = (float((np.square(slopes.eta[within]) / weight[within]).sum()) + one) / (
        float(slopes.eta_eta[within].sum()) + one
    )
    return min(1.0, seen * factor)


def _trust(votes: Cells, battle: Ints, weight: Floats) -> Floats:
    """How far each vote's own residual is to be believed: by the battles of the less known of its models."""
    battles = battles_of_each(battle, votes.left, votes.right, votes.models, weight.astype(np.intp))
    fewer = np.minimum(battles[votes.left], battles[votes.right])
    return np.asarray(fewer / (fewer + EXPECTED_BATTLES))


def _scaled(slopes: Slopes, by: Floats) -> Slopes:
    return replace(
        slopes,
        eta_eta=slopes.eta_eta * by,
        eta_kappa=slopes.eta_kappa * by,
        kappa_kappa=slopes.kappa_kappa * by,
    )


def _shared(cells: Cells, fit: Fit) -> Slopes:
    """The information of the ties that one-sided groups share."""
    none = np.zeros_like(fit.shared)
    eta = fit.theta[cells.left] - fit.theta[cells.right] + cells.style @ fit.beta
    return LIKELIHOODS[fit.ties](eta, fit.kappa, none, none, fit.shared)


def _clustered(votes: Cells, battle: Ints, fit: Fit, by_eta: Floats, by_kappa: Floats) -> Floats:
    """The sum over battles of the outer product of a battle's summed score with itself."""
    n, width = votes.models, votes.style.shape[1] + int(fit.ties.fitted)
    order = np.argsort(battle, kind="stable")
    left, right, battle, score = votes.left[order], votes.right[order], battle[order], by_eta[order]
    whole = np.zeros((n + width, n + width))
    whole[:n, :n] = _among_models(n, left, right, battle, score)
    if width:
        dense = votes.style * by_eta[:, None]
        if fit.ties.fitted:
            dense = np.column_stack([dense, by_kappa])
        sums = _by_battle(dense[order], battle)
        for column, weight in enumerate((score[:, None] * sums).T, start=n):
            line = np.bincount(left, weight, minlength=n) - np.bincount(right, weight, minlength=n)
            whole[:n, column] = whole[column, :n] = line
        starts = np.flatnonzero(np.diff(battle, prepend=-1))
        whole[n:, n:] = sums[starts].T @ sums[starts]
    return whole


def _among_models(n: int, left: Ints, right: Ints, battle: Ints, score: Floats) -> Floats:
    """The part of it that the models have; ``battle`` is sorted.

    Scores touch two models each, so the products are added up vote by vote with those that follow at the same
    distance in the same battle: as many passes as the longest battle has votes, and no matrix of battles by models.
    """
    cross = np.zeros((n, n))
    for distance in range(int(np.bincount(battle).max(initial=0))):
        first = np.flatnonzero(battle[distance:] == battle[: len(battle) - distance])
        cross += (1.0 if distance else 0.5) * _products(n, left, right, score, first, first + distance)
    return cross + cross.T


def _products(n: int, left: Ints, right: Ints, score: Floats, one: Ints, other: Ints) -> Floats:
    weight = score[one] * score[other]
    total = np.zeros(n * n)
    for rows, row_sign in ((left[one], 1.0), (right[one], -1.0)):
        for columns, sign in ((left[other], row_sign), (right[other], -row_sign)):
            total += sign * np.bincount(rows * n + columns, weights=weight, minlength=n * n)
    return total.reshape(n, n)


def _by_battle(columns: Floats, battle: Ints) -> Floats:
    """The sum of each vote's battle, repeated for every vote; ``battle`` is sorted."""
    starts = np.flatnonzero(np.diff(battle, prepend=-1))
    sums = np.add.reduceat(columns, starts, axis=0)
    return np.asarray(np.repeat(sums, np.diff(starts, append=len(battle)), axis=0))
