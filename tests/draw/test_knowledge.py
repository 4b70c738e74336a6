"""What is known of the order, and what another vote would teach."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from app.draw.planning.knowledge import PRIOR_SD, gains, learned
from app.draw.planning.pairs import PairVotes, pairs_of, shares

MODELS = ("a", "b", "c", "d", "e")


def even(models: tuple[str, ...], votes: float) -> list[PairVotes]:
    """Every pair has met so often and nobody is better."""
    return [PairVotes(one, other, votes / 2, votes / 2) for one, other in combinations(models, 2)]


def test_without_votes_all_is_the_prior() -> None:
    known = learned(MODELS, [])
    assert np.allclose(known.ratings, 0)
    assert np.allclose(known.covariance, np.eye(5) * PRIOR_SD**2)
    assert known.votes.tolist() == [0] * 5


def test_ratings_solve_the_posterior() -> None:
    votes = [PairVotes("a", "b", 30, 10, 4), PairVotes("b", "c", 5, 5), PairVotes("a", "d", 7, 0)]
    known = learned(MODELS, votes)
    slope = -known.ratings / PRIOR_SD**2
    for one in votes:
        i, j = MODELS.index(one.left), MODELS.index(one.right)
        count = one.left_wins + one.right_wins + one.ties
        left = one.left_wins + one.ties / 2 - count / (1 + np.exp(known.ratings[j] - known.ratings[i]))
        slope[i] += left
        slope[j] -= left
    assert np.abs(slope).max() < 1e-8
    assert known.votes.tolist() == [51, 54, 10, 7, 0]


def test_an_unbeaten_model_has_a_finite_rating_and_is_still_first() -> None:
    known = learned(("a", "b"), [PairVotes("a", "b", 1000, 0)])
    assert 4 < known.ratings[0] - known.ratings[1] < 12


def test_votes_on_models_that_are_gone_do_not_count() -> None:
    assert np.allclose(learned(("a", "b"), [PairVotes("a", "z", 50, 0)]).ratings, 0)


def test_equal_models_that_are_equally_known_teach_alike() -> None:
    """But for who is said to be first among equals: the sum over each model's pairs differs by that alone."""
    found = gains(learned(MODELS, even(MODELS, 40)))
    assert np.allclose(found, found.T)
    assert np.allclose(np.diag(found), 0)
    assert found[np.triu_indices(5, 1)].min() > 0


def test_a_vote_on_the_even_first_two_teaches_more_than_one_on_a_clear_pair() -> None:
    votes = even(("a", "b"), 60) + [PairVotes(x, y, 55, 5) for x in ("a", "b") for y in ("c", "d", "e")]
    found = gains(learned(MODELS, votes))
    assert found[0, 1] == found.max() or found[0, 1] > 5 * found[0, 2]


def test_a_model_without_votes_is_in_most_of_the_pairs_that_are_drawn() -> None:
    known = learned(MODELS, even(MODELS[:4], 100))
    found, number = gains(known), {model: place for place, model in enumerate(MODELS)}
    by_pair = {pair: float(found[tuple(number[model] for model in pair)]) for pair in pairs_of(MODELS)}
    drawn = shares(pairs_of(MODELS), by_pair, dict(zip(MODELS, known.votes.tolist(), strict=True)))
    assert sum(share for pair, share in drawn.items() if "e" in pair) > 0.6


def test_what_is_nearly_clear_after_many_votes_still_teaches() -> None:
    """The first is 90 points ahead after 800 votes: a batch of 32 could hardly turn that, so the batch grows."""
    votes = [PairVotes(x, y, 50, 30) if x == "a" else PairVotes(x, y, 40, 40) for x, y in combinations(MODELS, 2)]
    known = learned(MODELS, votes)
    assert gains(known)[0, 1] > 2 * gains(known, 32)[0, 1] > 0


def test_the_gain_is_what_an_independent_integration_says() -> None:
    """Two models only: E[chance of a wrong order] after n votes, by sampling verdict sums of the normal model."""
    known = learned(("a", "b"), [PairVotes("a", "b", 24, 16)])
    mean = known.ratings[0] - known.ratings[1]
    variance = known.covariance[0, 0] + known.covariance[1, 1] - 2 * known.covariance[0, 1]
    chance = 1 / (1 + np.exp(-mean))
    information = 32 * chance * (1 - chance)
    rng = np.random.default_rng(7)
    truth = rng.normal(mean, np.sqrt(variance), 400_000)
    seen = truth + rng.normal(0, 1 / np.sqrt(information), truth.size)
    after = (mean / variance + seen * information) / (1 / variance + information)
    before_wrong, after_wrong = np.mean(truth * mean < 0), np.mean(truth * after < 0)
    assert gains(known, 32)[0, 1] == pytest.approx(before_wrong - after_wrong, abs=0.006)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_models_teach_nothing(count: int) -> None:
    assert gains(learned(MODELS[:count], [])).shape == (count, count)
