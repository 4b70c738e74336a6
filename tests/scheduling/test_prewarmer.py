"""Which models belong in a host's memory, and when they are wished back."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from app.scheduling.driver.prewarmer import STAYED, Prewarmer
from app.scheduling.planning.planner import Budget
from tests.scheduling.conftest import Clock

GB = 10**9
SIZES = {"a": 8 * GB, "b": 8 * GB, "c": 8 * GB, "small": GB}


def size(model: str) -> int:
    return SIZES[model]


def missing_but(*there: str) -> Callable[[str], bool]:
    return lambda model: model not in there


@pytest.fixture
def keeper(clock: Clock) -> Prewarmer:
    return keeping(clock, "a", "b", "c", "small")


def keeping(clock: Clock, *configured: str, **more: object) -> Prewarmer:
    def models() -> Sequence[str]:
        return configured

    return Prewarmer(models, wall=clock, **more)  # type: ignore[arg-type]


def test_an_empty_host_is_filled_in_the_configured_order_as_far_as_it_fits(keeper: Prewarmer) -> None:
    keeper.begin([])
    keeper.fill(Budget(24 * GB), size)
    assert keeper.plan == ("a", "b", "small"), "c does not fit beside a and b, the small one does"
    assert keeper.wishes(missing_but()) == ("a", "b", "small")


def test_what_is_there_is_kept_before_what_is_configured(keeper: Prewarmer) -> None:
    keeper.begin(["c"])
    keeper.fill(Budget(24 * GB), size)
    assert keeper.plan == ("c", "a", "small")
    assert keeper.wishes(missing_but("c")) == ("a", "small")


def test_a_model_that_somebody_used_is_kept_though_it_is_not_configured(keeper: Prewarmer) -> None:
    keeper.begin([])
    keeper.loaded("guest", wished=False)
    assert keeper.wishes(missing_but()) == ("guest",)


def test_what_the_planner_evicted_is_not_wished_back(keeper: Prewarmer) -> None:
    keeper.begin(["a", "b"])
    keeper.evicted("a")
    keeper.fill(Budget(), size)
    assert "a" not in keeper.plan
    assert "a" not in keeper.wishes(missing_but())


def test_an_evicted_model_that_somebody_used_again_is_kept_again(keeper: Prewarmer) -> None:
    keeper.begin(["a"])
    keeper.evicted("a")
    keeper.loaded("a", wished=False)
    assert keeper.wishes(missing_but()) == ("a",)


def test_whatever_left_without_the_planner_is_wished_back(keeper: Prewarmer) -> None:
    keeper.begin(["a", "b"])
    assert keeper.wishes(missing_but("b")) == ("a",)


def test_a_new_driver_forgets_what_an_earlier_one_evicted(keeper: Prewarmer) -> None:
    keeper.begin(["a", "b", "small"])
    keeper.evicted("a")
    keeper.begin(["b"])
    keeper.fill(Budget(24 * GB), size)
    assert keeper.plan == ("b", "a", "small")


def test_a_model_that_could_not_be_loaded_is_wished_after_pauses_that_grow(keeper: Prewarmer, clock: Clock) -> None:
    keeper.begin(["a"])
    pauses = []
    for _ in range(9):
        keeper.failed("a")
        began = clock.now
        while not keeper.wishes(missing_but()):
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_one_that_fails_keeps_no_other(keeper: Prewarmer) -> None:
    keeper.begin(["a", "b"])
    keeper.failed("a")
    assert keeper.wishes(missing_but()) == ("b",)


def test_a_load_for_somebody_ends_the_pause(keeper: Prewarmer) -> None:
    keeper.begin(["a"])
    keeper.failed("a")
    keeper.loaded("a", wished=False)
    assert keeper.wishes(missing_but()) == ("a",)


def test_a_model_that_vanishes_soon_after_a_wish_is_not_fought_for(keeper: Prewarmer, clock: Clock) -> None:
    keeper.begin(["a"])
    loads = 0
    for clock.now in range(3600):
        if keeper.wishes(missing_but()):
            keeper.loaded("a", wished=True)  # and others push it out at once
            loads += 1
    assert loads <= 3600 / 300 + 6, "6 short pauses, then one every 5 minutes"


def test_a_model_that_stayed_is_wished_back_at_once(keeper: Prewarmer, clock: Clock) -> None:
    keeper.begin(["a"])
    for _ in range(4):
        assert keeper.wishes(missing_but()) == ("a",)
        keeper.loaded("a", wished=True)
        assert keeper.wishes(missing_but("a")) == ()
        clock.now += STAYED.total_seconds()


def test_a_dispute_that_was_settled_is_forgotten(keeper: Prewarmer, clock: Clock) -> None:
    keeper.begin(["a"])
    for _ in range(5):
        keeper.failed("a")
    clock.now += 300
    keeper.loaded("a", wished=True)
    clock.now += STAYED.total_seconds()
    assert keeper.wishes(missing_but()) == ("a",)
    keeper.failed("a")
    clock.now += 5
    assert keeper.wishes(missing_but()) == ("a",), "the pauses begin anew"


def test_what_was_announced_is_wished_first_until_its_time(keeper: Prewarmer, clock: Clock) -> None:
    keeper.begin(["a"])
    keeper.announce(["guest"], until=100.0)
    assert keeper.wishes(missing_but()) == ("guest", "a")
    clock.now = 99.0
    assert keeper.wishes(missing_but("a")) == ("guest",)
    clock.now = 100.0
    assert keeper.wishes(missing_but("a")) == ()


def test_an_announced_model_that_was_loaded_in_time_stays_in_the_plan(keeper: Prewarmer, clock: Clock) -> None:
    keeper.begin([])
    keeper.announce(["guest"], until=100.0)
    keeper.loaded("guest", wished=True)
    clock.now = 1000.0
    assert keeper.wishes(missing_but()) == ("guest",)


def test_a_keeper_that_is_switched_off_wishes_what_is_announced_and_nothing_else(clock: Clock) -> None:
    keeper = keeping(clock, "a", "b", enabled=False)
    keeper.begin(["c"])
    keeper.fill(Budget(), size)
    keeper.loaded("c", wished=False)
    assert keeper.plan == ()
    assert keeper.wishes(missing_but()) == ()
    keeper.announce(["a"], until=10.0)
    assert keeper.wishes(missing_but()) == ("a",)
    keeper.loaded("a", wished=True)
    clock.now = 10.0
    assert keeper.wishes(missing_but()) == ()


def test_on_a_host_that_scales_to_zero_nothing_is_kept(clock: Clock) -> None:
    keeper = keeping(clock, "a", "b", scale_to_zero=True)
    keeper.begin(["a"])
    keeper.fill(Budget(), size)
    keeper.loaded("a", wished=False)
    assert keeper.plan == ()
    assert keeper.wishes(missing_but()) == ()


def test_a_host_that_scales_to_zero_is_warmed_so_many_times_an_hour(clock: Clock) -> None:
    keeper = keeping(clock, "a", scale_to_zero=True, warm_per_hour=3)
    keeper.announce(["a"], until=9_999.0)
    warmed = []
    for clock.now in range(0, 7200, 60):
        if keeper.wishes(missing_but()):
            keeper.loaded("a", wished=True)
            warmed.append(clock.now)
    assert len([at for at in warmed if at < 3600]) == 3
    assert len([at for at in warmed if at >= 3600]) == 3


def test_a_host_that_scales_to_zero_may_be_never_warmed(clock: Clock) -> None:
    keeper = keeping(clock, "a", scale_to_zero=True, warm_per_hour=0)
    keeper.announce(["a"], until=100.0)
    assert keeper.wishes(missing_but()) == ()


def test_loads_that_somebody_waited_for_are_not_counted(clock: Clock) -> None:
    keeper = keeping(clock, "a", scale_to_zero=True, warm_per_hour=1)
    for _ in range(5):
        keeper.loaded("a", wished=False)
    keeper.announce(["a"], until=100.0)
    assert keeper.wishes(missing_but()) == ("a",)
