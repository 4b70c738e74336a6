"""How the page's builder finds Node and npm, and when it has to build."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def builder(tmp_path: Path) -> ModuleType:
    """The builder in a copy of the page's sources."""
    page = tmp_path / "page"
    page.mkdir()
    for name in ("build.py", "build.mjs", "package.json", "package-lock.json"):
        shutil.copy(ROOT / "page" / name, page / name)
    (page / "src").mkdir()
    (page / "src" / "main.ts").write_text("1")
    spec = importlib.util.spec_from_file_location("copied_page_build", page / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_npm_of_the_wheel_is_started_by_its_script(builder: ModuleType, tmp_path: Path) -> None:
    """The wheel's ``bin/npm`` is a copy that does not find its parts."""
    script = tmp_path / "wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    script.parent.mkdir(parents=True)
    script.touch()
    folder = tmp_path / "wheel" / "bin"
    assert builder.npm_command(folder) == [str(folder / "node"), str(script)]
    elsewhere = tmp_path / "elsewhere" / "bin"
    assert builder.npm_command(elsewhere) == [str(elsewhere / "npm")]


def test_an_old_node_on_path_is_passed_over(
    builder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node", "npm"):
        tool = tmp_path / name
        tool.write_text("#!/bin/sh\necho v16.20.0\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert builder._node_on_path() is None
    (tmp_path / "node").write_text("#!/bin/sh\necho v22.1.0\n")
    assert builder._node_on_path() == tmp_path


def test_the_page_is_built_again_only_when_a_source_changed(builder: ModuleType) -> None:
    built = builder.BUILT
    built.mkdir(parents=True)
    (built / "manifest.json").write_text("{}")
    assert not builder.is_current()
    (built / "sources.sha256").write_text(builder.sources_digest())
    assert builder.is_current()
    (builder.PAGE / "src" / "main.ts").write_text("2")
    assert not builder.is_current()


def test_the_lock_file_names_no_registry() -> None:
    lock = (ROOT / "page" / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert '"integrity"' in lock
