"""Votes that err together beyond their battle: those of one voter, and those on one prompt.

What a few voters prefer says little of what many would, however often each of them votes; and answers to one prompt win
or lose for its sake. So the covariance that is clustered by battle is compared with one clustered by voter, and with
one clustered by prompt where prompts repeat, and in each direction the larger one counts.

Such a covariance comes from few clusters. It is multiplied by G / (G - 1), and by the square of Student's quantile over
the normal one, with a degree of freedom less than there are clusters; clusters of unequal size count as fewer, by the
inverse of the sum of their squared shares (Carter, Schnepel and Steigerwald 2017 argue for such a number).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from app.ranking.bradley_terry import Cells, Fit
from app.ranking.choices import Clustering
from app.ranking.graph import Bools, Ints
from app.ranking.intervals import Uncertainty, vote_slopes, vote_weights
from app.ranking.likelihoods import Floats

FEW_VOTERS = 30
"""With fewer voters than this, intervals are clustered by voter unless the board is asked for another way."""

_MOST = 0.5
_BLOCK = 4_000_000
_GRID = 20_001


def by_voter(clustering: Clustering, voter: Ints, weight: Floats) -> bool:
    """Whether to cluster by voter: one voter alone can't be told from many, nor can unknown ones."""
    known = voter >= 0
    voters, known_share = int(np.unique(voter[known]).size), float(weight[known].sum()) / float(weight.sum())
    few = voters < FEW_VOTERS and known_share >= _MOST
    return voters >= 2 and (clustering is Clustering.VOTER or (clustering is Clustering.AUTO and few))


def by_prompt(prompt: Ints, battle: Ints) -> bool:
    """Whether prompts repeat; where all battles have the same one, nothing is known of others."""
    known, size = prompt >= 0, int(battle.max(initial=0)) + 1
    battles = np.unique(prompt[known] * size + battle[known])
    return 2 <= len(np.unique(battles // size)) < len(battles)


@dataclass(frozen=True, slots=True)
class Clusters:
    """The numbers of each rated vote's battle, voter and prompt; -1 where the latter two are unknown."""

    battle: Ints
    voter: Ints
    prompt: Ints

    def kept(self, clustering: Clustering, weight: Floats) -> dict[str, Ints]:
        """What to cluster by beside the battle, by name, the coarsest first."""
        kept = {}
        if by_voter(clustering, self.voter, weight):
            kept["voter"] = self.known_or_battle(self.voter)
        if by_prompt(self.prompt, self.battle):
            kept["prompt"] = self.known_or_battle(self.prompt)
        return kept

    def known_or_battle(self, number: Ints) -> Ints:
        """``number``, and a number of its battle's own for each vote that has none."""
        return np.where(number < 0, self.battle + number.max(initial=-1) + 1, number)


def widened(votes: Cells, fit: Fit, sure: Uncertainty, cluster: Ints, unknown: Bools, level: float) -> Uncertainty:
    """``sure``, and in each direction at least what clusters say; ``unknown`` votes are no cluster's but their own."""
    number = np.unique(cluster, return_inverse=True)[1]
    size = np.bincount(number, weights=vote_weights(votes))
    clusters, n, width = len(size), votes.models, votes.style.shape[1]
    meat = _summed(votes, fit, number, unknown) * clusters / max(clusters - 1, 1)
    whole = fit.spread @ meat @ fit.spread * _inflation(float(size.sum() ** 2 / np.square(size).sum()), level)
    return replace(
        sure,
        covariance=_larger(sure.covariance, whole[:n, :n]),
        style=_larger(sure.style, whole[n : n + width, n : n + width]),
    )


def _summed(votes: Cells, fit: Fit, cluster: Ints, alone: Bools) -> Floats:
    """The sum over clusters of the outer product of a cluster's summed score with itself, block by block.

    A cell of n votes without a cluster is n clusters, which together have the product that one has over n.
    """
    slopes, weight = vote_slopes(votes, fit), vote_weights(votes)
    share = np.where(alone, 1.0 / np.sqrt(weight), 1.0)
    order = np.argsort(cluster, kind="stable")
    left, right, cluster = votes.left[order], votes.right[order], cluster[order]
    by_eta, extra = (slopes.eta * share)[order], votes.style[order]
    kappa = (slopes.kappa * share)[order, None] if fit.ties.fitted else np.zeros((len(order), 0))
    extra = np.concatenate([extra * by_eta[:, None], kappa], axis=1)
    width, rows = votes.models + extra.shape[1], max(_BLOCK // votes.models, 1)
    meat = np.zeros((width, width))
    for start in range(0, int(cluster[-1]) + 1, rows):
        block = slice(*np.searchsorted(cluster, [start, start + rows]).tolist())
        score = _Scores(cluster[block] - start, left[block], right[block], by_eta[block], extra[block])
        scores = score.summed(rows, votes.models)
        meat += scores.T @ scores
    return meat


@dataclass(frozen=True, slots=True)
class _Scores:
    """The score of each vote: ``by_eta`` for its two models, ``extra`` for what else is fitted."""

    cluster: Ints
    left: Ints
    right: Ints
    by_eta: Floats
    extra: Floats

    def summed(self, clusters: int, models: int) -> Floats:
        """A row for each cluster with the sum of its votes' scores."""
        where, size = self.cluster * models, clusters * models
        sums = np.bincount(where + self.left, self.by_eta, size) - np.bincount(where + self.right, self.by_eta, size)
        columns = [np.bincount(self.cluster, column, clusters) for column in self.extra.T]
        return np.column_stack([sums.reshape(clusters, models), *columns])


def _larger(one: Floats, other: Floats) -> Floats:
    """The least covariance that is in no direction smaller than either, seen from ``one``."""
    if not len(one):
        return one
    values, vectors = np.linalg.eigh(one)
    kept = values > 1e-12 * values.max(initial=0.0)
    root = vectors[:, kept] * np.sqrt(values[kept])
    inverse = vectors[:, kept] / np.sqrt(values[kept])
    ratio, turned = np.linalg.eigh(inverse.T @ other @ inverse)
    part = root @ turned
    return np.asarray((part * np.maximum(ratio, 1.0)) @ part.T)


def _inflation(clusters: float, level: float) -> float:
    """The square of Student's quantile over the normal one, for so many clusters (not always a whole number)."""
    return float((students_quantile(max(clusters - 1.0, 1.0), level) / NormalDist().inv_cdf(0.5 + level / 2)) ** 2)


def students_quantile(freedom: float, level: float) -> float:
    """The t with P(-t < T < t) = ``level``; with T = sqrt(f) tan(u), the density of u is cos(u) ** (f - 1)."""
    angle = np.linspace(0.0, np.pi / 2, _GRID)
    density = np.cos(angle) ** (freedom - 1.0)
    share = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return float(np.sqrt(freedom) * np.tan(np.interp(level, share / share[-1], angle)))
