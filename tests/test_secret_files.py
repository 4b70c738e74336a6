"""Secrets in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings.secret_files import file_settings, secrets_from_files
from app.settings.settings import load_settings, source_of


def test_a_secret_is_the_content_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text("of-the-file\n")
    monkeypatch.setenv("ARENA_ADMIN_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / ".env").write_text("DATABASE_URL_FILE=url\n")
    (tmp_path / "url").write_text("sqlite:///elsewhere.db")
    settings = load_settings()
    assert settings.arena_admin_key == "of-the-file"
    assert settings.database_url == "sqlite:///elsewhere.db"
    assert not settings.ignored
    assert source_of("ARENA_ADMIN_KEY") == "file"
    assert source_of("DATABASE_URL") == "file"


@pytest.mark.parametrize(
    ("content", "why"), [(None, "can't be read"), (b"", "one line"), (b"a\nb", "one line"), (b"\xff\xfe", "not UTF-8")]
)
def test_a_file_that_is_no_secret_is_named(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigurationError, match="ARENA_SECRET_FILE") as refused:
        secrets_from_files({"ARENA_SECRET_FILE": str(tmp_path / "key")})
    assert why in refused.value.sentence


def test_both_at_once_are_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("one")
    with pytest.raises(ConfigurationError, match="leave one of them out"):
        secrets_from_files({"REDIS_URL": "redis://there", "REDIS_URL_FILE": str(tmp_path / "key")})


def test_an_empty_path_is_none() -> None:
    assert secrets_from_files({"ARENA_SECRET_FILE": " "}) == {}


def test_every_one_is_documented() -> None:
    documented = (Path(__file__).parents[1] / ".env.example").read_text()
    assert all(name.removesuffix("_FILE") in documented for name in file_settings())
    assert "_FILE" in documented
