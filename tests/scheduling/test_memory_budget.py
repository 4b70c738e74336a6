"""What is believed to fit on a host, and what is learned about it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hosts.host import Host
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.planning.budget import FREE_SHARE, Budget, budget_of
from tests.scheduling.conftest import Clock

GB = 10**9
HOUR = 3600.0


@pytest.fixture
def limits(clock: Clock) -> MemoryBudget:
    return MemoryBudget(Budget(), clock)


def test_without_a_configured_memory_three_models_are_believed_whatever_their_size(limits: MemoryBudget) -> None:
    assert limits.models == 3
    assert limits.budget.takes([40 * GB, 40 * GB], 40 * GB)
    assert not limits.budget.takes([1, 1, 1], 1)


def test_a_host_without_figures_is_believed_to_hold_three_and_one_with_figures_what_they_say() -> None:
    assert budget_of(Host("a", "http://a")) == Budget(None, 3)
    assert budget_of(Host("a", "http://a", memory_bytes=24 * GB, max_loaded=6)) == Budget(24 * GB, 6)


def test_after_a_push_out_only_as_many_are_believed_as_were_left(limits: MemoryBudget) -> None:
    limits.overflowed([30 * GB - 1], 1, left=2)
    assert limits.models == 2
    assert limits.budget.takes([5 * GB], 5 * GB)
    assert not limits.budget.takes([5 * GB, 5 * GB], 5 * GB)


def test_one_model_is_always_believed_to_fit(limits: MemoryBudget) -> None:
    limits.overflowed([30 * GB - 1], 1, left=0)
    assert limits.models == 1
    assert limits.budget.takes([], 90 * GB)


def test_one_more_is_tried_after_each_hour(limits: MemoryBudget, clock: Clock) -> None:
    limits.overflowed([30 * GB - 1], 1, left=1)
    seen = []
    for clock.now in (0.0, HOUR - 1, HOUR, 2 * HOUR - 1, 2 * HOUR, 9 * HOUR):
        seen.append(limits.models)
    assert seen == [1, 1, 2, 2, 3, 3]
    assert limits.budget.learned_models is None, "what is configured is never exceeded"


def test_a_total_that_was_seen_to_fit_is_believed_beyond_the_learned_count(limits: MemoryBudget) -> None:
    limits.fitted(12 * GB)
    limits.overflowed([30 * GB - 1], 1, left=1)
    assert limits.budget.takes([6 * GB], 6 * GB)
    assert not limits.budget.takes([6 * GB], 6 * GB + 1)


def test_a_total_that_overflowed_is_no_longer_believed_though_a_larger_one_fitted_once(limits: MemoryBudget) -> None:
    limits.fitted(20 * GB)
    for _ in range(3):
        limits.overflowed([15 * GB - 1], 1, left=1)
        assert limits.misread  # it was seen to fit: the server does not see what is free
        assert limits.budget.takes([7 * GB], 8 * GB)
    limits.overflowed([15 * GB - 1], 1, left=1)
    assert not limits.budget.takes([7 * GB], 8 * GB)
    assert limits.budget.takes([7 * GB], 7 * GB), "what is less than both is still believed"


def test_what_overflowed_is_not_tried_for_an_hour(limits: MemoryBudget, clock: Clock) -> None:
    limits.overflowed([20 * GB - 1], 1, left=2)
    assert not limits.budget.takes([10 * GB], 10 * GB)
    clock.now += HOUR
    assert not limits.budget.takes([10 * GB], 10 * GB)
    clock.now += 1
    assert limits.budget.takes([10 * GB], 10 * GB)


def test_of_several_totals_that_overflowed_the_smallest_counts(limits: MemoryBudget) -> None:
    limits.overflowed([20 * GB - 1], 1, left=2)
    limits.overflowed([25 * GB - 1], 1, left=2)
    assert limits.budget.overfull_bytes == 20 * GB
    limits.overflowed([18 * GB - 1], 1, left=2)
    assert limits.budget.overfull_bytes == 18 * GB


def test_with_a_configured_memory_nothing_is_learned(clock: Clock) -> None:
    limits = MemoryBudget(Budget(24 * GB, 5), clock)
    before = limits.budget
    limits.overflowed([20 * GB - 1], 1, left=1)
    assert (limits.models, limits.budget) == (5, before)


kept_sizes = st.lists(st.integers(1, 30 * GB), max_size=4)


@given(
    kept=kept_sizes,
    size=st.integers(1, 30 * GB),
    memory=st.one_of(st.none(), st.integers(1, 48 * GB)),
    most=st.integers(1, 5),
)
def test_whatever_is_taken_is_within_the_count_and_80_percent_of_what_is_left(
    kept: list[int], size: int, memory: int | None, most: int
) -> None:
    taken = Budget(memory, most).takes(kept, size)
    within = len(kept) < most and (memory is None or size <= FREE_SHARE * (memory - sum(kept)))
    assert taken == (not kept or within)


@given(kept=kept_sizes, size=st.integers(1, 30 * GB), totals=st.lists(st.integers(1, 90 * GB), max_size=4))
def test_what_was_learned_only_ever_forbids(kept: list[int], size: int, totals: list[int]) -> None:
    limits = MemoryBudget(Budget(), lambda: 0.0)
    for total in totals:
        limits.overflowed([total - 1], 1, left=1)
    if limits.budget.takes(kept, size):
        assert Budget().takes(kept, size)
        assert not kept or not totals or sum(kept) + size < min(totals)
