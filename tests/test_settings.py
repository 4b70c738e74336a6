"""Settings: where they come from, in which forms, and what is said about a bad one."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from redis.asyncio.connection import parse_url

from app.backends.ollama.calls import keep_alive_form
from app.cli.main import app as commands
from app.errors import ConfigurationError
from app.network.proxies import is_trusted
from app.settings.settings import Settings, load_settings
from tests.services import settings_with

OURS = ("ARENA_", "OLLAMA_", "REDIS_", "DATABASE_", "FORWARDED_")


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


def test_without_any_setting_everything_has_a_default() -> None:
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
def test_a_duration_is_seconds_or_gos_form(monkeypatch: pytest.MonkeyPatch, written: str, seconds: float) -> None:
    monkeypatch.setenv("ARENA_TICK", written)
    assert load_settings().arena_tick == timedelta(seconds=seconds)


def test_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_MODELS", " llama3.1:8b, mistral:7b ,,qwen3:8b,")
    assert load_settings().arena_models == ("llama3.1:8b", "mistral:7b", "qwen3:8b")


@pytest.mark.parametrize("name", ["OLLAMA_PORT", "ARENA_SEED", "ARENA_CONFIG", "ARENA_DATA_DIR", "REDIS_URL"])
def test_a_setting_left_empty_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
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
def test_a_bad_value_is_one_line_that_names_the_setting_and_the_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    sentence = sentence_about(name)
    assert repr(value) in sentence or f"got {value} s" in sentence


def test_the_environment_wins_over_the_env_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_redis_is_found_by_its_url_or_its_parts(settings: dict[str, str | int], address: str) -> None:
    assert load_settings(**settings).redis_address == address


def test_a_password_with_any_characters_reaches_redis_as_it_is() -> None:
    settings = load_settings(redis_host="r", redis_password="p@ss/w:rd#%41")
    assert parse_url(settings.redis_address)["password"] == "p@ss/w:rd#%41"
    assert parse_url(settings.redis_address)["host"] == "r"


def test_hosts_and_models_come_from_the_file_that_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(folder, "arena.toml").write_text(
        '[[hosts]]\nname = "one"\nurl = "http://10.0.0.1:11434"\nmemory_gb = 24\n\n'
        '[[models]]\nname = "llama3.1:8b"\nnum_ctx = 8192\noptions = { top_p = 0.9 }\n'
    )
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    monkeypatch.setenv("HOSTS", "stray")
    settings = load_settings()
    (host,), (model,) = settings.hosts, settings.models
    assert (host.name, host.memory_gb, host.num_parallel) == ("one", 24, None)
    assert (model.num_ctx, model.options) == (8192, {"top_p": 0.9})


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[[hosts]]\nname = 'one'\n", "url"),
        ("[[hosts]]\nname = 'one'\nurl = 'http://a'\ncolour = 'red'\n", "colour"),
        ("[[hosts]]\nname = 'a b'\nurl = 'http://a'\n", "name"),
        ("[[hosts]]\nname = 'one'\nurl = 'http://a'\nkind = 3\n", "kind"),
        ("[[machines]]\nname = 'one'\n", "machines"),
        ("[[categories]]\nname = 'Two words'\n", "name"),
        ("[[categories]]\nname = 'code'\nwords = 'python'\n", "words"),
        ("[[categories]]\nname = 'code'\nwords = [' ']\n", "words"),
        ("[[categories]]\nname = 'code'\npattern = 'x'\n", "pattern"),
        ("hosts = 3\n", "hosts"),
        ("[[hosts\n", "ARENA_CONFIG"),
        ("\udcff", "ARENA_CONFIG"),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_names_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str, named: str
) -> None:
    Path(folder, "arena.toml").write_bytes(toml.encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    sentence_about(named)


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_CONFIG", "nowhere.toml")
    assert "nowhere.toml" in sentence_about("ARENA_CONFIG")


def test_settings_cannot_be_changed_later() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.arena_queue = 3


def test_every_setting_is_documented() -> None:
    documented = (Path(__file__).parents[1] / ".env.example").read_text()
    tables = {"hosts", "models", "categories", "ignored", "given"}
    missing = [name.upper() for name in Settings.model_fields if name not in tables and name.upper() not in documented]
    assert not missing


# What a container platform sets


@pytest.mark.parametrize("name", ["OLLAMA_PORT", "REDIS_PORT"])
@pytest.mark.parametrize("value", ["tcp://10.43.131.181:6379", "udp://10.0.0.1:53", "tcp://redis"])
def test_what_a_container_platform_sets_for_a_service_is_no_port_and_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    default = load_settings()
    monkeypatch.setenv(name, value)
    settings = load_settings(redis_host="r")
    assert settings.model_copy(update={"redis_host": "", "ignored": ()}) == default
    assert settings.redis_address == "redis://r:6379/0"
    (found,) = settings.ignored
    assert (found.setting, found.mistake) == (name, False)


@pytest.mark.parametrize("value", ["http://10.0.0.1:6379", "tcp:6379", "tcp://10.0.0.1 6379"])
def test_another_port_that_is_none_is_still_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REDIS_PORT", value)
    sentence_about("REDIS_PORT: is no whole number")


def test_the_other_names_that_a_platform_sets_are_no_misspelled_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {
        "ARENA_SERVICE_HOST": "10.0.0.1",
        "ARENA_SERVICE_PORT": "8000",
        "ARENA_SERVICE_PORT_HTTP": "8000",
        "ARENA_PORT": "tcp://10.0.0.1:8000",
        "ARENA_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "ARENA_PORT_8000_TCP_PROTO": "tcp",
        "ARENA_PORT_8000_TCP_PORT": "8000",
        "ARENA_PORT_8000_TCP_ADDR": "10.0.0.1",
        "ARENA_REDIS_PORT": "tcp://10.0.0.1:6379",
    }
    for name, value in links.items():
        monkeypatch.setenv(name, value)
    assert load_settings().ignored == ()


def test_a_misspelled_name_is_told_with_what_was_probably_meant(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(folder, ".env").write_text("ARENA_MODLES=a,b\nexport ARENA_XQZZW=1\nOTHER_MODLES=1\n")
    monkeypatch.setenv("arena_reveel", "end")
    found = {one.setting: one.remedy for one in load_settings().ignored}
    assert found["ARENA_MODLES"] == "did you mean ARENA_MODELS?"
    assert found["ARENA_REVEEL"] == "did you mean ARENA_REVEAL?"
    assert ".env.example" in found["ARENA_XQZZW"]
    assert len(found) == 3
    assert all(one.mistake for one in load_settings().ignored)


# Redis by its parts


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("::1", "redis://[::1]:7000/0"),
        ("[::1]", "redis://[::1]:7000/0"),
        ("[::1]:6380", "redis://[::1]:6380/0"),
        ("r:6380", "redis://r:6380/0"),
        (" r ", "redis://r:7000/0"),
    ],
)
def test_the_redis_host_may_be_ipv6_and_may_name_its_port(host: str, address: str) -> None:
    settings = load_settings(redis_host=host, redis_port=7000)
    assert settings.redis_address == address
    assert parse_url(settings.redis_address)["host"] == host.strip().removesuffix(":6380").strip("[]")


@pytest.mark.parametrize(
    "host", ["redis://:secret@r", "me:secret@r", "r/0", "tcp://10.0.0.1:6379", ":6379", "r:secret"]
)
def test_a_redis_host_that_is_none_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("REDIS_HOST", host)
    assert "secret" not in sentence_about("REDIS_HOST")


# Values that look right


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ARENA_THINK", "maybe", "ARENA_THINK: is none of true, false, low, medium, high, max (got 'maybe')"),
        ("ARENA_TEMPERATURE", "inf", "ARENA_TEMPERATURE: has to be a finite number"),
        ("ARENA_TEMPERATURE", "nan", "ARENA_TEMPERATURE: has to be a finite number"),
        ("ARENA_TICK", "0", "ARENA_TICK: has to be more than 0 seconds (got 0 s)"),
        ("ARENA_NUM_CTX", "0", "ARENA_NUM_CTX: has to be at least 1 (got '0')"),
        ("ARENA_SCHEDULER", "perhaps", "ARENA_SCHEDULER: is neither true nor false (got 'perhaps')"),
        ("ARENA_REVEAL", "never", "ARENA_REVEAL: is none of 'end', 'vote', 'always' (got 'never')"),
        ("ARENA_KEEP_ALIVE", "0", "ARENA_KEEP_ALIVE: has to be more than 0 seconds"),
        ("ARENA_DATA_DIR", "~nobody-of-that-name/x", "ARENA_DATA_DIR: begins with ~"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert sentence_about(name).startswith(said)


@pytest.mark.parametrize("value", ["-1", "-1s", "-1m", "-0.5"])
def test_a_negative_keep_alive_is_for_ever_as_with_ollama(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("ARENA_KEEP_ALIVE", value)
    assert keep_alive_form(load_settings().arena_keep_alive) == -1


def test_a_newline_at_the_end_of_a_secret_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ARENA_ADMIN_KEY", "ARENA_SECRET", "REDIS_PASSWORD", "DATABASE_URL"):
        monkeypatch.setenv(name, "sesame\n")
    settings = load_settings()
    assert settings.arena_admin_key == settings.arena_secret == settings.redis_password == "sesame"
    assert settings.database_url == "sesame"


def test_a_tilde_is_the_users_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HOME", str(folder))
    Path(folder, "arena.toml").write_text("")
    monkeypatch.setenv("ARENA_DATA_DIR", "~/arena")
    monkeypatch.setenv("ARENA_CONFIG", "~/arena.toml")
    assert load_settings().arena_data_dir == folder / "arena"
    assert load_settings().arena_config == folder / "arena.toml"


# Files


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-16-le"])
def test_an_env_file_in_another_encoding_is_one_line(folder: Path, encoding: str) -> None:
    Path(folder, ".env").write_text("ARENA_SYSTEM=Größe\n", encoding=encoding)
    assert "save it as UTF-8" in sentence_about(".env")


def test_a_byte_order_mark_is_no_part_of_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(folder, ".env").write_text("ARENA_QUEUE=7\n", encoding="utf-8-sig")
    Path(folder, "arena.toml").write_text("[[models]]\nname = 'a'\n", encoding="utf-8-sig")
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    settings = load_settings()
    assert (settings.arena_queue, settings.models[0].name) == (7, "a")
    assert settings.ignored == ()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[[hosts]]\nname = 'one'\n", "arena.toml: [[hosts]] one: url is missing"),
        ("[[hosts]]\nurl = 'x'\n", "arena.toml: [[hosts]] number 1: name is missing"),
        (
            "[[hosts]]\nname = 'one'\nurl = 'x'\nmemory = 24\n",
            "arena.toml: [[hosts]] one: memory is no setting; did you mean memory_gb?",
        ),
        ("[[hosts]]\nname = 'one'\nurl = 'x'\nmemory_gb = inf\n", "memory_gb has to be a finite number"),
        ("[[hosts]]\nname = 'one'\nurl = 'x'\nnum_parallel = 0\n", "num_parallel has to be at least 1 (got 0)"),
        ("[[models]]\nname = 'a'\nthink = 'maybe'\n", "[[models]] a: think is none of true, false, low"),
        ("[[models]]\nname = 'a'\nsystem = 3\n", "[[models]] a: system has to be a text in quotes (got 3)"),
        ("[[models]]\nname = 'a'\noptions = 3\n", "[[models]] a: options has to be a table"),
        ("[[models]]\nname = 'a'\noptions.num_ctx = 'many'\n", "a: options.num_ctx has to be a whole number"),
        ("[[models]]\nname = 'a'\noptions.num_ctx = 0\n", "a: options.num_ctx has to be at least 1"),
        ("[[models]]\nname = 'a'\noptions.temperature = -1\n", "a: options.temperature has to be at least 0"),
        ("[[models]]\nname = 'a'\noptions.top_p = 'high'\n", "a: options.top_p has to be a number"),
        ("[[models]]\nname = 'a'\noptions.top_k = true\n", "a: options.top_k has to be a whole number"),
        ("[[models]]\nname = 'a'\noptions.min_p = nan\n", "a: options.min_p has to be a finite number"),
        ("[[models]]\nname = 'a'\noptions.stop = 1979-05-27\n", "a: options.stop has to be a number, a text"),
        ("[[models]]\nname = 'a'\noptions.think = true\n", "a: options.think is no option: write think into the table"),
        ("hosts = 3\n", "arena.toml: [[hosts]]: has to be a list"),
        ("hosts = ['http://me:secret@gpu']\n", "arena.toml: [[hosts]] number 1: has to be a table"),
        ("[[hosts]]\nname = 'one'\nurl = 'x'\npassword = 'secret'\n", "password is no setting"),
        ("[[hosts]]\nname = 'one'\nurl = ['http://me:secret@gpu']\n", "url has to be a text in quotes"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_of_its_table_and_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str, said: str
) -> None:
    Path(folder, "arena.toml").write_text(toml)
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    sentence = sentence_about(said)
    assert ".env.example" not in sentence
    assert "secret" not in sentence


def test_options_of_ollamas_types_are_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(folder, "arena.toml").write_text(
        "[[models]]\nname = 'a'\noptions = { top_k = 40, top_p = 0.9, stop = ['x', 'y'], use_mmap = true, new = 'z' }\n"
    )
    monkeypatch.setenv("ARENA_CONFIG", "arena.toml")
    assert load_settings().models[0].options["stop"] == ["x", "y"]


@pytest.mark.parametrize(("old", "new"), [("ARENA_LANES", "ARENA_SCHEDULER"), ("ARENA_KEEPER", "ARENA_PREWARM")])
def test_a_setting_that_was_renamed_is_refused_with_its_new_name(
    old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(old, "false")
    with pytest.raises(ConfigurationError, match=f"{old} is now called {new}; rename it"):
        load_settings()


@pytest.mark.parametrize(
    ("arguments", "new"), [(["serve", "--no-lanes"], "--no-scheduler"), (["lanes"], "arena scheduler")]
)
def test_a_command_that_was_renamed_is_refused_with_its_new_name(arguments: list[str], new: str) -> None:
    with pytest.raises(ConfigurationError, match=f"is now called {new}"):
        typer.main.get_command(commands)(arguments, standalone_mode=False)


@pytest.mark.parametrize("given", ["10.0.0.5", "10.0.0.0/8,::1", "*", " 10.0.0.5 , fd00::/8 "])
def test_proxies_are_addresses_or_networks(given: str) -> None:
    assert settings_with(forwarded_allow_ips=given).forwarded_allow_ips == tuple(given.replace(" ", "").split(","))


@pytest.mark.parametrize("given", ["balancer", "10.0.0.5/8", "10.0.0.300"])
def test_what_is_no_address_of_a_proxy_is_refused_with_what_to_write(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", given)
    with pytest.raises(ConfigurationError, match=r"FORWARDED_ALLOW_IPS: .*write 10\.0\.0\.5"):
        load_settings()


def test_a_proxy_is_believed_by_its_address_or_its_network() -> None:
    assert is_trusted("10.1.2.3", ["127.0.0.1", "10.0.0.0/8"])
    assert not is_trusted("11.1.2.3", ["127.0.0.1", "10.0.0.0/8"])
    assert is_trusted("anything", ["*"])
    assert not is_trusted("a-socket", ["10.0.0.0/8"])
