"""Keys of /v1: how they are written, and that nothing keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings.api_keys import ApiKey, all_keys, digest_of, keys_in, parse_key, parse_keys
from app.settings.settings import load_settings

KEY = "a-key-of-enough-characters"


def test_the_three_forms_of_a_key() -> None:
    digest = digest_of(KEY)
    assert parse_key(f"ann:{KEY}") == ApiKey("ann", digest)
    assert parse_key(f"ann:sha256:{digest}") == ApiKey("ann", digest)
    assert parse_key(KEY) == ApiKey(f"key-{digest[:8]}", digest)
    assert parse_key(f"sha256:{digest}") == ApiKey(f"key-{digest[:8]}", digest)


@pytest.mark.parametrize("text", ["short", "ann:short", "a b:" + KEY, ""])
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="has a key") as refused:
        parse_key(text)
    assert not text or text not in str(refused.value)


def test_nothing_is_there_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse_keys([f"ann:{KEY}", f"bob:{KEY}"])
    with pytest.raises(ValueError, match="twice"):
        parse_keys([f"ann:{KEY}", f"ann:{KEY}2"])


def test_settings_keep_digests_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_API_KEYS", f"ann:{KEY}, bob:{KEY}2")
    settings = load_settings()
    assert [key.name for key in settings.arena_api_keys] == ["ann", "bob"]
    assert KEY not in repr(settings)
    assert KEY not in settings.model_dump_json()


def test_a_bad_key_is_named_by_its_setting_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_API_KEYS", "ann:tiny-secret")
    with pytest.raises(ConfigurationError, match="ARENA_API_KEYS") as refused:
        load_settings()
    assert "tiny-secret" not in refused.value.sentence


def test_a_file_has_a_key_on_each_line(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# team\nann:{KEY}\n\nbob:{KEY}2 # nights\n")
    assert [key.name for key in keys_in(file)] == ["ann", "bob"]
    assert len(all_keys(parse_keys([f"eve:{KEY}3"]), file)) == 3
    with pytest.raises(ConfigurationError, match="drop one"):
        all_keys(parse_keys([f"ann:{KEY}4"]), file)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ARENA_API_KEYS_FILE"):
        keys_in(tmp_path / "nothing")
    (tmp_path / "short").write_text("ann:short")
    with pytest.raises(ConfigurationError, match="short has a key of fewer"):
        keys_in(tmp_path / "short")
