"""Hosts as they are configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.backends.scripted import GeneratingBackend
from app.errors import ConfigurationError
from app.hosts.host import Host, hosts_from
from app.hosts.kinds import Kind
from app.settings.settings import HostTable, ModelTable, Settings, load_settings
from tests.services import settings_with

GIB = 1024**3


def settings(**values: object) -> Settings:
    return settings_with(**values)


def test_without_a_file_there_is_one_host_named_local() -> None:
    made = hosts_from(settings(ollama_host="gpu:5", ollama_port=7, arena_num_parallel=3))
    assert made == (Host("local", "http://gpu:5", None, 3),)


def test_the_hosts_of_the_file_replace_it() -> None:
    rows = (
        HostTable(name="a", url="http://10.0.0.1:11434", memory_gb=24, num_parallel=2, max_loaded=3, models=("m:1",)),
        HostTable(name="b", url="10.0.0.2"),
    )
    made = hosts_from(settings(**{"[[hosts]]": rows, "ollama_host": "ignored"}))
    assert made == (
        Host("a", "http://10.0.0.1:11434", 24 * GIB, 2, 3, ("m:1",)),
        Host("b", "http://10.0.0.2:11434"),
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("a", "x"), ("A", "y")], "name 'a'"),
        ([("a", "x"), ("b", "http://x:11434/")], "url 'http://x:11434'"),
        ([("a", "ftp://x")], r"\[\[hosts\]\] a: url"),
    ],
)
def test_hosts_that_can_not_be_told_apart_are_refused(rows: list[tuple[str, str]], said: str) -> None:
    tables = tuple(HostTable(name=name, url=url) for name, url in rows)
    with pytest.raises(ConfigurationError, match=said):
        hosts_from(settings(**{"[[hosts]]": tables}))


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An arena.toml that is named by the environment."""
    file = tmp_path / "arena.toml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_CONFIG", str(file))
    return file


def test_what_a_host_is_for_is_written_in_the_file(written: Path) -> None:
    written.write_text("""
        [[hosts]]
        name = "own"
        url = "10.0.0.5"
        weight = 2
        [[hosts]]
        name = "rented"
        url = "https://gpu.example"
        fallback = true
        scale_to_zero = true
        warm_per_hour = 4
        models = ["mistral:7b"]
    """)
    assert hosts_from(load_settings()) == (
        Host("own", "http://10.0.0.5:11434", weight=2.0),
        Host(
            "rented",
            "https://gpu.example:443",
            models=("mistral:7b",),
            fallback=True,
            scale_to_zero=True,
            warm_per_hour=4,
        ),
    )


def test_a_host_is_no_fallback_and_never_sleeps_unless_it_is_said() -> None:
    (made,) = hosts_from(settings(**{"[[hosts]]": (HostTable(name="a", url="x"),)}))
    assert (made.weight, made.fallback, made.scale_to_zero, made.warm_per_hour) == (1.0, False, False, 12)


def test_the_models_that_should_stay_are_written_in_the_file(written: Path) -> None:
    written.write_text("""
        [[models]]
        name = "mistral:7b"
        pin = true
        [[models]]
        name = "qwen3:8b"
    """)
    assert [(row.name, row.pin) for row in load_settings().models] == [("mistral:7b", True), ("qwen3:8b", False)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("weight = 0", "weight"),
        ("weight = -1", "weight"),
        ("warm_per_hour = -1", "warm_per_hour"),
        ('fallback = "perhaps"', "fallback"),
        ("scales_to_zero = true", "scales_to_zero"),
    ],
)
def test_a_value_that_can_not_be_meant_is_named(written: Path, line: str, said: str) -> None:
    written.write_text(f'[[hosts]]\nname = "a"\nurl = "x"\n{line}\n')
    with pytest.raises(ConfigurationError, match=said):
        load_settings()


@pytest.mark.parametrize("name", ["README.md", ".env.example"])
def test_every_setting_of_a_host_and_of_a_model_is_written_down(name: str) -> None:
    text = (Path(__file__).parents[2] / name).read_text()
    documented = {"name", "url", *HostTable.model_fields, *ModelTable.model_fields}
    if name == "README.md":
        documented -= {"system", "options"}
    assert [field for field in sorted(documented) if field not in text] == []


def test_pins_of_models_hold_on_every_host() -> None:
    rows = {"[[hosts]]": (HostTable(name="a", url="10.0.0.1"), HostTable(name="b", url="10.0.0.2"))}
    models = {"[[models]]": (ModelTable(name="m:1", pin=True), ModelTable(name="n:1"))}
    assert [host.pins for host in hosts_from(settings(**rows, **models))] == [frozenset({"m:1"})] * 2
    assert hosts_from(settings(**models))[0].pins == frozenset({"m:1"})


def test_a_host_that_scales_to_zero_must_list_its_models() -> None:
    row = HostTable(name="cloud", url="10.0.0.1", scale_to_zero=True)
    with pytest.raises(ConfigurationError, match=r"\[\[hosts\]\] cloud: list its models"):
        hosts_from(settings(**{"[[hosts]]": (row,)}))


