"""The idealised card: what changes of models allow at most."""

import pytest

from benchmarks.scheduling.change_bound import Users, Waits, at_most


def test_without_changes_a_battle_takes_as_long_as_an_answer() -> None:
    found = at_most(Waits(), Users(users=3, models=3), seeds=(1,))
    assert (found["p50"], found["p95"]) == pytest.approx((0.46, 0.46))
    assert found["loads/min"] == 0
    assert found["battles/min"] == pytest.approx(3 * 60 / 10.46, rel=0.05)


def test_what_waits_for_a_slot_waits_for_whole_answers() -> None:
    found = at_most(Waits(), Users(users=2, pause_s=0.0, models=1, places=1, answers=1, slots=1), seeds=(1,))
    assert found["p50"] == pytest.approx(0.92)
    assert found["battles/min"] == pytest.approx(60 / 0.46, rel=0.01)


def test_no_more_changes_begin_than_the_server_lets() -> None:
    waits = Waits(at_once=0.0)
    assert at_most(waits)["loads/min"] <= 60 / (waits.wait_s + waits.gone_s) + 0.5
    assert at_most(Waits(wait_s=0.0))["loads/min"] > 20


def test_with_loads_of_which_each_costs_2_4_s_it_is_near_the_bound_that_was_reckoned_apart() -> None:
    found = at_most(Waits(load_s=2.4, wait_s=0.0))
    assert found["battles/min"] == pytest.approx(93, rel=0.05)
    assert found["p95"] == pytest.approx(8.5, rel=0.1)


def test_each_cost_makes_it_worse() -> None:
    none, waits, evictions = (at_most(one) for one in (Waits(wait_s=0.0), Waits(), Waits(flush_share=3 / 16)))
    assert none["battles/min"] > waits["battles/min"] > evictions["battles/min"]
    assert none["p95"] < waits["p95"] < evictions["p95"]
