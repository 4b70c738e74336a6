"""Which pairs tell most of who is first, and what pairs are drawn by."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.draw.planning.first import CLEAR, chances_of_first, first_two, weights
from app.draw.planning.knowledge import Knowledge, gains, learned
from app.draw.planning.pairs import PairVotes, pairs_of, shares

MODELS = ("a", "b", "c", "d", "e")


def even_round(each: float, better: float = 0.5) -> list[PairVotes]:
    """Each pair has met so often; of two, the one whose name comes first won that share."""
    return [PairVotes(one, other, each * better, each * (1 - better)) for one, other in combinations(MODELS, 2)]


def counts() -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=10, max_size=10)


def known_of(votes: list[tuple[int, int]]) -> Knowledge:
    pairs = combinations(MODELS, 2)
    return learned(MODELS, [PairVotes(*pair, *cast) for pair, cast in zip(pairs, votes, strict=True)])


@given(counts())
def test_weights_are_probabilities_of_pairs(votes: list[tuple[int, int]]) -> None:
    for found in (weights(known_of(votes)), first_two(known_of(votes))):
        assert np.allclose(found, found.T)
        assert np.diag(found).tolist() == [0.0] * 5
        assert found.min() >= 0
        assert found[np.triu_indices(5, 1)].sum() == pytest.approx(1)


@given(counts(), st.sampled_from(list(permutations(range(5)))))
def test_who_is_first_does_not_hang_on_the_order_of_the_models(votes: list[tuple[int, int]], order: list[int]) -> None:
    known, at = known_of(votes), np.array(order)
    turned = Knowledge(
        tuple(MODELS[n] for n in order), known.ratings[at], known.covariance[np.ix_(at, at)], known.votes[at]
    )
    assert chances_of_first(known).sum() == pytest.approx(1)
    assert np.allclose(chances_of_first(turned), chances_of_first(known)[at])
    assert np.allclose(first_two(turned), first_two(known)[np.ix_(at, at)])


def test_who_is_first_is_what_the_posterior_says() -> None:
    """By draws from it; the product over pairs takes them for independent, which they are not quite."""
    known = learned(MODELS, even_round(20, 0.6))
    drawn = np.random.default_rng(3).multivariate_normal(known.ratings, known.covariance, 100_000).argmax(axis=1)
    assert np.abs(chances_of_first(known) - np.bincount(drawn, minlength=5) / 100_000).max() < 0.12


def test_the_pair_that_decides_the_first_place_gets_most_of_it() -> None:
    """a and b are even after 300 votes on each pair, and far ahead of all others."""
    votes = [PairVotes("a", "b", 150, 150)]
    votes += [PairVotes(one, other, 200, 100) for one in "ab" for other in "cde"]
    votes += [PairVotes(*pair, 150, 150) for pair in combinations("cde", 2)]
    found = first_two(learned(MODELS, votes))
    assert found[0, 1] > 0.95


def test_of_those_that_are_even_all_pairs_weigh_alike() -> None:
    found = first_two(learned(MODELS, even_round(50)))
    assert np.allclose(found[np.triu_indices(5, 1)], 0.1)


def test_once_the_first_is_clear_the_order_of_the_others_counts() -> None:
    votes = [PairVotes("a", other, 900, 100) for other in "bcde"]
    votes += [PairVotes(*pair, 20, 20) for pair in combinations("bcde", 2)]
    known = learned(MODELS, votes)
    assert chances_of_first(known)[0] > CLEAR
    order = gains(known) / (gains(known).sum() / 2)
    assert np.allclose(weights(known), order, atol=0.01)


def test_every_pair_keeps_its_floor_by_these_weights() -> None:
    known = learned(MODELS, even_round(5000, 0.8))
    by_pair = {pair: float(weights(known)[tuple(sorted(map(MODELS.index, pair)))]) for pair in pairs_of(MODELS)}
    found = shares(pairs_of(MODELS), by_pair, dict.fromkeys(MODELS, 20_000.0))
    assert min(found.values()) >= 0.2 * 0.1
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_models_have_no_pair(count: int) -> None:
    assert weights(learned(MODELS[:count], [])).tolist() == [[0.0]] * count
