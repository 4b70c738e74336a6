"""Which disk must not fill up, and how full it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from app.process.disk import data_folder, disk_of
from tests.services import settings_with


@pytest.mark.parametrize(
    ("given", "folder"),
    [
        ({}, "data"),
        ({"redis_url": "redis://somewhere"}, "data"),
        ({"database_url": "postgresql://somewhere/arena"}, "data"),
        ({"database_url": "sqlite:////elsewhere/arena.db", "redis_url": "redis://somewhere"}, "/elsewhere"),
        ({"database_url": "postgresql://somewhere/arena", "redis_url": "redis://somewhere"}, None),
    ],
)
def test_the_disk_of_what_is_on_this_machine_counts(given: dict[str, str], folder: str | None, tmp_path: Path) -> None:
    found = data_folder(settings_with(arena_data_dir=tmp_path / "data", **given))
    assert found == (None if folder is None else tmp_path / folder)


def test_a_folder_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert disk_of(tmp_path)[1] == shutil.disk_usage(tmp_path).total
    assert disk_of(tmp_path / "none") == (None, 0)
    assert disk_of(None) == (None, 0)
