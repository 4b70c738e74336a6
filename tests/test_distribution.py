"""The units of work that pytest-xdist gives out are those of the files that are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.distribution import ASKS_FOR_A_HOME, SECONDS, unit_of

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
