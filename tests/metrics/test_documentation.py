"""The documentation names what is really there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from app.metrics.families import FAMILIES
from app.scheduling.report import EventKind
from app.web.ops.gauges import gauges
from tests.web.fleets import ONE, REPORT

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()


def test_every_family_is_documented_and_nothing_else() -> None:
    shown = gauges([ONE], {"gpu-1": REPORT}, 0)
    there = {family.name for family in FAMILIES} | {gauge.name for gauge in shown}
    assert set(re.findall(r"arena_[a-z_]+[a-z]", DOCUMENTED)) == there


def test_the_labels_of_counters_and_histograms_are_documented() -> None:
    ours = DOCUMENTED.partition("| ours | ")[0]  # below it, the names that others have for the same
    rows = dict(re.findall(r"^\| `(arena_[a-z_]+)` \| (.*?) \|", ours, re.M))
    for family in FAMILIES:
        if family.name in rows and family.labels:
            listed = [label if label in family.public else f"[{label}]" for label in family.labels]
            assert rows[family.name] == f"`{' '.join(listed)}`"


def test_every_kind_of_event_is_documented() -> None:
    assert set(get_args(EventKind)) <= set(re.findall(r"[a-z_]+", DOCUMENTED))
