"""The units of work that pytest-xdist gives out are those of the files that are there."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.distribution import ASKS_FOR_A_HOME, SECONDS, LongestFirst, unit_of

ROOT = Path(__file__).parents[1]
UNITS = [unit_of(str(file.relative_to(ROOT))) for file in ROOT.glob("tests/**/test_*.py")]


@pytest.mark.parametrize("folder", ASKS_FOR_A_HOME)
def test_all_files_whose_tests_share_a_home_are_one_unit(folder: str) -> None:
    assert UNITS.count(folder) > 3


def test_what_shares_no_home_is_a_unit_of_its_own() -> None:
    assert unit_of("tests/whole/test_handover.py") == "tests/whole/test_handover.py"
    assert unit_of("tests/test_distribution.py") == "tests/test_distribution.py"


def test_what_is_said_to_take_long_is_there() -> None:
    assert set(SECONDS) <= set(UNITS)


def test_the_longest_is_given_out_first_and_the_rest_in_the_order_of_xdist(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(self: LoadFileScheduling, node: object) -> None:
        given.append(self.workqueue.popitem(last=False)[0])

    monkeypatch.setattr(LoadFileScheduling, "_assign_work_unit", first)
    given: list[str] = []
    scheduler = LongestFirst.__new__(LongestFirst)
    units = ["tests/leaks/test_leaks.py", "tests/race/test_race.py", "tests/test_files.py", "tests/whole"]
    scheduler.workqueue = OrderedDict.fromkeys(units)
    while scheduler.workqueue:
        scheduler._assign_work_unit(object())
    assert given == [units[3], units[1], units[0], units[2]]
    assert scheduler._split_scope("tests/whole/test_votes.py::test_a[b::c]") == "tests/whole"
