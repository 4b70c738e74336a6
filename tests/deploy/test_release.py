"""What a release has to agree on; ``make release`` builds and runs it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from app.database.database import revisions
from tests.deploy.release import INSIDE, ROOT, VERSION, differences, missing, told_schema


def test_the_version_is_the_same_everywhere() -> None:
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"ARG VERSION={VERSION}\n" in (ROOT / "docker/Dockerfile").read_text()
    assert f"progressive-arena:${{ARENA_VERSION:-{VERSION}}}" in (ROOT / "docker/compose.yaml").read_text()


def test_the_changelog_tells_a_schema_that_there_is() -> None:
    assert told_schema() in revisions()  # a release needs the newest


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
