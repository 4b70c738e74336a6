"""Where the scale is fixed, and each rating's interval on it.

Only differences of ratings are determined. A board is *centred* on the mean of its ranked models, or *anchored* to one.
Models without a rank, and those with an open end, move nobody: the mean is that of the others, as long as there are
any. A model of the mean that has less than a quarter of the median's votes weighs less, by the square of what it has of
that quarter: how little is known of a model that just came to the ranked ones does not widen everybody's interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.ranking.board import Bounds
from app.ranking.bradley_terry import ELO, Cells, Fit
from app.ranking.graph import Bools
from app.ranking.likelihoods import Floats
from app.ranking.standing import Standing, votes_of_each

_FULL_SHARE = 0.25
"""The share of the median's votes from which on a model counts fully."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Ratings in Elo points; ``lower`` and ``upper`` are NaN where there is no such end. ``anchor`` is a number.

    ``centre`` is what each model counts in the mean that the ranked island is centred on.
    """

    rating: Floats
    lower: Floats
    upper: Floats
    bounds: tuple[Bounds, ...]
    anchor: int | None
    centre: Floats


def put_on_scale(
    cells: Cells, fit: Fit, covariance: Floats, standing: Standing, *, at: float, anchor: int | None, level: float
) -> Scale:
    """Rate all models; an ``anchor`` has ``at`` exactly, else the centre of each island has."""
    weights = _weights(cells, fit, standing, anchor)
    rating, error = _shifted(fit, covariance, weights)
    middle = _reference(standing, anchor)
    lower, upper = _interval(rating, error, standing, weights[0], _walked(fit, middle), level)
    bounds = _bounds(cells, fit, middle, anchor)
    return Scale(
        rating=at + ELO * rating,
        lower=_held(at + ELO * lower, bounds, (Bounds.BOTH, Bounds.AT_LEAST)),
        upper=_held(at + ELO * upper, bounds, (Bounds.BOTH, Bounds.AT_MOST)),
        bounds=bounds,
        anchor=anchor,
        centre=weights[0],
    )


def _interval(
    rating: Floats, error: Floats, standing: Standing, centre: Floats, walked: Bools, level: float
) -> tuple[Floats, Floats]:
    """The ends of each rating's interval; those that were ``walked`` have it at least as wide as their draws."""
    half = NormalDist().inv_cdf(0.5 + level / 2) * error
    lower, upper = rating - half, rating + half
    if walked.any():
        centred = standing.drawn[:, walked] - (standing.drawn @ centre)[:, None]
        low, high = np.quantile(centred, [0.5 - level / 2, 0.5 + level / 2], axis=0)
        # The prior decides how far a few wins reach; the normal interval keeps its word for closer models, too.
        lower[walked], upper[walked] = np.minimum(lower[walked], low), np.maximum(upper[walked], high)
    return lower, upper


def _held(values: Floats, bounds: tuple[Bounds, ...], ends: tuple[Bounds, ...]) -> Floats:
    return np.where([one in ends for one in bounds], values, np.nan)


def _weights(cells: Cells, fit: Fit, standing: Standing, anchor: int | None) -> Floats:
    """A row for each island with what each of its models counts in the centre; every row has the sum 1."""
    votes, islands = votes_of_each(cells), fit.ground.islands
    weights = np.zeros((islands, cells.models))
    for island in range(islands):
        members = fit.ground.island == island
        weights[island] = _counting(votes, _middle(members, standing, votes) if island == 0 else members)
    if anchor is not None:
        weights[0] = np.arange(cells.models) == anchor
    return weights


def _middle(members: Bools, standing: Standing, votes: Floats) -> Bools:
    """The ranked models of the core; where there are none, the nearest to them that there are."""
    choices = (
        standing.settled & standing.core,
        standing.core & members,
        standing.settled,
        members & (votes > 0),
        members,
    )
    return next(choice for choice in choices if choice.any())


def _counting(votes: Floats, middle: Bools) -> Floats:
    full = _FULL_SHARE * float(np.median(votes[middle]))
    weights = np.where(middle, np.minimum(1.0, votes / full) ** 2 if full else 1.0, 0.0)
    return np.asarray(weights / weights.sum())


def _shifted(fit: Fit, covariance: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Ratings less the centre of their island, and the standard errors of these differences."""
    mine = weights[fit.ground.island]
    rating = fit.theta - mine @ fit.theta
    spread = mine @ covariance
    variance = np.diag(covariance) - 2 * np.diag(spread) + np.einsum("ij,ij->i", spread, mine)
    return rating, np.sqrt(np.maximum(variance, 0.0))


def _reference(standing: Standing, anchor: int | None) -> int | None:
    """A model that the scale of the ranked island is fixed by; None where all of the island are."""
    core = np.flatnonzero(standing.core)
    return anchor if anchor is not None else int(core[0]) if len(core) else None


def _walked(fit: Fit, middle: int | None) -> Bools:
    """The ranked island's models whose distance from the reference has no maximum."""
    ground = fit.ground
    apart = ground.above | ground.below if middle is None else ground.group != ground.group[middle]
    return np.asarray(apart & (ground.island == 0))


def _bounds(cells: Cells, fit: Fit, middle: int | None, anchor: int | None) -> tuple[Bounds, ...]:
    votes = votes_of_each(cells)
    return tuple(
        Bounds.FIXED if n == anchor else _ends(fit, n, middle) if votes[n] else Bounds.UNKNOWN
        for n in range(cells.models)
    )


def _ends(fit: Fit, n: int, middle: int | None) -> Bounds:
    """Whether the likelihood stops the rating upwards and downwards, seen from the reference."""
    ground = fit.ground
    if middle is None or ground.island[n] != 0:
        up, down = not ground.above[n], not ground.below[n]
    else:
        up, down = bool(ground.reach[middle, n]), bool(ground.reach[n, middle])
    if up and down:
        return Bounds.BOTH
    return Bounds.AT_MOST if up else Bounds.AT_LEAST if down else Bounds.OPEN
