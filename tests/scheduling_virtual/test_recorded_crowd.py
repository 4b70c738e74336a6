"""The crowd that was recorded on a real card, in virtual time: as many loads, and ours far before the server alone."""

from statistics import fmean

import pytest

from app.simulator.engine.clock import run_virtual
from benchmarks.scheduling.recorded import directly, recorded, through_drivers

SEEDS = (1, 2, 3)


def test_straight_to_the_server_it_loads_as_often_as_recorded_and_is_as_slow() -> None:
    runs = [run_virtual(directly(seed, 120.0)).figures() for seed in SEEDS]
    seen = recorded("crowd-direct")
    assert fmean(run["loads/min"] for run in runs) == pytest.approx(seen["loads/min"], rel=0.15)
    assert fmean(run["p95"] for run in runs) == pytest.approx(seen["p95"], rel=0.15)
    assert min(run["answers/min"] for run in runs) <= seen["answers/min"] * 1.15


def test_through_the_drivers_five_times_as_many_battles_end_in_a_third_of_the_time() -> None:
    direct, ours = run_virtual(directly(2, 120.0)).figures(), run_virtual(through_drivers(2, 120.0)).figures()
    assert ours["battles/min"] > 5 * direct["battles/min"]
    assert 3 * ours["p95"] < direct["p95"]
