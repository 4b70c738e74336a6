"""What a run tells of the page at its end: what was measured, and the time that its tests took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

MEASURED = "measured"
"""The name of a test's property that holds a measurement in words (``record_property``)."""
SHARE_S = 45
"""Seconds that the page's tests may take in ``make test``, alone on a quiet machine."""


def lines(stats: Mapping[str, Iterable[Any]]) -> list[str]:
    """The lines for a run's reports; none when no test of the page ran."""
    all_reports = [one for kind in stats.values() for one in kind if isinstance(one, pytest.TestReport)]
    reports = [one for one in all_reports if one.nodeid.startswith("tests/page/")]
    if not reports:
        return []
    properties = [
        value for one in reports if one.when == "call" for name, value in one.user_properties if name == MEASURED
    ]
    spent = sum(one.duration for one in reports)
    return [*map(str, properties), f"the page's tests took {spent:.0f} s; {SHARE_S} s are theirs in make test"]
