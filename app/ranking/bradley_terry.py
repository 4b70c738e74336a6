"""Bradley-Terry ratings by Newton's method on aggregated pairs. Pure: arrays in, arrays out.

The rating of a model is theta, in logits: P(a beats b) = 1 / (1 + exp(theta_b - theta_a)) when ties are half wins
(``app.ranking.likelihoods`` has the others). An Elo point is ln(10) / 400 of a logit.

A *cell* is a pair of models with the number of times that left won, right won and neither did; with style covariates a
cell is one vote, since no two votes then are alike. The maximum does not depend on how votes are put into cells.

Only differences of ratings are determined. The fit centres each island on zero by adding 11'/n over its members to the
Hessian, whose inverse then exists and is exact on all differences (a pseudo-inverse needs a threshold, and one was seen
to give NaN).

Groups that only ever won or lost (``app.ranking.graph``) have no finite maximum. Two such groups share one tie, spread
over the votes between them: enough for a finite rating, and too little to be mistaken for knowledge. A board without
such groups is not touched by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.ranking.choices import Ties
from app.ranking.graph import Ground, Ints, survey, ties_hold
from app.ranking.likelihoods import LIKELIHOODS, Floats, Slopes

ELO = 400.0 / np.log(10.0)
"""Elo points in a logit."""

STYLE_RIDGE = 1.0
"""The weight of the ridge on standardised style coefficients: a style that all winners share stays finite."""

_STEPS = 200
_CLOSE = 1e-11
# Among very many votes rounding may move a little known rating by more than that; then there is nothing left to gain.
_FLAT = 1e-16


class NotConverged(ArithmeticError):
    """Newton's method did not end; the likelihoods are concave, so this is a defect and not a property of votes."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Votes by pair: ``left`` and ``right`` index ``models`` models; the counts may be fractions.

    ``style`` has a row per cell and a column per covariate (left's less right's, standardised).
    """

    models: int
    left: Ints
    right: Ints
    left_wins: Floats
    right_wins: Floats
    ties: Floats
    style: Floats

    @property
    def votes(self) -> float:
        """The number of votes in all cells."""
        return float(self.left_wins.sum() + self.right_wins.sum() + self.ties.sum())


@dataclass(frozen=True, slots=True)
class Fit:
    """The maximum: ``theta`` centred on zero in each island, style coefficients ``beta``, and ``kappa`` of ties.

    ``spread`` is the inverse of the Hessian over (theta, beta, kappa) on differences. ``slopes`` are the derivatives
    of each cell at the maximum, without the shared ties. ``crossing`` marks cells between groups that only ever won
    or lost, ``shared`` their ties.
    """

    theta: Floats
    beta: Floats
    kappa: float
    ties: Ties
    ground: Ground
    spread: Floats
    slopes: Slopes
    crossing: npt.NDArray[np.bool_]
    shared: Floats
    steps: int


def pair_cells(
    models: int,
    left: Ints,
    right: Ints,
    left_wins: npt.ArrayLike,
    right_wins: npt.ArrayLike,
    ties: npt.ArrayLike,
) -> Cells:
    """Add up rows of counts into one cell per pair, the lower index on the left."""
    low, high, turned = np.minimum(left, right), np.maximum(left, right), left > right
    code = low * models + high
    counts = (*_turned(turned, left_wins, right_wins), np.asarray(ties, dtype=np.float64))
    used, (left_sums, right_sums, tied) = _added_by_code(code, counts, models * models)
    return Cells(models, used // models, used % models, left_sums, right_sums, tied, np.zeros((len(used), 0)))


def _added_by_code(code: Ints, counts: tuple[Floats, ...], codes: int) -> tuple[Ints, tuple[Floats, ...]]:
    """The codes that occur, of so many ``codes``, and the sums of each of ``counts`` over them."""
    if codes > 4 * len(code) + 65536:
        used, where = np.unique(code, return_inverse=True)
        return used, tuple(_added(where, count, len(used)) for count in counts)
    sums = [_added(code, count, codes) for count in counts]
    used = np.flatnonzero(sum(sums))
    return used, tuple(one[used] for one in sums)


def _added(where: Ints, what: Floats, size: int) -> Floats:
    return np.asarray(np.bincount(where, weights=what, minlength=size), dtype=np.float64)


def _turned(turned: npt.NDArray[np.bool_], left: npt.ArrayLike, right: npt.ArrayLike) -> tuple[Floats, Floats]:
    ours, theirs = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    return np.where(turned, theirs, ours), np.where(turned, ours, theirs)


def fit(cells: Cells, ties: Ties = Ties.HALF_WIN) -> Fit:
    """Find the ratings; always finite.

    Davidson and Rao-Kupper fall back to half a win where their kappa would run away: without ties, and when no vote
    contradicts the others, for then ratings and kappa can grow together. ``Fit.ties`` says what was used.

    Raises:
        NotConverged: a defect; see there.
    """
    ground = survey(cells.models, cells.left, cells.right, cells.left_wins + cells.ties, cells.right_wins + cells.ties)
    counts = (cells.left_wins, cells.right_wins, cells.ties)
    if ties.fitted and not ties_hold(cells.models, cells.left, cells.right, *counts):
        ties = Ties.HALF_WIN
    crossing = ground.group[cells.left] != ground.group[cells.right]
    shared = _shared_ties(cells, ground, crossing)
    return _Newton(cells, ties, ground, crossing, shared).run()


def _shared_ties(cells: Cells, ground: Ground, crossing: npt.NDArray[np.bool_]) -> Floats:
    """One tie for each two groups that met, spread over the votes between them."""
    shared = np.zeros(len(cells.left))
    if not crossing.any():
        return shared
    groups = np.sort(np.stack([ground.group[cells.left], ground.group[cells.right]]), axis=0)[:, crossing]
    _, which = np.unique(groups, axis=1, return_inverse=True)
    votes = (cells.left_wins + cells.right_wins + cells.ties)[crossing]
    shared[crossing] = votes / np.bincount(which.ravel(), weights=votes)[which.ravel()]
    return shared


class _Newton:
    """One run: parameters are theta, then beta, then kappa where the model has one."""

    def __init__(
        self, cells: Cells, ties: Ties, ground: Ground, crossing: npt.NDArray[np.bool_], shared: Floats
    ) -> None:
        self.cells, self.ties, self.ground, self.crossing, self.shared = cells, ties, ground, crossing, shared
        self.size = cells.models + cells.style.shape[1] + int(ties.fitted)
        same = ground.island[:, None] == ground.island[None, :]
        self.gauge = np.zeros((self.size, self.size))
        self.gauge[: cells.models, : cells.models] = same / same.sum(axis=1, keepdims=True)

    def run(self) -> Fit:
        at = np.zeros(self.size)
        if self.ties.fitted:
            at[-1] = 0.5
        slopes, flat = self.slopes(at, self.shared), 0
        for step in range(1, _STEPS + 1):
            gradient, hessian = self.derivatives(at, slopes)
            # Rounding in the gradient's sum would make all ratings drift together: centred, it can't.
            move = self.centred(np.linalg.solve(hessian + self.gauge, gradient).astype(np.float64))
            rise = float(gradient @ move)
            flat = flat + 1 if rise <= _FLAT * (1.0 + abs(slopes.value)) else 0
            at, slopes = self.climb(at, slopes, move, rise)
            if np.abs(move).max(initial=0.0) < _CLOSE or flat == 2:
                return self.result(at, step)
        raise NotConverged(f"no maximum within {_STEPS} steps")

    def climb(self, at: Floats, slopes: Slopes, move: Floats, rise: float) -> tuple[Floats, Slopes]:
        """Take the step, or the half of it, and so on, until it climbs; near the top rounding decides, so take it."""
        best, share = self.objective(at, slopes), 1.0
        while True:
            moved = at + share * move
            found = self.slopes(moved, self.shared)
            slack = 1e-9 * (1.0 + abs(best))
            if self.objective(moved, found) >= best + 1e-4 * share * rise - slack or share < 1e-8:
                return moved, found
            share /= 2

    def objective(self, at: Floats, slopes: Slopes) -> float:
        beta = self.beta(at)
        return slopes.value - 0.5 * STYLE_RIDGE * float(beta @ beta)

    def beta(self, at: Floats) -> Floats:
        return at[self.cells.models : self.cells.models + self.cells.style.shape[1]]

    def slopes(self, at: Floats, shared: Floats) -> Slopes:
        cells = self.cells
        eta = at[cells.left] - at[cells.right] + cells.style @ self.beta(at)
        kappa = float(at[-1]) if self.ties.fitted else 0.0
        return LIKELIHOODS[self.ties](eta, kappa, cells.left_wins, cells.right_wins, cells.ties + shared)

    def derivatives(self, at: Floats, slopes: Slopes) -> tuple[Floats, Floats]:
        gradient = gather(self.cells, self.ties, slopes.eta, slopes.kappa)
        hessian = information(self.cells, self.ties, slopes)
        styles = slice(self.cells.models, self.cells.models + self.cells.style.shape[1])
        gradient[styles] -= STYLE_RIDGE * at[styles]
        hessian[styles, styles] += STYLE_RIDGE * np.eye(self.cells.style.shape[1])
        return gradient, hessian

    def result(self, at: Floats, step: int) -> Fit:
        at = self.centred(at)
        _, hessian = self.derivatives(at, self.slopes(at, self.shared))
        kappa = float(at[-1]) if self.ties.fitted else 0.0
        return Fit(
            theta=at[: self.cells.models],
            beta=self.beta(at),
            kappa=kappa,
            ties=self.ties,
            ground=self.ground,
            spread=np.asarray(np.linalg.inv(hessian + self.gauge) - self.gauge, dtype=np.float64),
            slopes=self.slopes(at, np.zeros_like(self.shared)),
            crossing=self.crossing,
            shared=self.shared,
            steps=step,
        )

    def centred(self, at: Floats) -> Floats:
        theta, island = at[: self.cells.models], self.ground.island
        means = np.bincount(island, weights=theta) / np.bincount(island)
        return np.concatenate([theta - means[island], at[self.cells.models :]])


def gather(cells: Cells, ties: Ties, by_eta: Floats, by_kappa: Floats) -> Floats:
    """Add what is known per cell up to the parameters: plus for left, minus for right, and for beta and kappa."""
    theta = np.bincount(cells.left, weights=by_eta, minlength=cells.models)
    theta -= np.bincount(cells.right, weights=by_eta, minlength=cells.models)
    kappa = [by_kappa.sum()] if ties.fitted else []
    return np.concatenate([theta, cells.style.T @ by_eta, kappa])


def information(cells: Cells, ties: Ties, slopes: Slopes) -> Floats:
    """The second derivatives over (theta, beta, kappa), positive."""
    n, width = cells.models, cells.style.shape[1] + int(ties.fitted)
    pairs = np.bincount(cells.left * n + cells.right, weights=slopes.eta_eta, minlength=n * n).reshape(n, n)
    whole = np.zeros((n + width, n + width))
    both = pairs + pairs.T
    whole[:n, :n] = np.diag(both.sum(axis=1)) - both
    for column in range(cells.style.shape[1]):
        line = gather(cells, ties, slopes.eta_eta * cells.style[:, column], slopes.eta_kappa * cells.style[:, column])
        whole[n + column, :] = whole[:, n + column] = line
    if ties.fitted:
        whole[-1, :] = whole[:, -1] = gather(cells, ties, slopes.eta_kappa, slopes.kappa_kappa)
    return whole
