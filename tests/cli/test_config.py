"""``arena config`` and ``arena --version``."""

from __future__ import annotations

import os
import re
from importlib.metadata import version
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from app.cli.config import config
from app.cli.main import app

app.command("config")(config)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without ``.env``, and an environment without settings."""
    for name in os.environ:
        if name.startswith(("ARENA_", "OLLAMA_", "REDIS_", "DATABASE_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_each_setting_tells_where_its_value_came_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("arena_models=a,b\nARENA_UNDO=10\n")
    monkeypatch.setenv("ARENA_UNDO", "20")
    settings = orjson.loads(CliRunner().invoke(app, ["config", "--json"]).stdout)
    assert settings["ARENA_MODELS"] == {"value": "a,b", "from": ".env"}
    assert settings["ARENA_UNDO"] == {"value": "20", "from": "environment"}
    assert settings["ARENA_PROBE"] == {"value": "30", "from": "default"}


def test_the_files_that_were_read_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toml = folder / "arena.toml"
    toml.write_text(
        '[[hosts]]\nname = "gpu1"\nurl = "http://me:secret@10.0.0.5"\nmemory_gb = 24\n'
        '[[categories]]\nname = "code"\nwords = ["python", "sql"]\n'
    )
    monkeypatch.setenv("ARENA_CONFIG", str(toml))
    printed = CliRunner().invoke(app, ["config"]).stdout
    assert f"{folder / '.env'}: not there" in printed
    assert f"{toml}: read" in printed
    assert re.search(r"\[\[categories\]\] code +words=python,sql +\[.*arena\.toml\]", printed)
    assert "http://10.0.0.5 memory_gb=24.0" in printed


def test_no_password_and_no_key_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ARENA_ADMIN_KEY": "geheim1",
        "ARENA_SECRET": "geheim2",
        "REDIS_PASSWORD": "geheim3",
        "REDIS_URL": "redis://:geheim4@r/0",
        "DATABASE_URL": "postgresql://u:geheim5@h/db?password=geheim6",
        "OLLAMA_HOST": "http://u:geheim7@gpu",
    }.items():
        monkeypatch.setenv(name, value)
    for arguments in (["config"], ["config", "--json"]):
        assert "geheim" not in CliRunner().invoke(app, arguments).output


def test_a_name_that_is_no_setting_is_named_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_MODLES", "a,b")
    assert "did you mean ARENA_MODELS?" in CliRunner().invoke(app, ["config"]).stderr


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"progressive-arena {version('progressive-arena')}\n"
