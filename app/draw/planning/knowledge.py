"""What is known of the models' order, and what another vote on a pair would teach. Pure.

Ratings are the maximum of the posterior of Bradley-Terry strengths (a tie is half a win) under the weak prior that the
leaderboard orders its rows by: normal, 400 Elo points round the mean. So models without votes, unbeaten ones and
islands have a rating and a covariance too. The covariance is the inverse of the Hessian there (Laplace).

A vote on (i, j) has the information w = p (1 - p) about the difference of their ratings. A batch of n such votes takes
the variance of another difference x from s² to s² - d², with d² = n w (x' V y)² / (1 + n w y' V y), y being the
direction of (i, j). Its gain is what that takes, on average over what the votes may say, off the probability that the
order of x is wrong: Phi(-|m| / s) before, the mean of Phi(-|m + d Z| / sqrt(s² - d²)) after, over normal Z.

The x that count are neighbours in the order, and the first with each other model, each by 1 / place² of the upper one:
a board is read from the top. The rule of arXiv 2403.04132 (section 5: draw by how much a vote narrows the pair's own
interval) does not see whether an order is in doubt: two models 400 points apart get as many votes as two that are
even. Ours does. In batches that grow with the votes, for a few hardly ever turn an order that thousands have made, and
then all gains would round to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.draw.planning.pairs import PairVotes

Floats = npt.NDArray[np.float64]

PRIOR_SD = np.log(10.0)
"""400 Elo points in logits."""

BATCH = 32.0
"""How many votes a gain is reckoned for, at least."""

LATER = 0.5
"""It is reckoned for so many times all the votes there are, if that is more: what is nearly clear takes many more."""

_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_STEPS, _CLOSE = 50, 1e-9


@dataclass(frozen=True, slots=True)
class Knowledge:
    """``ratings`` (logits) of ``models``, their ``covariance``, and how many ``votes`` each has."""

    models: tuple[str, ...]
    ratings: Floats
    covariance: Floats
    votes: Floats


def learned(models: Sequence[str], votes: Iterable[PairVotes]) -> Knowledge:
    """What ``votes`` teach of ``models``; votes on others are left out."""
    at = {model: number for number, model in enumerate(models)}
    seen = [one for one in votes if one.left in at and one.right in at and one.left != one.right]
    left = np.array([at[one.left] for one in seen], dtype=np.intp)
    right = np.array([at[one.right] for one in seen], dtype=np.intp)
    count = np.array([one.left_wins + one.right_wins + one.ties for one in seen], dtype=np.float64)
    points = np.array([one.left_wins + one.ties / 2 for one in seen], dtype=np.float64)
    ratings = np.zeros(len(models))
    for _ in range(_STEPS):
        expected = _chance(ratings[left] - ratings[right])
        gradient = _gathered(len(models), left, right, points - count * expected) - ratings / PRIOR_SD**2
        move = np.linalg.solve(_hessian(len(models), left, right, count * expected * (1 - expected)), gradient)
        # The prior makes the posterior strictly concave; a step is cut so that it can't leap over the maximum.
        ratings = ratings + move / max(1.0, float(np.abs(move).max(initial=0.0)))
        if np.abs(move).max(initial=0.0) < _CLOSE:
            break
    expected = _chance(ratings[left] - ratings[right])
    covariance = np.linalg.inv(_hessian(len(models), left, right, count * expected * (1 - expected)))
    of_each = np.zeros(len(models)) + np.bincount(left, count, len(models)) + np.bincount(right, count, len(models))
    return Knowledge(tuple(models), ratings, np.asarray(covariance, dtype=np.float64), of_each)


def gains(known: Knowledge, batch: float | None = None) -> Floats:
    """How much ``batch`` votes on each pair take off the weighted chance of a wrong order: symmetric, 0 with itself."""
    batch = max(BATCH, LATER * float(known.votes.sum()) / 2) if batch is None else batch
    n = len(known.models)
    if n < 2:
        return np.zeros((n, n))
    upper, lower, weight = _doubts(known.ratings)
    mean = known.ratings[upper] - known.ratings[lower]
    variance = _variance(known.covariance, upper, lower)
    before = _wrong(mean, np.sqrt(variance))
    found = np.zeros((n, n))
    for i in range(n):
        taken = _taken(known, i, upper, lower, batch)
        sd = np.sqrt(np.maximum(variance - taken, 1e-12))
        moved = mean[:, None] + np.sqrt(taken)[..., None] * _NODES
        after = (_wrong(moved, sd[..., None]) @ _NODE_WEIGHTS) / _NODE_WEIGHTS.sum()
        found[i] = np.maximum((before - after) @ weight, 0.0)
    np.fill_diagonal(found, 0.0)
    return np.asarray((found + found.T) / 2, dtype=np.float64)


def _doubts(ratings: Floats) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """The differences whose sign matters: neighbours, and the first with every other, by 1 / the upper's place²."""
    order = np.argsort(-ratings, kind="stable")
    upper = [*order[:-1], *[order[0]] * (len(order) - 2)]
    lower = [*order[1:], *order[2:]]
    weight = [*(1.0 / place**2 for place in range(1, len(order))), *[1.0] * (len(order) - 2)]
    return np.array(upper), np.array(lower), np.array(weight)


def _taken(known: Knowledge, i: int, upper: npt.NDArray[np.intp], lower: npt.NDArray[np.intp], batch: float) -> Floats:
    """What ``batch`` votes on i and each other model take off the variance of each difference; one row per model."""
    covariance = known.covariance
    chance = _chance(known.ratings[i] - known.ratings)
    information = batch * chance * (1 - chance)
    own = np.maximum(covariance[i, i] + np.diag(covariance) - 2 * covariance[i], 0.0)
    across = covariance[i][None, :] - covariance
    shared = across[:, upper] - across[:, lower]
    return np.asarray(information[:, None] * shared**2 / (1 + information * own)[:, None], dtype=np.float64)


def _variance(covariance: Floats, one: npt.NDArray[np.intp], other: npt.NDArray[np.intp]) -> Floats:
    found = covariance[one, one] + covariance[other, other] - 2 * covariance[one, other]
    return np.asarray(np.maximum(found, 1e-12), dtype=np.float64)


def _wrong(mean: Floats, sd: Floats) -> Floats:
    """The chance that a difference has the other sign than its mean."""
    return below(-np.abs(mean) / sd)


def below(x: Floats) -> Floats:
    """The normal distribution function for x <= 0, to 8e-8: formula 26.2.17 of Abramowitz and Stegun."""
    t = 1.0 / (1.0 - 0.2316419 * x)
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    return np.asarray(np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * series, dtype=np.float64)


def _chance(difference: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-difference)), dtype=np.float64)


def _gathered(n: int, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp], what: Floats) -> Floats:
    return np.asarray(np.bincount(left, what, n) - np.bincount(right, what, n), dtype=np.float64)


def _hessian(n: int, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp], information: Floats) -> Floats:
    pairs = np.bincount(left * n + right, information, n * n).reshape(n, n)
    both = pairs + pairs.T
    return np.asarray(np.diag(both.sum(axis=1)) - both + np.eye(n) / PRIOR_SD**2, dtype=np.float64)
