"""How firm the first place is: votes still needed to make it clear, and votes that would have to be other ones.

*Votes to separate*: direct votes between the first and its likeliest rival, at the present difference, until its
standard error is small enough for P(best) to be clear; each adds the information that the likelihood expects, over the
dispersion seen so far.

*Flips*: the least number of votes that, cast for the other side, would put somebody else first. Candidates are found by
influence (the change of the gap for a flip, to first order: the inverse Hessian), flipped from the most influential on,
and the number is the smallest for which a new fit has another first place. So it is true of those votes, and an
upper bound on the least of all. (Huang and others 2025, arXiv 2508.11847, found boards that two votes turn.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from app.ranking.bradley_terry import Cells, Fit, fit
from app.ranking.graph import Bools, Ints
from app.ranking.intervals import Uncertainty
from app.ranking.likelihoods import LIKELIHOODS, Floats, shares
from app.ranking.standing import Standing, difference_errors

MOST_VOTES = 1_000_000
"""Past this many votes a difference is not worth separating."""

_LEAST_TAIL = 0.0025
_ROUNDING = 1e-9
_RIVALS = 3
_MOST_STYLED_VOTES = 100_000


@dataclass(frozen=True, slots=True)
class Flips:
    """``votes`` flipped put model number ``rival`` first."""

    votes: int
    rival: int


@dataclass(frozen=True, slots=True)
class Firmness:
    """How firm the first place is: votes that would separate the first two, and flips that would change the first."""

    to_separate: int | None
    flips: Flips | None


def votes_to_separate(fitted: Fit, sure: Uncertainty, standing: Standing) -> int | None:
    """Direct votes still needed between the first two: 0 when they are clear, None past MOST_VOTES or without two."""
    if standing.first is None or standing.second is None:
        return None
    if standing.is_clear:
        return 0
    gap = float(fitted.theta[standing.first] - fitted.theta[standing.second])
    error = float(difference_errors(sure.covariance)[standing.first, standing.second])
    per_vote = _information_of_a_vote(fitted, gap) / sure.dispersion
    missing = (_needed_z(standing, standing.first, standing.second) / max(gap, 1e-9)) ** 2 - 1.0 / error**2
    needed = max(math.ceil(missing / per_vote), 1)
    return needed if needed <= MOST_VOTES else None


def _needed_z(standing: Standing, first: int, second: int) -> float:
    """The standard errors at which the second leaves the first its place, with what the others may take of it."""
    others = 1.0 - float(standing.best[[first, second]].sum())
    return NormalDist().inv_cdf(1.0 - max(1.0 - standing.clear - others, _LEAST_TAIL))


def _information_of_a_vote(fitted: Fit, gap: float) -> float:
    eta = np.array([gap])
    left, right, tie = shares(fitted.ties, eta, fitted.kappa)
    return float(LIKELIHOODS[fitted.ties](eta, fitted.kappa, left, right, tie).eta_eta[0])


def flips_to_change_first(cells: Cells, fitted: Fit, standing: Standing) -> Flips | None:
    """The flips that take the highest rating from the first place, or None when there is no other or no way.

    A first place that is held without the highest rating, by what is little known of those above it, has none.
    With style control no two votes are alike and each new fit goes through all: past 100,000 votes it is left out.
    """
    settled = standing.settled
    if standing.first is None or settled.sum() < 2:
        return None
    if fitted.theta[standing.first] < fitted.theta[settled].max() - _ROUNDING:
        return None
    if cells.style.shape[1] and len(cells.left) > _MOST_STYLED_VOTES:
        return None
    plans = [_Plan.against(cells, fitted, standing.first, int(rival)) for rival in np.flatnonzero(settled)]
    hopeful = sorted((plan for plan in plans if plan.guess), key=lambda plan: (plan.guess, plan.rival))
    found = [plan.smallest(settled) for plan in hopeful[: 1 if cells.style.shape[1] else _RIVALS]]
    return min((flips for flips in found if flips), key=lambda flips: (flips.votes, flips.rival), default=None)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Votes to flip in order: ``cell`` and ``kind`` (0 left wins, 1 right wins, 2 ties) and how many there are."""

    cells: Cells
    fitted: Fit
    first: int
    rival: int
    cell: Ints
    kind: Ints
    rightwards: Bools
    upto: Ints
    guess: int

    @classmethod
    def against(cls, cells: Cells, fitted: Fit, first: int, rival: int) -> _Plan:
        """Order the flips that bring ``rival`` closest to ``first``."""
        if first == rival:
            none = np.zeros(0, dtype=np.intp)
            return cls(cells, fitted, first, rival, none, none, none.astype(bool), none, 0)
        n = cells.models
        pull = fitted.spread[:n, first] - fitted.spread[:n, rival]
        worth = pull[cells.left] - pull[cells.right]
        wins = np.where(worth > 0, cells.left_wins, cells.right_wins)
        gains = np.concatenate([np.abs(worth), np.abs(worth) / 2])
        counts = np.concatenate([wins, cells.ties]).astype(np.intp)
        kinds = np.concatenate([np.where(worth > 0, 0, 1), np.full(len(worth), 2)])
        order = np.argsort(-gains, kind="stable")
        order = order[(counts[order] > 0) & (gains[order] > 1e-12)]
        upto = np.cumsum(counts[order])
        guess = _guess(float(fitted.theta[first] - fitted.theta[rival]), gains[order], counts[order])
        cell = order % len(worth)
        return cls(cells, fitted, first, rival, cell, kinds[order], worth[cell] > 0, upto, guess)

    def smallest(self, settled: Bools) -> Flips | None:
        """The least number of these flips that puts another settled model first, by new fits."""
        most = int(self.upto[-1])
        low, high = 0, min(self.guess, most)
        while (winner := self.first_after(high, settled)) == self.first:
            if high == most:
                return None
            low, high = high, min(2 * high, most)
        while high - low > 1:
            middle = (low + high) // 2
            if (other := self.first_after(middle, settled)) == self.first:
                low = middle
            else:
                high, winner = middle, other
        return Flips(high, winner)

    def first_after(self, votes: int, settled: Bools) -> int:
        """Who is first among the settled after the first ``votes`` flips."""
        theta = fit(self.flipped(votes), self.fitted.ties).theta
        # The old first place keeps an exact draw.
        theta[self.first] += _ROUNDING
        return int(np.where(settled, theta, -np.inf).argmax())

    def flipped(self, votes: int) -> Cells:
        """The cells after the first ``votes`` flips."""
        taken = np.clip(votes - (self.upto - np.diff(self.upto, prepend=0)), 0, np.diff(self.upto, prepend=0))
        size = len(self.cells.left)
        out = [np.bincount(self.cell, np.where(self.kind == kind, taken, 0), size) for kind in range(3)]
        right = np.bincount(self.cell, np.where(self.rightwards, taken, 0), size)
        left = np.bincount(self.cell, np.where(self.rightwards, 0, taken), size)
        return replace(
            self.cells,
            left_wins=self.cells.left_wins - out[0] + left,
            right_wins=self.cells.right_wins - out[1] + right,
            ties=self.cells.ties - out[2],
        )


def _guess(gap: float, gains: Floats, counts: Ints) -> int:
    """How many flips close the gap to first order; all of them when they don't suffice, 0 when there is none."""
    reach = np.cumsum(gains * counts)
    if not len(reach):
        return 0
    at = int(np.searchsorted(reach, gap))
    if at == len(reach):
        return int(counts.sum())
    before = float(reach[at - 1]) if at else 0.0
    return int(counts[:at].sum()) + max(1, math.ceil((gap - before) / float(gains[at])))
