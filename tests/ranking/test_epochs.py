"""Whether ratings drift with time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from app.ranking.bradley_terry import Cells, fit, pair_cells
from app.ranking.epochs import chi_squared_above, drift

STRENGTHS = np.array([0.6, 0.2, -0.1, -0.7])


def epoch(rng: np.random.Generator, strengths: np.ndarray, pairs: list[tuple[int, int]], votes: int) -> Cells:
    """So many votes on each pair."""
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    won = rng.binomial(votes, 1 / (1 + np.exp(strengths[right] - strengths[left])))
    return pair_cells(4, left, right, won, votes - won, np.zeros(len(pairs)))


ALL = list(combinations(range(4), 2))


@pytest.mark.parametrize(
    ("statistic", "freedom", "chance"), [(3.841, 1, 0.05), (7.815, 3, 0.05), (2.366, 3, 0.5), (16.92, 9, 0.05)]
)
def test_the_distribution_is_that_of_the_tables(statistic: float, freedom: int, chance: float) -> None:
    assert chi_squared_above(statistic, freedom) == pytest.approx(chance, abs=5e-4)


def test_without_drift_the_test_is_wrong_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    found = [drift([epoch(rng, STRENGTHS, ALL, 40) for _ in range(3)]) for _ in range(200)]
    assert {one.freedom for one in found} == {6}
    assert np.mean([one.p_value < 0.05 for one in found]) == pytest.approx(0.05, abs=0.045)


def test_drift_is_found() -> None:
    rng = np.random.default_rng(5)
    turned = STRENGTHS[::-1].copy()
    assert drift([epoch(rng, STRENGTHS, ALL, 60), epoch(rng, turned, ALL, 60)]).p_value < 1e-4


def test_models_that_met_nobody_in_an_epoch_add_no_freedom() -> None:
    rng = np.random.default_rng(6)
    found = drift([epoch(rng, STRENGTHS, [(0, 1), (1, 2)], 50), epoch(rng, STRENGTHS, [(2, 3)], 50)])
    assert found.freedom == 0
    assert found.p_value == 1.0


def test_without_drift_the_stratified_ratings_are_nearly_the_common_ones() -> None:
    rng = np.random.default_rng(7)
    epochs = [epoch(rng, STRENGTHS, pairs, 3000) for pairs in (ALL[:3], ALL[2:], ALL)]
    found = drift(epochs)
    assert np.abs(found.stratified - (STRENGTHS - STRENGTHS.mean())).max() < 0.08


def test_only_votes_of_the_same_epoch_are_compared() -> None:
    """In the second epoch everybody is better by the same: nothing of that is left, in whatever order they met."""
    rng = np.random.default_rng(8)
    one, other = epoch(rng, STRENGTHS, ALL, 500), epoch(rng, STRENGTHS + 3.0, ALL[:2], 500)
    assert np.abs(drift([one, other]).stratified - fit(one).theta).max() < 0.15


def test_no_votes_are_refused() -> None:
    nothing = np.zeros(0)
    with pytest.raises(ValueError, match="no epoch"):
        drift([pair_cells(4, np.zeros(0, int), np.zeros(0, int), nothing, nothing, nothing)])
