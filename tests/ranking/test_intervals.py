"""Intervals: they keep their word, follow battles and not votes, and agree with a plain computation."""

from __future__ import annotations

import time

import numpy as np
import pytest

from app.ranking import intervals
from app.ranking.bradley_terry import Cells, Fit, fit
from app.ranking.choices import ALL_FEATURES, StyleFeature, Ties
from app.ranking.intervals import uncertainty, vote_slopes
from app.ranking.likelihoods import LIKELIHOODS
from app.ranking.standing import clear_z
from app.ranking.table import aggregated, vote_cells
from benchmarks.ranking import Scene, coverage, many_votes, play


@pytest.mark.parametrize(
    "scene",
    [
        Scene(5, 30),
        Scene(3, 30, entrants=3),
        Scene(8, 60, entrants=8),
        Scene(5, 100),
        Scene(8, 200),
        Scene(8, 1000),
    ],
    ids=lambda scene: f"{scene.models}-models-{scene.votes}-votes-{scene.entrants}-entrants",
)
def test_intervals_of_95_percent_hold_the_truth_where_the_winner_stays(scene: Scene) -> None:
    # 150 arenas leave a standard error of about 0.01 on the share.
    found = coverage(scene, arenas=150, seed=3)
    assert 0.925 <= found.centred <= 0.98
    assert 0.92 <= found.anchored <= 0.985


def test_intervals_hold_when_answers_differ_from_prompt_to_prompt() -> None:
    found = coverage(Scene(4, 300, noise=1.0), arenas=120, seed=4)
    assert 0.91 <= found.centred <= 0.98


A_FEW = Scene(6, 300)


def fitted(
    scene: Scene = A_FEW,
    ties: Ties = Ties.HALF_WIN,
    features: tuple[StyleFeature, ...] = (),
) -> tuple[Cells, np.ndarray, Cells, Fit]:
    random = np.random.default_rng(1)
    table = play(scene, random, np.linspace(-0.6, 0.6, scene.models))
    for style in (table.style_a, table.style_b):
        style += random.integers(0, 9, style.shape)
    votes, battle = vote_cells(table, features)
    cells = aggregated(votes)
    return votes, battle, cells, fit(cells, ties)


@pytest.mark.parametrize("ties", Ties)
@pytest.mark.parametrize("features", [(), ALL_FEATURES], ids=["plain", "style"])
def test_the_clustered_sum_is_that_of_whole_score_vectors(ties: Ties, features: tuple[StyleFeature, ...]) -> None:
    votes, battle, _, found = fitted(ties=ties, features=features)
    shuffled = np.random.default_rng(2).permutation(battle)
    slopes = vote_slopes(votes, found)
    everywhere = np.ones_like(shuffled)
    parameters = len(found.spread)
    scores = np.zeros((battle.max() + 1, parameters))
    np.add.at(scores, (shuffled, votes.left), slopes.eta)
    np.add.at(scores, (shuffled, votes.right), -slopes.eta)
    for column in range(votes.style.shape[1]):
        np.add.at(scores, (shuffled, everywhere * (votes.models + column)), slopes.eta * votes.style[:, column])
    if ties.fitted:
        np.add.at(scores, (shuffled, everywhere * (parameters - 1)), slopes.kappa)
    found_sum = intervals._clustered(votes, shuffled, found, slopes.eta, slopes.kappa)
    assert found_sum == pytest.approx(scores.T @ scores, abs=1e-9)


@pytest.mark.parametrize("ties", Ties)
def test_slopes_that_are_looked_up_are_those_worked_out(ties: Ties) -> None:
    votes, _, _, found = fitted(Scene(4, 200), ties=ties)
    eta = found.theta[votes.left] - found.theta[votes.right]
    direct = LIKELIHOODS[ties](eta, found.kappa, votes.left_wins, votes.right_wins, votes.ties)
    looked_up = intervals._looked_up(votes, found)
    for name in ("eta", "kappa", "eta_eta", "eta_kappa", "kappa_kappa"):
        assert getattr(looked_up, name) == pytest.approx(getattr(direct, name), abs=1e-12)


def widths(votes: Cells, battle: np.ndarray) -> np.ndarray:
    cells = aggregated(votes)
    return np.sqrt(np.diag(uncertainty(votes, battle, cells, fit(cells)).covariance))


def test_votes_repeated_within_their_battles_are_no_news() -> None:
    votes, battle, _, _ = fitted(Scene(5, 3000))
    doubled = Cells(
        votes.models,
        np.tile(votes.left, 2),
        np.tile(votes.right, 2),
        np.tile(votes.left_wins, 2),
        np.tile(votes.right_wins, 2),
        np.tile(votes.ties, 2),
        np.tile(votes.style, (2, 1)),
    )
    once = widths(votes, battle)
    assert widths(doubled, np.tile(battle, 2)) == pytest.approx(once, rel=0.03)
    apart = widths(doubled, np.concatenate([battle, battle + battle.max() + 1]))
    assert apart == pytest.approx(once / np.sqrt(2), rel=0.03)


def test_four_times_the_battles_halve_the_intervals() -> None:
    few, many = fitted(Scene(5, 1000))[:2], fitted(Scene(5, 4000))[:2]
    assert widths(*many).mean() / widths(*few).mean() == pytest.approx(0.5, rel=0.1)


def test_the_level_of_clear_differences_holds_for_all_pairs_together() -> None:
    assert clear_z(2, 0.95) == pytest.approx(1.96, abs=0.001)
    # Ten pairs: each at 0.95 ** (1 / 10).
    assert clear_z(5, 0.95) == pytest.approx(2.80, abs=0.01)


def test_a_million_votes_take_no_time_to_speak_of() -> None:
    votes, battle = many_votes(100, 2000, 1_000_000)
    begun = time.process_time()
    cells = aggregated(votes)
    found = fit(cells)
    uncertainty(votes, battle, cells, found)
    # Some 0.3 s of CPU on a quiet core; the bound is for a busy one.
    assert time.process_time() - begun < 10
    assert found.steps < 12
