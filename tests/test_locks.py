"""The locks pin what pyproject.toml asks for, with hashes: `make lock` was run after each change of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
EXTRAS = {
    "requirements.lock": ("build",),
    "requirements-otel.lock": ("build", "otel"),
    "requirements-dev.lock": ("build", "dev"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned(lock: str) -> dict[str, tuple[str, str]]:
    """What a lock pins: the version of each package, and the lines of its entry."""
    entries = re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)(.*?)(?=^\S|\Z)", (ROOT / lock).read_text(), re.M | re.S)
    return {canonicalize_name(name): (version, rest) for name, version, rest in entries}


@pytest.mark.parametrize("lock", EXTRAS)
def test_a_lock_has_what_is_asked_for_and_nothing_that_nobody_asks_for(lock: str) -> None:
    asked = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in EXTRAS[lock]:
        asked += [Requirement(line) for line in PROJECT["optional-dependencies"][extra]]
    found = pinned(lock)
    for one in asked:
        name = canonicalize_name(one.name)
        assert name in found, f"{name} is missing in {lock}: run make lock"
        assert one.specifier.contains(found[name][0], prereleases=True), f"{name} in {lock} is not {one.specifier}"
    direct = {name for name, (_, rest) in found.items() if "progressive-arena (pyproject.toml)" in rest}
    assert direct == {canonicalize_name(one.name) for one in asked}
    assert all("--hash=sha256:" in rest for _, rest in found.values())


@pytest.mark.parametrize("lock", ["requirements-otel.lock", "requirements-dev.lock"])
def test_all_locks_pin_the_same_versions(lock: str) -> None:
    first, other = pinned("requirements.lock"), pinned(lock)
    assert {name: other[name][0] for name in first} == {name: version for name, (version, _) in first.items()}
