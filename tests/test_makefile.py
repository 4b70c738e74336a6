"""The Makefile: each target is there once, and what CI and the README call exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGETS = Counter(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_each_target_is_there_once() -> None:
    assert [name for name, count in TARGETS.items() if count > 1] == []


def test_what_is_called_exists() -> None:
    called = set(re.findall(r"\bmake ([a-z][a-z-]*)\b", (ROOT / ".ci/run").read_text()))
    called |= set(re.findall(r"\bmake ([a-z][a-z-]*)\b(?= *(?:#|$|`))", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert {"test", "check", "clients-check", "demo"} <= called
    assert called <= set(TARGETS)
