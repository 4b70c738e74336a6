"""A command in a folder that is not the arena's says so; it makes nothing there and reports nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli.main import main
from app.settings.settings import load_settings
from tests.whole.harness import OURS

Run = Callable[..., tuple[int, str, str]]

READING = [["board"], ["battles", "list"], ["battles", "show", "b1"], ["export"], ["forget", "--session", "s"]]
MAKING = [["migrate"], ["import", "-"]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``arena …`` in an empty folder, without settings."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["arena", *words])
        with pytest.raises(SystemExit) as left:
            main()
        return int(left.value.code or 0), *capfd.readouterr()

    return run


@pytest.mark.parametrize("words", [*READING, *MAKING, ["backup", "copy.db"], ["scheduler"]], ids=" ".join)
def test_without_settings_a_command_names_the_folder_and_makes_nothing(
    run: Run, words: list[str], tmp_path: Path
) -> None:
    status, stdout, stderr = run(*words)
    assert (status, stdout, stderr.count("\n")) == (2, "", 1), stderr
    assert f"{tmp_path} has no .env" in stderr
    assert "ARENA_DATA_DIR" in stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [*READING, ["backup", "copy.db"]], ids=" ".join)
def test_before_anything_was_recorded_a_command_names_the_file(
    run: Run, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARENA_DATA_DIR", str(tmp_path / "data"))
    status, stdout, stderr = run(*words)
    assert (status, stdout) == (2, "")
    assert f"{tmp_path}/data/arena.db" in stderr
    assert "arena serve makes it" in stderr
    assert list(tmp_path.iterdir()) == []


def test_with_settings_the_database_can_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ARENA_MODELS=a,b\n")
    assert run("migrate")[0] == 0
    assert (tmp_path / ".arena/arena.db").exists()
    status, stdout, _ = run("battles", "list")
    assert (status, stdout) == (0, "No battle was opened in that time.\n")


def test_an_address_of_ollama_does_not_say_where_an_arena_is(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().given == frozenset()
    monkeypatch.setenv("OLLAMA_HOST", "gpu1")
    assert load_settings().given == frozenset({"OLLAMA_HOST"})
    assert run("migrate")[0] == 2
    assert list(tmp_path.iterdir()) == []
