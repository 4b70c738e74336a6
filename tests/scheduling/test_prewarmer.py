"""Which models belong in a host's memory, and when they are requested again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from app.scheduling.driver.prewarmer import STAYED, Prewarmer
from app.scheduling.planning.budget import Budget
from tests.scheduling.conftest import Clock

GB = 10**9
SIZES = {"a": 8 * GB, "b": 8 * GB, "c": 8 * GB, "small": GB}


def size(model: str) -> int:
    return SIZES[model]


def missing_but(*there: str) -> Callable[[str], bool]:
    return lambda model: model not in there


@pytest.fixture
def prewarmer(clock: Clock) -> Prewarmer:
    return keeping(clock, "a", "b", "c", "small")


def keeping(clock: Clock, *configured: str, **more: object) -> Prewarmer:
    def models() -> Sequence[str]:
        return configured

    return Prewarmer(models, now=clock, **more)  # type: ignore[arg-type]


def test_an_empty_host_is_filled_in_the_configured_order_as_far_as_it_fits(prewarmer: Prewarmer) -> None:
    prewarmer.begin([])
    prewarmer.fill(Budget(24 * GB), size)
    assert prewarmer.plan == ("a", "b", "small"), "c does not fit beside a and b, the small one does"
    assert prewarmer.requests(missing_but()) == ("a", "b", "small")


def test_what_is_there_is_kept_before_what_is_configured(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["c"])
    prewarmer.fill(Budget(24 * GB), size)
    assert prewarmer.plan == ("c", "a", "small")
    assert prewarmer.requests(missing_but("c")) == ("a", "small")


def test_a_model_that_somebody_used_is_kept_though_it_is_not_configured(prewarmer: Prewarmer) -> None:
    prewarmer.begin([])
    prewarmer.loaded("guest", prewarm=False)
    assert prewarmer.requests(missing_but()) == ("guest",)


def test_what_the_planner_evicted_is_not_requested_again(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a", "b"])
    prewarmer.evicted("a")
    prewarmer.fill(Budget(), size)
    assert "a" not in prewarmer.plan
    assert "a" not in prewarmer.requests(missing_but())


def test_an_evicted_model_that_somebody_used_again_is_kept_again(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a"])
    prewarmer.evicted("a")
    prewarmer.loaded("a", prewarm=False)
    assert prewarmer.requests(missing_but()) == ("a",)


def test_whatever_left_without_the_planner_is_requested_again(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a", "b"])
    assert prewarmer.requests(missing_but("b")) == ("a",)


def test_a_new_driver_forgets_what_an_earlier_one_evicted(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a", "b", "small"])
    prewarmer.evicted("a")
    prewarmer.begin(["b"])
    prewarmer.fill(Budget(24 * GB), size)
    assert prewarmer.plan == ("b", "a", "small")


def test_a_model_that_could_not_be_loaded_is_requested_after_pauses_that_grow(
    prewarmer: Prewarmer, clock: Clock
) -> None:
    prewarmer.begin(["a"])
    pauses = []
    for _ in range(9):
        prewarmer.failed("a")
        began = clock.now
        while not prewarmer.requests(missing_but()):
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_one_that_fails_keeps_no_other(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a", "b"])
    prewarmer.failed("a")
    assert prewarmer.requests(missing_but()) == ("b",)


def test_a_load_for_somebody_ends_the_pause(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a"])
    prewarmer.failed("a")
    prewarmer.loaded("a", prewarm=False)
    assert prewarmer.requests(missing_but()) == ("a",)


def test_a_model_that_vanishes_soon_after_a_request_is_not_fought_for(prewarmer: Prewarmer, clock: Clock) -> None:
    prewarmer.begin(["a"])
    loads = 0
    for clock.now in range(3600):
        if prewarmer.requests(missing_but()):
            prewarmer.loaded("a", prewarm=True)  # and others push it out at once
            loads += 1
    assert loads <= 3600 / 300 + 6, "6 short pauses, then one every 5 minutes"


def test_a_model_that_stayed_is_requested_again_at_once(prewarmer: Prewarmer, clock: Clock) -> None:
    prewarmer.begin(["a"])
    for _ in range(4):
        assert prewarmer.requests(missing_but()) == ("a",)
        prewarmer.loaded("a", prewarm=True)
        assert prewarmer.requests(missing_but("a")) == ()
        clock.now += STAYED.total_seconds()


def test_a_dispute_that_was_settled_is_forgotten(prewarmer: Prewarmer, clock: Clock) -> None:
    prewarmer.begin(["a"])
    for _ in range(5):
        prewarmer.failed("a")
    clock.now += 300
    prewarmer.loaded("a", prewarm=True)
    clock.now += STAYED.total_seconds()
    assert prewarmer.requests(missing_but()) == ("a",)
    prewarmer.failed("a")
    clock.now += 5
    assert prewarmer.requests(missing_but()) == ("a",), "the pauses begin anew"


def test_what_was_announced_is_requested_first_until_its_time(prewarmer: Prewarmer, clock: Clock) -> None:
    prewarmer.begin(["a"])
    prewarmer.announce(["guest"], until=100.0)
    assert prewarmer.requests(missing_but()) == ("guest", "a")
    clock.now = 99.0
    assert prewarmer.requests(missing_but("a")) == ("guest",)
    clock.now = 100.0
    assert prewarmer.requests(missing_but("a")) == ()


def test_an_announced_model_that_was_loaded_in_time_stays_in_the_plan(prewarmer: Prewarmer, clock: Clock) -> None:
    prewarmer.begin([])
    prewarmer.announce(["guest"], until=100.0)
    prewarmer.loaded("guest", prewarm=True)
    clock.now = 1000.0
    assert prewarmer.requests(missing_but()) == ("guest",)


def test_a_prewarmer_that_is_switched_off_requests_what_is_announced_and_nothing_else(clock: Clock) -> None:
    prewarmer = keeping(clock, "a", "b", enabled=False)
    prewarmer.begin(["c"])
    prewarmer.fill(Budget(), size)
    prewarmer.loaded("c", prewarm=False)
    assert prewarmer.plan == ()
    assert prewarmer.requests(missing_but()) == ()
    prewarmer.announce(["a"], until=10.0)
    assert prewarmer.requests(missing_but()) == ("a",)
    prewarmer.loaded("a", prewarm=True)
    clock.now = 10.0
    assert prewarmer.requests(missing_but()) == ()


def test_on_a_host_that_scales_to_zero_nothing_is_kept(clock: Clock) -> None:
    prewarmer = keeping(clock, "a", "b", scale_to_zero=True)
    prewarmer.begin(["a"])
    prewarmer.fill(Budget(), size)
    prewarmer.loaded("a", prewarm=False)
    assert prewarmer.plan == ()
    assert prewarmer.requests(missing_but()) == ()


def test_a_host_that_scales_to_zero_is_warmed_so_many_times_an_hour(clock: Clock) -> None:
    prewarmer = keeping(clock, "a", scale_to_zero=True, warm_per_hour=3)
    prewarmer.announce(["a"], until=9_999.0)
    warmed = []
    for clock.now in range(0, 7200, 60):
        if prewarmer.requests(missing_but()):
            prewarmer.loaded("a", prewarm=True)
            warmed.append(clock.now)
    assert len([at for at in warmed if at < 3600]) == 3
    assert len([at for at in warmed if at >= 3600]) == 3


def test_a_host_that_is_always_awake_keeps_no_list_of_its_loads(clock: Clock) -> None:
    awake, asleep = keeping(clock, "a"), keeping(clock, "a", scale_to_zero=True, warm_per_hour=3)
    for prewarmer in (awake, asleep):
        for _ in range(5):
            prewarmer.loaded("a", prewarm=True)
    assert (len(awake._warmed), len(asleep._warmed)) == (0, 5)


def test_a_host_that_scales_to_zero_may_be_never_warmed(clock: Clock) -> None:
    prewarmer = keeping(clock, "a", scale_to_zero=True, warm_per_hour=0)
    prewarmer.announce(["a"], until=100.0)
    assert prewarmer.requests(missing_but()) == ()


def test_loads_that_somebody_waited_for_are_not_counted(clock: Clock) -> None:
    prewarmer = keeping(clock, "a", scale_to_zero=True, warm_per_hour=1)
    for _ in range(5):
        prewarmer.loaded("a", prewarm=False)
    prewarmer.announce(["a"], until=100.0)
    assert prewarmer.requests(missing_but()) == ("a",)


def test_what_is_drawn_from_is_held_and_what_it_replaced_is_not(prewarmer: Prewarmer) -> None:
    prewarmer.begin(["a", "b"])
    prewarmer.follow(("b", "c"))
    assert prewarmer.plan == ("b", "c")
    assert prewarmer.requests(missing_but("a", "b")) == ("c",)
    prewarmer.follow(())
    assert prewarmer.plan == ("b", "c"), "where nobody rotates it stays as it is"


def test_a_model_of_the_rotation_that_had_to_leave_is_requested_again(prewarmer: Prewarmer) -> None:
    prewarmer.begin([])
    prewarmer.follow(("a", "b"))
    prewarmer.evicted("a")
    assert prewarmer.requests(missing_but("b")) == ("a",)


def test_a_new_driver_follows_the_rotation_too(prewarmer: Prewarmer) -> None:
    prewarmer.follow(("a", "b"))
    prewarmer.begin(["c"])
    prewarmer.follow(("a", "b"))
    assert prewarmer.plan == ("a", "b")