def test_a_kind_that_nobody_knows_is_refused_with_those_that_are() -> None:
    row = HostTable(name="cloud", url="10.0.0.1", kind="tgi")
    with pytest.raises(ConfigurationError, match=r"\[\[hosts\]\] cloud: kind is 'tgi'; choose one of ollama"):
        hosts_from(settings(**{"[[hosts]]": (row,)}))


def test_a_host_that_can_not_be_asked_what_it_has_must_list_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Kind(lambda url, settings: GeneratingBackend(), lists_models=False)
    monkeypatch.setattr("app.hosts.host.KINDS", {"plain": kind})
    row = HostTable(name="cloud", url="10.0.0.1", kind="plain")
    with pytest.raises(ConfigurationError, match=r"\[\[hosts\]\] cloud: list its models: a server of kind plain"):
        hosts_from(settings(**{"[[hosts]]": (row,)}))
    listed = row.model_copy(update={"models": ("m:1",)})
    assert [(host.kind, host.models) for host in hosts_from(settings(**{"[[hosts]]": (listed,)}))] == [
        ("plain", ("m:1",))
    ]


def one(**table: object) -> Host:
    (made,) = hosts_from(settings(**{"[[hosts]]": (HostTable(name="gpu", **table),)}))  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("kind", "url", "where", "api"),
    [
        ("vllm", "10.0.0.1", "http://10.0.0.1:8000", "/v1"),
        ("vllm", "https://gpu.example/v1/", "https://gpu.example:443", "/v1"),
        ("llama-server", "10.0.0.1:81/llama", "http://10.0.0.1:81/llama", "/v1"),
        ("sglang", "10.0.0.1", "http://10.0.0.1:30000", "/v1"),
        ("openai", "api.openai.com", "https://api.openai.com:443", "/v1"),
    ],
)
def test_a_base_url_as_clients_are_given_it_is_an_address_too(kind: str, url: str, where: str, api: str) -> None:
    made = one(kind=kind, url=url, models=("m",))
    assert (made.url, made.api) == (where, api)


def test_the_apis_path_may_be_another() -> None:
    made = one(kind="openai", url="https://x.example/openai/v1", api_path="/openai/v1", models=("m",))
    assert (made.url, made.api) == ("https://x.example:443", "/openai/v1")
    with pytest.raises(ConfigurationError, match="leave api_path out"):
        one(url="x", api_path="/v1")


def test_slots_are_as_written_else_the_servers_else_the_kinds_usual() -> None:
    assert (one(url="x").num_parallel, one(url="x").asks_slots) == (1, False)
    assert (one(kind="vllm", url="x").num_parallel, one(kind="vllm", url="x").asks_slots) == (16, False)
    assert one(kind="llama-server", url="x").asks_slots
    written = one(kind="llama-server", url="x", num_parallel=3)
    assert (written.num_parallel, written.asks_slots) == (3, False)


def test_a_key_and_headers_come_from_the_environment_or_dotenv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("VLLM_KEY=from-file\nMODAL=from-file\n")
    monkeypatch.setenv("VLLM_KEY", "from-environment\n")
    made = one(kind="vllm", url="x", api_key_env="VLLM_KEY", headers={"Modal-Key": "env:MODAL", "X-Team": "arena"})
    assert made.headers == (
        ("Modal-Key", "from-file"),
        ("X-Team", "arena"),
        ("Authorization", "Bearer from-environment"),
    )
    assert "from-" not in repr(made)
    assert "\r\nAuthorization: Bearer from-environment\r\n" in made.place.access.target().head


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"api_key_env": "NO_SUCH_KEY"}, "api_key_env: the variable NO_SUCH_KEY is not set"),
        ({"headers": {"X-Key": "env:NO_SUCH_KEY"}}, "headers.X-Key: the variable NO_SUCH_KEY is not set"),
        ({"headers": {"X-Conversation-Id": "1"}}, "llama-server goes on writing"),
        ({"headers": {"host": "1"}}, "the arena sends its own"),
        ({"headers": {"X A": "1"}}, "is no header"),
        ({"headers": {"X-A": "a\r\nX-B: b"}}, "is no header"),
        ({"headers": {"authorization": "x"}, "api_key_env": "HOME"}, "not both"),
        ({"ca_file": "/no/such/file.pem"}, "ca_file: /no/such/file.pem can't be read"),
    ],
)
def test_what_can_not_be_sent_is_refused_by_its_name(table: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        one(kind="vllm", url="x", **table)


def test_a_file_without_certificates_is_no_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="can't be read as certificates"):
        one(kind="vllm", url="x", ca_file=tmp_path / "ca.pem")


def test_models_of_a_service_that_costs_money_have_to_be_named() -> None:
    with pytest.raises(ConfigurationError, match="may have hundreds that cost money"):
        one(kind="openai", url="https://api.openai.com")
