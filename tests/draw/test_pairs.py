"""The draw of a battle's contestants."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.draw.planning.pairs import FLOOR, Pair, draw, pairs_of, shares

MODELS = ("a", "b", "c", "d", "e")


def weights_of(models: tuple[str, ...], values: list[float]) -> dict[Pair, float]:
    return dict(zip(pairs_of(models), values, strict=False))


def test_every_pair_keeps_its_floor_however_much_another_teaches() -> None:
    pairs = pairs_of(MODELS)
    found = shares(pairs, {pairs[0]: 1e9}, dict.fromkeys(MODELS, 1000.0))
    assert min(found.values()) == pytest.approx(FLOOR / len(pairs))
    assert sum(found.values()) == pytest.approx(1)


def test_a_model_without_votes_is_drawn_more_than_one_that_teaches_the_same() -> None:
    pairs = pairs_of(MODELS)
    found = shares(pairs, dict.fromkeys(pairs, 1.0), dict.fromkeys(MODELS, 500.0) | {"e": 0.0})
    assert all(found[pair] > 1.5 * found[frozenset("ab")] for pair in pairs if "e" in pair)


def test_where_nothing_is_known_all_pairs_are_alike() -> None:
    assert set(shares(pairs_of(MODELS), {}, {}).values()) == {0.1}


@given(
    st.integers(2, 5),
    st.lists(st.floats(0.01, 100), min_size=10, max_size=10),
    st.integers(0, 2**32),
)
def test_the_probabilities_of_all_contestants_add_up_to_one(count: int, values: list[float], seed: int) -> None:
    weights = weights_of(MODELS, values)
    total = sum(weights.values())
    stated = {}
    for _ in range(60):
        one = draw(MODELS, (), count, weights, Random(seed := seed + 1))
        stated[frozenset(one.contestants)] = one.probability
    expected = {
        frozenset(chosen): sum(weights[pair] for pair in pairs_of(chosen)) / total / _ways(count)
        for chosen in combinations(MODELS, count)
    }
    assert sum(expected.values()) == pytest.approx(1)
    for chosen, probability in stated.items():
        assert probability == pytest.approx(expected[chosen] if count < 5 else 1.0)


def _ways(count: int) -> int:
    """In how many ways a pair is filled up to ``count`` of five."""
    return {2: 1, 3: 3, 4: 3, 5: 1}[count]


def test_contestants_are_drawn_as_often_as_is_said() -> None:
    weights = weights_of(MODELS, [1.0 + number for number in range(10)])
    chance, seen, stated = Random(3), Counter[Pair](), {}
    for _ in range(20_000):
        one = draw(MODELS, (), 3, weights, chance)
        seen[frozenset(one.contestants)] += 1
        stated[frozenset(one.contestants)] = one.probability
    assert len(stated) == 10
    assert all(seen[chosen] / 20_000 == pytest.approx(share, abs=0.015) for chosen, share in stated.items())


def test_entry_order_says_nothing() -> None:
    chance, seen = Random(5), Counter[tuple[str, ...]]()
    for _ in range(12_000):
        seen[draw(("a", "b", "c"), (), 3, {frozenset("ab"): 99.0}, chance).contestants] += 1
    assert set(seen) == set(permutations("abc"))
    assert all(count / 12_000 == pytest.approx(1 / 6, abs=0.02) for count in seen.values())


def test_a_set_that_is_too_small_is_filled_up_in_the_order_of_the_reserve() -> None:
    one = draw(("a", "b"), ("e", "c", "d"), 4, {}, Random(1))
    assert sorted(one.contestants) == ["a", "b", "c", "e"]
    assert one.probability == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("members", "reserve", "count"), [("ab", "", 3), ("abc", "", 1), ("aab", "", 2), ("ab", "a", 2)]
)
def test_what_can_not_be_drawn_is_refused(members: str, reserve: str, count: int) -> None:
    with pytest.raises(ValueError, match=r"a battle|a model"):
        draw(tuple(members), tuple(reserve), count, {}, Random(1))
