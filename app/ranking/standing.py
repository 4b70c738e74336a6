"""Where each model stands: tied ranks, the chance to be the best, and whether its rating can be believed yet.

A model ranks behind those that are *clearly* above it: the interval of the difference excludes zero, at a level that
holds for all pairs of the board together (Sidak's correction), so that many equal models don't yield some false rank.
Everybody else shares the rank. A *provisional* model has a rating and a wide interval but no rank of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from app.ranking.bradley_terry import Cells, Fit
from app.ranking.graph import Bools, Ints
from app.ranking.likelihoods import Floats


class Provisional(StrEnum):
    """Why a rating is not to be believed yet."""

    NO_VOTES = "no_votes"
    """Nobody compared it with anything; its rating is the middle."""
    UNCONNECTED = "unconnected"
    """No chain of votes leads from it to the ranked models."""
    UNBEATEN = "unbeaten"
    """It never lost or tied, nor did those it is connected with: how much better it is can't be told."""
    WINLESS = "winless"
    """The same the other way round."""
    ONE_SIDED = "one_sided"
    """It only won against some, and only lost to the others."""
    FEW_VOTES = "few_votes"
    """Fewer votes than the board asks for."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of each model, by its number; ``first`` is the highest settled rating, None without any.

    ``rank_low`` is 1 + those clearly above, ``rank_high`` the settled models less those clearly below. Provisional
    models all have the rank after the settled ones, and no chance to be the best.
    """

    provisional: tuple[tuple[Provisional, ...], ...]
    rank_low: Ints
    rank_high: Ints
    best: Floats
    first: int | None
    second: int | None
    clear: float

    @property
    def settled(self) -> Bools:
        """Which models have a rank of their own."""
        return np.array([not reasons for reasons in self.provisional], dtype=bool)


def stand(cells: Cells, fit: Fit, covariance: Floats, *, minimum_votes: int, level: float, draws: int) -> Standing:
    """Rank the models of ``fit``; ``draws`` are of the ratings' normal distribution, from a fixed seed."""
    provisional = _provisional(cells, fit, minimum_votes)
    settled = np.flatnonzero([not reasons for reasons in provisional])
    clear = clear_z(len(settled), level)
    low = np.full(cells.models, len(settled) + 1, dtype=np.intp)
    high = np.full(cells.models, cells.models, dtype=np.intp)
    best = np.zeros(cells.models)
    if len(settled):
        above = _clearly_above(fit.theta[settled], covariance[np.ix_(settled, settled)], clear)
        low[settled] = 1 + above.sum(axis=0)
        high[settled] = len(settled) - above.sum(axis=1)
        best[settled] = _chances(fit.theta[settled], covariance[np.ix_(settled, settled)], draws)
    order = settled[np.argsort(-fit.theta[settled], kind="stable")]
    first, second = ([int(one) for one in order[:2]] + [None, None])[:2]
    return Standing(provisional, low, high, best, first, second, clear)


def clear_z(models: int, level: float) -> float:
    """How many standard errors make a difference clear among all pairs of ``models`` at once."""
    pairs = max(models * (models - 1) // 2, 1)
    return NormalDist().inv_cdf(0.5 + 0.5 * level ** (1.0 / pairs))


def difference_errors(covariance: Floats) -> Floats:
    """The standard error of every difference of two ratings."""
    own = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0.0)))


def _clearly_above(theta: Floats, covariance: Floats, clear: float) -> Bools:
    """Row i, column j: i is clearly above j."""
    difference = theta[:, None] - theta[None, :]
    return np.asarray((difference > 0) & (difference > clear * difference_errors(covariance)))


def _chances(theta: Floats, covariance: Floats, draws: int) -> Floats:
    """The share of draws in which each is the best."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    # The root that belongs to the covariance alone: eigenvectors may turn with rounding, this product does not.
    noise = np.random.default_rng(20_260_101).standard_normal((draws, len(theta))) @ (root @ vectors.T)
    return np.asarray(np.bincount((theta + noise).argmax(axis=1), minlength=len(theta)) / draws)


def _provisional(cells: Cells, fit: Fit, minimum_votes: int) -> tuple[tuple[Provisional, ...], ...]:
    counts = cells.left_wins + cells.right_wins + cells.ties
    sides = np.concatenate([cells.left, cells.right])
    votes: Floats = np.bincount(sides, np.concatenate([counts, counts]), cells.models).astype(np.float64)
    core = _core(fit, votes)
    return tuple(_reasons(fit, model, float(votes[model]), core, minimum_votes) for model in range(cells.models))


def _core(fit: Fit, votes: Floats) -> int | None:
    """The group that ranks: of those on the first island with two models or more, the one with the most votes."""
    group = fit.ground.group
    fits = (fit.ground.island == 0) & (np.bincount(group)[group] > 1)
    if not fits.any():
        return None
    return int(np.bincount(group, np.where(fits, votes, 0.0)).argmax())


def _reasons(fit: Fit, model: int, votes: float, core: int | None, minimum_votes: int) -> tuple[Provisional, ...]:
    if not votes:
        return (Provisional.NO_VOTES,)
    reasons = []
    ground = fit.ground
    if ground.island[model] != 0:
        reasons.append(Provisional.UNCONNECTED)
    if ground.group[model] != core and (ground.above[model] or ground.below[model]):
        reasons.append(_one_sided(bool(ground.above[model]), bool(ground.below[model])))
    if votes < minimum_votes:
        reasons.append(Provisional.FEW_VOTES)
    return tuple(reasons)


def _one_sided(above: bool, below: bool) -> Provisional:
    if above and below:
        return Provisional.ONE_SIDED
    return Provisional.UNBEATEN if above else Provisional.WINLESS
