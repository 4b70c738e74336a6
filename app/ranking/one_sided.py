"""Draws of all ratings from their posterior: the order of the rows and P(best) come from them.

The *weak prior* is a normal one with a standard deviation of 400 Elo points round the mean of all ratings. It is used
here alone: the ratings of the board have no prior. Where there are votes enough it changes nothing that can be seen;
where there are few it keeps three wins of three from counting for more than nine of ten.

Within a group of models that beat each other in circles the ratings are normal, and so is their posterior. The
likelihood of a group that never lost to the others has no maximum, so neither a standard error nor a normal draw
describes it: that it is better is known, how much better is not. Distances between such groups are drawn by a random
walk in each distance by turns (Metropolis), many walks side by side from the fitted ratings. 20 wins out of 20 leave
the prior next to nothing to say about the order, and it bounds what nobody knows, the size. Votes of one cluster on the
same pair count once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.ranking.bradley_terry import ELO, Cells, Fit
from app.ranking.graph import Bools, Ints
from app.ranking.likelihoods import Floats

PRIOR_ELO = 400.0
"""The standard deviation of the weak prior, in Elo points."""

_SEED = 20_260_101
_PRIOR_VARIANCE = (PRIOR_ELO / ELO) ** 2
_WALKS = 4_000
_SWEEPS = 40
_FIGURES = 4_000_000


@dataclass(frozen=True, slots=True)
class Evidence:
    """Wins across groups: ``winner`` never lost to ``loser``'s group. ``wins`` are counted by cluster.

    ``offset`` is the mean effect of the covariates on the logit, in the winner's favour.
    """

    winner: Ints
    loser: Ints
    wins: Floats
    offset: Floats

    def among(self, members: Bools) -> Evidence:
        """That of the votes between ``members``."""
        held = members[self.winner] & members[self.loser]
        return Evidence(self.winner[held], self.loser[held], self.wins[held], self.offset[held])


def evidence_across(votes: Cells, cluster: Ints, fit: Fit) -> Evidence:
    """Collect the votes between groups; such a vote has a winner, for a tie would have joined the groups.

    A cell of n votes is n clusters.
    """
    group = fit.ground.group
    across = group[votes.left] != group[votes.right]
    left, right, won = votes.left[across], votes.right[across], votes.left_wins[across] > 0
    winner, loser = np.where(won, left, right), np.where(won, right, left)
    effect = np.where(won, 1.0, -1.0) * (votes.style[across] @ fit.beta)
    pair, which = np.unique(winner * votes.models + loser, return_inverse=True)
    count = np.bincount(which, minlength=len(pair))
    further = (votes.left_wins + votes.right_wins)[across] - 1.0
    return Evidence(
        winner=np.asarray(pair // max(votes.models, 1)),
        loser=np.asarray(pair % max(votes.models, 1)),
        wins=_clusters_won(which, cluster[across], len(pair)) + np.bincount(which, further, len(pair)),
        offset=np.bincount(which, weights=effect, minlength=len(pair)) / np.maximum(count, 1),
    )


def _clusters_won(pair: Ints, cluster: Ints, pairs: int) -> Floats:
    """In how many clusters each of the ``pairs`` has votes."""
    distinct = np.unique(np.stack([pair, cluster]), axis=1)[0]
    return np.bincount(distinct, minlength=pairs).astype(np.float64)


def draw_ratings(fit: Fit, covariance: Floats, evidence: Evidence, members: Bools, draws: int) -> Floats:
    """Draws of all ratings in logits, one row each; models that are not ``members`` keep their rating."""
    numbers, evidence = np.flatnonzero(members), evidence.among(members)
    if not len(evidence.winner):
        return _scattered(fit, covariance, numbers, draws)
    draws = int(np.clip(_FIGURES // len(evidence.winner), 500, min(draws, _WALKS)))
    within = _scattered(fit, covariance, numbers, draws)
    walk = _Walk.begun(fit.ground.group, numbers, within, fit, evidence)
    random = np.random.default_rng(_SEED + 1)
    for _ in range(_SWEEPS):
        walk.sweep(random)
    return walk.ratings()


def _scattered(fit: Fit, covariance: Floats, numbers: Ints, draws: int) -> Floats:
    """Normal draws from the posterior of the models with these ``numbers``; their mean is exactly its mean.

    The prior is as wide in all directions, so in those of the covariance's eigenvectors it scales each by itself.
    """
    values, vectors = np.linalg.eigh(covariance[np.ix_(numbers, numbers)])
    values = np.maximum(values, 0.0)
    kept = 1.0 / (1.0 + values / _PRIOR_VARIANCE)
    mean = fit.theta[numbers].mean() if len(numbers) else 0.0
    drawn = np.tile(fit.theta, (draws, 1))
    drawn[:, numbers] = mean + ((fit.theta[numbers] - mean) @ vectors * kept) @ vectors.T
    noise = np.random.default_rng(_SEED).standard_normal((draws, len(numbers)))
    # The root that belongs to the covariance alone: eigenvectors may turn with rounding, this product does not.
    drawn[:, numbers] += (noise - noise.mean(axis=0)) @ (vectors * np.sqrt(values * kept) @ vectors.T)
    return drawn


@dataclass(frozen=True, slots=True)
class _Walk:
    """Walks of the groups' mean ratings, one row of ``means`` for each; ``within`` are ratings less these means.

    The group with the most models stays where it is: only distances matter.
    """

    numbers: Ints
    group: Ints
    size: Ints
    within: Floats
    means: Floats
    winner: Ints
    loser: Ints
    wins: Floats
    gap: Floats
    step: Floats

    @classmethod
    def begun(cls, groups: Ints, numbers: Ints, drawn: Floats, fit: Fit, evidence: Evidence) -> _Walk:
        """Start every walk from the fitted ratings."""
        _, group, size = np.unique(groups[numbers], return_inverse=True, return_counts=True)
        within = _within(drawn, numbers, group, size)
        place = np.zeros(len(groups), dtype=np.intp)
        place[numbers] = group
        winner, loser = place[evidence.winner], place[evidence.loser]
        start = np.bincount(group, weights=fit.theta[numbers]) / size
        return cls(
            numbers=numbers,
            group=group,
            size=size,
            within=within,
            means=np.tile(start, (len(drawn), 1)),
            winner=winner,
            loser=loser,
            wins=evidence.wins,
            gap=within[:, evidence.winner] - within[:, evidence.loser] + evidence.offset,
            step=_steps(start, size, winner, loser, evidence.wins),
        )

    def sweep(self, random: np.random.Generator) -> None:
        """Let each group but the largest take a step, or stay."""
        for mover in range(len(self.size)):
            if mover != int(self.size.argmax()):
                self._move(mover, random)

    def _move(self, mover: int, random: np.random.Generator) -> None:
        step = self.step[mover] * random.standard_normal(len(self.means))
        touched = np.flatnonzero((self.winner == mover) | (self.loser == mover))
        sign = np.where(self.winner[touched] == mover, 1.0, -1.0)
        now = self.gap[:, touched] + self.means[:, self.winner[touched]] - self.means[:, self.loser[touched]]
        then = now + step[:, None] * sign
        gain = (np.logaddexp(0.0, -now) - np.logaddexp(0.0, -then)) @ self.wins[touched]
        taken = np.log(random.random(len(step))) < gain + self._prior_gain(mover, step)
        self.means[taken, mover] += step[taken]

    def _prior_gain(self, mover: int, step: Floats) -> Floats:
        """What the step adds to the logarithm of the prior: each model's distance from the mean of all, squared."""
        size, total = self.size[mover], self.size.sum()
        distance = self.means[:, mover] - self.means @ self.size / total
        return np.asarray(-size * step * (distance + 0.5 * step * (1.0 - size / total)) / _PRIOR_VARIANCE)

    def ratings(self) -> Floats:
        """Where the walks have come to."""
        found = self.within.copy()
        found[:, self.numbers] += self.means[:, self.group]
        return found


def _within(drawn: Floats, numbers: Ints, group: Ints, size: Ints) -> Floats:
    """The drawn ratings, those of ``numbers`` less the mean of their group."""
    own = drawn[:, numbers] @ (np.eye(len(size))[group] / size)
    within = drawn.copy()
    within[:, numbers] -= own[:, group]
    return within


def _steps(start: Floats, size: Ints, winner: Ints, loser: Ints, wins: Floats) -> Floats:
    """A step of 2.4 standard deviations, which mixes a normal distribution best in one dimension."""
    p = 1.0 / (1.0 + np.exp(-np.abs(start[winner] - start[loser])))
    known = wins * p * (1.0 - p)
    groups = len(size)
    sharp = np.bincount(winner, known, groups) + np.bincount(loser, known, groups)
    return np.asarray(2.4 / np.sqrt(sharp + size * (1.0 - size / size.sum()) / _PRIOR_VARIANCE))
