"""Which pairs tell most of who is first, and the weights of pairs that are drawn by: that, and the order below. Pure.

The rule is a top-two one (Russo 2016, "Simple Bayesian Algorithms for Best Arm Identification"; Qin, Klein and Russo
2017): draw a leader from the posterior of who is first, then one that may be first in its place. Both are reckoned,
not sampled, so that each pair has a stated probability:

- that i is first, by the posterior's pairwise chances: proportional to the product over j of Phi(m_ij / s_ij), m_ij
  being the difference of the ratings and s_ij its standard deviation;
- that j is put against it, by how likely the data are if both are even: proportional to exp(-(m_ij / s_ij)² / 2). This
  is the transportation cost by which the challenger is found in T3C (Shang et al. 2020), as a weight.

Its share falls from nearly all while the first is in doubt to a half where its chance is ``CLEAR``, at which the board
takes it for the best, and goes on falling. The rest goes to the pairs by their gains (``knowledge``): the order of all
neighbours. Gains alone ask how often votes on a pair turn an order, and give the two that decide the first place hardly
more than others.
"""

from __future__ import annotations

import numpy as np

from app.draw.planning.knowledge import Floats, Knowledge, below, gains

CLEAR = 0.975
"""The chance to be first at which the board takes a model for the best."""


def weights(known: Knowledge) -> Floats:
    """What each pair is drawn by: symmetric, 0 with itself; those of all pairs add up to 1."""
    if len(known.models) < 2:
        return np.zeros((len(known.models), len(known.models)))
    doubt = 1.0 - float(chances_of_first(known).max())
    share = doubt / (doubt + 1.0 - CLEAR)
    return share * first_two(known) + (1.0 - share) * _shares(gains(known))


def first_two(known: Knowledge) -> Floats:
    """The chance of each pair to be the leader and what is put against it: symmetric, 0 with itself; adds up to 1."""
    leads, z = chances_of_first(known), _deviations(known)
    closeness = np.exp(-np.minimum(z**2, _FAR) / 2)
    np.fill_diagonal(closeness, 0.0)
    put_against = leads[:, None] * closeness / closeness.sum(axis=1, keepdims=True)
    return np.asarray(put_against + put_against.T, dtype=np.float64)


def chances_of_first(known: Knowledge) -> Floats:
    """The chance of each model to be first; they add up to 1."""
    z = _deviations(known)
    ahead = np.where(z > 0, 1.0 - below(-np.abs(z)), below(-np.abs(z)))
    np.fill_diagonal(ahead, 1.0)
    logs = np.log(np.maximum(ahead, _TINY)).sum(axis=1)
    found = np.exp(logs - logs.max())
    return np.asarray(found / found.sum(), dtype=np.float64)


_FAR = 1000.0
_TINY = 1e-300


def _deviations(known: Knowledge) -> Floats:
    """The differences of all ratings in standard deviations; row minus column."""
    variances = np.diag(known.covariance)
    variance = variances[:, None] + variances[None, :] - 2 * known.covariance
    between = known.ratings[:, None] - known.ratings[None, :]
    return np.asarray(between / np.sqrt(np.maximum(variance, 1e-12)), dtype=np.float64)


def _shares(found: Floats) -> Floats:
    """As parts of the sum over all pairs; alike, if they are all 0."""
    total = found.sum() / 2
    if total <= 0.0:
        even = np.ones_like(found) - np.eye(len(found))
        return np.asarray(even / (even.sum() / 2), dtype=np.float64)
    return np.asarray(found / total, dtype=np.float64)
