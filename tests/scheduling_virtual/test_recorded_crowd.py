"""The crowd that was recorded on a real card, in virtual time: as many loads, and ours far before the server alone."""

from statistics import fmean

import pytest

from app.simulator.engine.clock import run_virtual
from benchmarks.scheduling import calibration
from benchmarks.scheduling.recorded import (
    ANSWERS,
    LEAST_BATTLES_PER_MIN,
    MOST_P95_S,
    directly,
    recorded,
    through_drivers,
)

ROOM = 3
"""So many models fit."""


def test_straight_to_the_server_the_recording_is_one_of_its_runs() -> None:
    found = calibration.direct(range(1, 21))
    for figure in ("p50", "p95", "loads/min"):
        assert fmean(found[figure].runs) == pytest.approx(found[figure].seen, rel=0.15)
    for figure, one in found.items():
        assert 0.05 <= one.share <= 0.95, figure


def test_the_champions_answer_is_not_counted_again_in_its_later_rounds() -> None:
    seen = recorded("crowd-stay0")
    assert seen["answers/min"] == pytest.approx(60 * (266 - 66) / 70)
    assert seen["answers/min"] / seen["battles/min"] == pytest.approx(ANSWERS, rel=0.1)


def test_through_the_drivers_five_times_as_many_battles_end_in_a_third_of_the_time() -> None:
    direct, ours = run_virtual(directly(2, 120.0)).figures(), run_virtual(through_drivers(2, 120.0)).figures()
    assert ours["battles/min"] > 5 * direct["battles/min"]
    assert 3 * ours["p95"] < direct["p95"]


def test_drawn_from_what_is_in_memory_no_battle_waits_for_a_load() -> None:
    came = run_virtual(through_drivers(2, 60.0, rotates=True))
    assert came.loads == ROOM  # before the first user came
    assert came.figures()["p95"] <= MOST_P95_S
    assert came.battles_per_min >= LEAST_BATTLES_PER_MIN
