"""Where each model stands: tied ranks, the chance to be the best, and whether its rating can be believed yet.

A model ranks behind those that are *clearly* above it: the interval of the difference excludes zero, at a level that
holds for all pairs of the board together (Sidak's correction), so that many equal models don't yield some false rank.
Everybody else shares the rank. The first place has a standard of its own, which P(best) meets or not, and the ranks
follow it: a first that is the best with 97.5 % (of intervals of 95 %) has its rank alone.

The first row is the model that is most likely the best, so that order, P(best) and the finding say the same; the rows
that share a rank are in the order of their posterior means. Both come from draws under a weak prior (``one_sided``).

A *provisional* model has a rating and no rank of its own: it is a newcomer, or its votes connect it with nobody. A
newcomer has fewer votes than the board asks for and less than a quarter of what models have on average: where all have
few, nobody is one. A newcomer's votes are enough for a rank where they already make it the best with 97.5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from app.ranking.board import Provisional, Rules
from app.ranking.bradley_terry import Cells, Fit
from app.ranking.graph import Bools, Ints
from app.ranking.likelihoods import Floats
from app.ranking.one_sided import Evidence, draw_ratings

ENOUGH = 0.975
"""The chance to be better than all ranked models that makes up for few votes."""
CONTENDS = 0.85
"""The same chance from which on a model with few votes casts doubt on an open first place."""


_UNRANKED = frozenset({Provisional.NO_VOTES, Provisional.UNCONNECTED})
"""The reasons that leave a model without a rank, as few votes do a newcomer."""
_NEWCOMER = 0.25
"""The share of the mean number of votes below which a model with few votes is a newcomer."""
_EQUAL = 9
"""Posterior means (logits) that are the same to so many digits are equal: what is left is rounding."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of each model, by its number; ``first`` is the first row, ``second`` who most likely beats it.

    ``rank_low`` is 1 + those clearly above, ``rank_high`` the settled models less those clearly below. Provisional
    models all have the rank after the settled ones, and no chance to be the best. ``core`` marks the models that the
    scale can be fixed by; ``drawn`` are draws of all ratings (logits), one row each. ``order`` are the settled models
    as they stand on the board. ``contender`` has too few votes for a rank, but is probably better than all that have
    one.
    """

    reasons: tuple[tuple[Provisional, ...], ...]
    settled: Bools
    rank_low: Ints
    rank_high: Ints
    best: Floats
    order: Ints
    first: int | None
    second: int | None
    clear: float
    core: Bools
    drawn: Floats
    contender: int | None

    @property
    def is_clear(self) -> bool:
        """Whether the first is the best by the board's standard; a model with few votes never is."""
        if self.first is None or Provisional.FEW_VOTES in self.reasons[self.first]:
            return False
        return float(self.best[self.first]) >= self.clear


def stand(cells: Cells, fit: Fit, covariance: Floats, evidence: Evidence, rules: Rules) -> Standing:
    """Rank the models of ``fit``; ``rules.draws`` are of the ratings' distribution, from a fixed seed."""
    votes = votes_of_each(cells)
    core = _core(fit, votes)
    reasons = tuple(
        _reasons(fit, model, float(votes[model]), core, rules.minimum_votes) for model in range(cells.models)
    )
    members = (fit.ground.island == 0) & (votes > 0)
    drawn = draw_ratings(fit, covariance, evidence, members, rules.draws)
    newcomers = members & _newcomers(votes, members, rules.minimum_votes)
    enough = ~newcomers & np.array([not _UNRANKED & set(why) for why in reasons], dtype=bool)
    chances = _chances_of_newcomers(newcomers, drawn, enough)
    settled = enough | (chances >= ENOUGH)
    best = _chances(drawn, settled)
    clear = 0.5 + rules.level / 2
    above = _clearly_above(fit, covariance, drawn, settled, rules.level)
    low, order = _order(drawn, best, above, settled)
    if len(order) > 1 and best[order[0]] >= clear:
        above = _alone(int(order[0]), above, settled)
        low, order = _order(drawn, best, above, settled)
    first = int(order[0]) if len(order) else None
    return Standing(
        reasons=reasons,
        settled=settled,
        rank_low=low,
        rank_high=np.where(settled, settled.sum() - above.sum(axis=1), cells.models),
        best=best,
        order=order,
        first=first,
        second=_rival(drawn, order),
        clear=clear,
        core=fit.ground.group == core,
        drawn=drawn,
        contender=_contender(chances, settled),
    )


