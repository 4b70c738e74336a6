"""What a release has to agree on; ``make release`` builds and runs it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from app.database.database import head
from tests.deploy.release import INSIDE, ROOT, VERSION, differences, missing


def test_the_version_is_the_same_everywhere() -> None:
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"ARG VERSION={VERSION}\n" in (ROOT / "docker/Dockerfile").read_text()
    assert f"progressive-arena:${{ARENA_VERSION:-{VERSION}}}" in (ROOT / "docker/compose.yaml").read_text()


def test_the_changelog_tells_the_newest_schema() -> None:
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert re.findall(r"Schema (\d+)", newest) == [head()]


def test_a_wheel_that_lacks_something_or_differs_is_named(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole.whl", tmp_path / "part.whl"
    for wheel, names in ((whole, INSIDE), (part, INSIDE[1:])):
        with zipfile.ZipFile(wheel, "w") as opened:
            for name in names:
                opened.writestr(zipfile.ZipInfo(f"{name}x"), "same")
    assert missing(whole) == []
    assert missing(part) == [INSIDE[0]]
    assert list(differences(whole, part)) == [f"{INSIDE[0]}x"]
    assert list(differences(whole, whole)) == []


def test_everything_that_a_wheel_must_have_is_in_the_repository() -> None:
    for name in INSIDE:
        assert (ROOT / name).exists() or "built" in name, name
