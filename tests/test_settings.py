"""Settings: where they come from, in which forms, and what is said about a bad one."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio.connection import parse_url

from app.errors import ConfigurationError
from app.settings import Settings, load_settings

OURS = ("ARENA_", "OLLAMA_", "REDIS_", "DATABASE_")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without ``.env``, and an environment without settings."""
    for name in os.environ:
        if name.startswith(OURS):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sentence_about(name: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    sentence = caught.value.sentence
    assert name in sentence
    assert "\n" not in sentence
    return sentence


def test_without_any_setting_everything_has_a_default():
    settings = load_settings()
    assert settings.arena_num_models == 3
    assert settings.arena_num_ctx == 4096
    assert settings.arena_num_predict == 1024
    assert settings.arena_temperature == 0.7
    assert settings.arena_seed is None
    assert settings.arena_think is False
    assert settings.arena_queue == 256
    assert settings.arena_prefetch == 1
    assert settings.arena_reveal == "end"
    assert settings.arena_tick == timedelta(seconds=0.05)
    assert settings.arena_wait == timedelta(seconds=240)
    assert settings.arena_drain == timedelta(seconds=15)
    assert settings.arena_keep_alive == timedelta(hours=72)
    assert settings.arena_max_message == 32_000
    assert settings.arena_battle_ttl == timedelta(hours=24)
    assert settings.arena_log_ttl == timedelta(hours=1)
    assert settings.redis_address == ""


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0.05", 0.05), ("3", 3), ("72h", 259_200), ("1h30m", 5400), ("500ms", 0.5), (" 2m ", 120), ("1.5s", 1.5)],
)
def test_a_duration_is_seconds_or_gos_form(monkeypatch, written, seconds):
    monkeypatch.setenv("ARENA_TICK", written)
    assert load_settings().arena_tick == timedelta(seconds=seconds)


def test_names_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("ARENA_MODELS", " llama3.1:8b, mistral:7b ,,qwen3:8b,")
    assert load_settings().arena_models == ("llama3.1:8b", "mistral:7b", "qwen3:8b")


@pytest.mark.parametrize("name", ["OLLAMA_PORT", "ARENA_SEED", "ARENA_CONFIG", "ARENA_DATA_DIR", "REDIS_URL"])
def test_a_setting_left_empty_is_as_good_as_none(monkeypatch, name):
    default = load_settings()
    monkeypatch.setenv(name, "")
    assert load_settings() == default


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARENA_TICK", "abc"),
        ("ARENA_TICK", "0"),
        ("ARENA_TICK", "-1"),
        ("ARENA_TICK", "inf"),
        ("ARENA_TICK", "nan"),
        ("ARENA_WAIT", "5 parsecs"),
        ("ARENA_WAIT", "1e400"),
        ("OLLAMA_PORT", "99999"),
        ("OLLAMA_PORT", "http"),
        ("REDIS_PORT", "0"),
        ("ARENA_NUM_MODELS", "1"),
        ("ARENA_NUM_MODELS", "three"),
        ("ARENA_NUM_CTX", "0"),
        ("ARENA_TEMPERATURE", "-0.1"),
        ("ARENA_SEED", "x"),
        ("ARENA_REVEAL", "never"),
        ("ARENA_QUEUE", "0"),
        ("ARENA_MAX_MESSAGE", ""),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_setting_and_the_value(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    sentence = sentence_about(name)
    assert repr(value) in sentence or f"got {value} s" in sentence


def test_the_environment_wins_over_the_env_file(folder, monkeypatch):
    Path(folder, ".env").write_text("ARENA_QUEUE=7\nARENA_PREFETCH=0\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("ARENA_QUEUE", "9")
    settings = load_settings()
    assert (settings.arena_queue, settings.arena_prefetch) == (9, 0)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"redis_url": "redis://r:6379/2", "redis_host": "other"}, "redis://r:6379/2"),
        ({"redis_host": "r"}, "redis://r:6379/0"),
        ({"redis_host": "r", "redis_port": 7000, "redis_password": "p"}, "redis://:p@r:7000/0"),
        ({"redis_password": "p", "redis_port": 7000}, ""),
    ],
)
def test_redis_is_found_by_its_url_or_its_parts(settings, address):
    assert load_settings(**settings).redis_address == address


def test_a_password_with_any_characters_reaches_redis_as_it_is():
    settings = load_settings(redis_host="r", redis_password="p@ss/w:rd#%41")
    assert parse_url(settings.redis_address)["password"] == "p@ss/w:rd#%41"
    assert parse_url(settings.redis_address)["host"] == "r"


def test_hosts_and_models_come_from_the_file_that_is_named(folder, monkeypatch):
    Path(folder, "arena.toml").write_text(
        '[[hosts]]\nname = "one"\nurl = "http://10.0.0.1:11434"\nmemory_gb = 24\n\n'
        '[[models]]\nname = "llama3.1:8b"\nnum_ctx = 8192\noptions = { top_p = 0.9 }\n'
    )
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    monkeypatch.setenv("HOSTS", "stray")
    settings = load_settings()
    (host,), (model,) = settings.hosts, settings.models
    assert (host.name, host.memory_gb, host.num_parallel) == ("one", 24, 1)
    assert (model.num_ctx, model.options) == (8192, {"top_p": 0.9})


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[[hosts]]\nname = 'one'\n", "url"),
        ("[[hosts]]\nname = 'one'\nurl = 'http://a'\ncolour = 'red'\n", "colour"),
        ("[[hosts]]\nname = 'a b'\nurl = 'http://a'\n", "name"),
        ("[[hosts]]\nname = 'one'\nurl = 'http://a'\nkind = 'other'\n", "kind"),
        ("[[machines]]\nname = 'one'\n", "machines"),
        ("hosts = 3\n", "hosts"),
        ("[[hosts\n", "ARENA_CONFIG"),
        ("\udcff", "ARENA_CONFIG"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(folder, monkeypatch, toml, named):
    Path(folder, "arena.toml").write_bytes(toml.encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    sentence_about(named)


def test_a_file_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("ARENA_CONFIG", "nowhere.toml")
    assert "nowhere.toml" in sentence_about("ARENA_CONFIG")


def test_settings_cannot_be_changed_later():
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.arena_queue = 3


def test_every_setting_is_documented():
    documented = (Path(__file__).parents[1] / ".env.example").read_text()
    tables = {"hosts", "models"}
    missing = [name.upper() for name in Settings.model_fields if name not in tables and name.upper() not in documented]
    assert not missing