def _newcomers(votes: Floats, members: Bools, minimum_votes: int) -> Bools:
    """Who has few votes, and less than a quarter of what models have on average."""
    usual = float(votes[members].mean()) if members.any() else 0.0
    return np.asarray(votes < min(minimum_votes, _NEWCOMER * usual))


def _chances_of_newcomers(newcomers: Bools, drawn: Floats, enough: Bools) -> Floats:
    """The chance of each newcomer to be better than all that have ``enough``; 0 of all others."""
    chances = np.zeros(len(newcomers))
    if enough.any():
        highest = drawn[:, enough].max(axis=1)
        chances[newcomers] = (drawn[:, newcomers] > highest[:, None]).mean(axis=0)
    return chances


def _contender(chances: Floats, settled: Bools) -> int | None:
    """The likeliest of those that contend and have no rank."""
    open_to = np.where(settled, 0.0, chances)
    likeliest = int(open_to.argmax())
    return likeliest if open_to[likeliest] >= CONTENDS else None


def _order(drawn: Floats, best: Floats, above: Bools, settled: Bools) -> tuple[Ints, Ints]:
    """The ranks, and the settled models: the likeliest best of the first rank, then by rank and posterior mean."""
    low = np.where(settled, 1 + above.sum(axis=0), settled.sum() + 1)
    numbers = np.flatnonzero(settled)
    mean = np.round(drawn[:, numbers].mean(axis=0), _EQUAL)
    likeliest = np.where(low[numbers] == 1, best[numbers], 0.0)
    leads = likeliest == likeliest.max(initial=0.0)
    return low, numbers[np.lexsort([-mean, low[numbers], ~leads])]


def _alone(first: int, above: Bools, settled: Bools) -> Bools:
    """``above``, with the ``first`` above all others that are settled and nobody above it."""
    alone = above.copy()
    alone[:, first] = False
    alone[first, settled] = np.arange(len(settled))[settled] != first
    return alone


def _rival(drawn: Floats, order: Ints) -> int | None:
    """Who is better than the first most often; the next in order where all are so as often."""
    if len(order) < 2:
        return None
    others = order[1:]
    return int(others[(drawn[:, others] > drawn[:, order[0], None]).sum(axis=0).argmax()])


def clear_z(models: int, level: float) -> float:
    """How many standard errors make a difference clear among all pairs of ``models`` at once."""
    pairs = max(models * (models - 1) // 2, 1)
    return NormalDist().inv_cdf(0.5 + 0.5 * level ** (1.0 / pairs))


def difference_errors(covariance: Floats) -> Floats:
    """The standard error of every difference of two ratings."""
    own = np.diag(covariance)
    return np.asarray(np.sqrt(np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0.0)))


def _clearly_above(fit: Fit, covariance: Floats, drawn: Floats, settled: Bools, level: float) -> Bools:
    """Row i, column j: i is clearly above j, both settled."""
    clear = clear_z(int(settled.sum()), level)
    difference = fit.theta[:, None] - fit.theta[None, :]
    above = np.asarray((difference > 0) & (difference > clear * difference_errors(covariance)))
    group = fit.ground.group
    for one in np.flatnonzero(settled):
        others = np.flatnonzero(settled & (group != group[one]))
        above[one, others] = _apart(drawn[:, one, None] - drawn[:, others], clear)
    return above & settled[:, None] & settled[None, :]


def _apart(differences: Floats, clear: float) -> Bools:
    """Whether each column is clearly above zero, by its lower half: the upper one of an unbeaten model is open."""
    if not differences.shape[1]:
        return np.zeros(0, dtype=bool)
    tail = NormalDist().cdf(-2.0)
    low, middle = np.quantile(differences, [tail, 0.5], axis=0)
    return np.asarray((middle > 0) & (middle > clear * (middle - low) / 2.0))


def _chances(drawn: Floats, settled: Bools) -> Floats:
    """The share of draws in which each settled model is the best of them."""
    numbers = np.flatnonzero(settled)
    chances = np.zeros(len(settled))
    if len(numbers):
        won = drawn[:, numbers].argmax(axis=1)
        chances[numbers] = np.bincount(won, minlength=len(numbers)) / len(drawn)
    return chances


def votes_of_each(cells: Cells) -> Floats:
    """How many votes that compare each model has."""
    counts = cells.left_wins + cells.right_wins + cells.ties
    sides = np.concatenate([cells.left, cells.right])
    return np.bincount(sides, np.concatenate([counts, counts]), cells.models).astype(np.float64)


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
