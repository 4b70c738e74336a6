"""The endpoints for Modal: what Modal would be told, and the start of a container against servers of this machine."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app.simulator.server.server import SimulatorConfig, running_simulator
from tests.backends.chat_double import chat_double
from tests.helpers import HUNG_S

FOLDER = Path(__file__).parents[2] / "deploy" / "modal"
NAMES = ("ollama", "vllm")


def loaded(name: str) -> ModuleType:
    """One of the files, as ``modal deploy`` imports it."""
    spec = importlib.util.spec_from_file_location(f"arena_modal_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The files' own folder is where Python looks first, as it is for ``modal deploy``."""
    for name in ("ARENA_MODAL_GPU", "ARENA_MODAL_MODELS", "ARENA_MODAL_SCALEDOWN", "ARENA_MODAL_OPEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.syspath_prepend(str(FOLDER))
    yield
    sys.modules.pop("endpoint", None)


@pytest.fixture
def endpoint() -> Any:
    return importlib.import_module("endpoint")


class Decorators:
    """What the decorators of an endpoint were given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import modal

        self.cls: dict[str, Any] = {}
        self.server: dict[str, Any] = {}
        self.port = 0
        real_cls, real_server = modal.App.cls, modal.web_server

        def of_cls(app: Any, **given: Any) -> Any:
            self.cls = given
            return real_cls(app, **given)

        def of_server(port: int, **given: Any) -> Any:
            self.port, self.server = port, given
            return real_server(port, **given)

        monkeypatch.setattr(modal.App, "cls", of_cls)
        monkeypatch.setattr(modal, "web_server", of_server)


@pytest.mark.parametrize("name", NAMES)
def test_modal_is_told_a_card_that_it_has_times_a_volume_and_auth(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decorators = Decorators(monkeypatch)
    made = loaded(name)
    assert made.CHOSEN.gpu in made.options.__globals__["GPUS"]
    assert decorators.cls["gpu"] == "A10G"
    assert (decorators.cls["scaledown_window"], decorators.cls["startup_timeout"], decorators.cls["timeout"]) == (
        300,
        1200,
        600,
    )
    assert list(decorators.cls["volumes"]) == ["/models"]
    assert decorators.server == {"startup_timeout": 1200, "requires_proxy_auth": True}
    assert decorators.port == made.PORT
    assert decorators.cls["max_containers"] == 1


def test_auth_is_off_only_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_MODAL_OPEN", "1")
    decorators = Decorators(monkeypatch)
    loaded("ollama")
    assert decorators.server["requires_proxy_auth"] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ARENA_MODAL_GPU": "RTX4090"}, "ARENA_MODAL_GPU: 'RTX4090' is none of T4"),
        ({"ARENA_MODAL_GPU": "A100:9"}, "ARENA_MODAL_GPU"),
        ({"ARENA_MODAL_SCALEDOWN": "0"}, "ARENA_MODAL_SCALEDOWN: 0 is not from 2 to 3600"),
        ({"ARENA_MODAL_SCALEDOWN": "5m"}, "ARENA_MODAL_SCALEDOWN: '5m' is no whole number"),
        ({"ARENA_MODAL_STARTUP": "1"}, "ARENA_MODAL_STARTUP"),
        ({"ARENA_MODAL_TIMEOUT": "1"}, "ARENA_MODAL_TIMEOUT"),
        ({"ARENA_MODAL_MODELS": " , "}, "ARENA_MODAL_MODELS: name at least one model"),
    ],
)
def test_an_option_that_can_not_be_meant_is_named(endpoint: Any, given: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        endpoint.options("m", given)


def test_every_kind_of_card_is_taken_and_several_of_it(endpoint: Any) -> None:
    for gpu in endpoint.GPUS:
        assert endpoint.options("m", {"ARENA_MODAL_GPU": gpu}).gpu == gpu
        assert endpoint.options("m", {"ARENA_MODAL_GPU": f"{gpu}:2"}).gpu == f"{gpu}:2"


@pytest.mark.parametrize("old", ["ARENA_MODAL_IDLE_TIMEOUT", "CONTAINER_IDLE_TIMEOUT"])
def test_the_retired_name_of_the_window_is_read_as_the_new_one(endpoint: Any, old: str) -> None:
    with pytest.warns(UserWarning, match="is now called ARENA_MODAL_SCALEDOWN"):
        assert endpoint.options("m", {old: "120"}).scaledown == 120
    with pytest.warns(UserWarning, match="is now called"):
        assert endpoint.options("m", {old: "120", "ARENA_MODAL_SCALEDOWN": "60"}).scaledown == 60


def test_a_container_reads_the_options_that_were_deployed(endpoint: Any) -> None:
    given = {"ARENA_MODAL_GPU": "H100:2", "ARENA_MODAL_MODELS": "a:1,b:2", "ARENA_MODAL_SCALEDOWN": "9"}
    chosen = endpoint.options("m", given)
    assert endpoint.options("m", endpoint.baked(chosen)) == chosen


class Running:
    """A server that runs already: what was launched, and whether it has ended."""

    def __init__(self, returncode: int | None = None) -> None:
        self.returncode = returncode
        self.command: list[str] = []
        self.environment: dict[str, str] = {}

    def launch(self, command: list[str], more: dict[str, str]) -> Running:
        self.command, self.environment = command, more
        return self

    def poll(self) -> int | None:
        return self.returncode


async def test_a_container_of_ollama_has_its_models_and_the_first_in_memory_before_it_serves(endpoint: Any) -> None:
    made, server = loaded("ollama"), Running()
    config = SimulatorConfig(speed=200, models=("llama3.1:8b", "mistral:7b"), load_s=0.5)
    pulls: list[str] = []
    async with running_simulator(config) as simulator:
        chosen = endpoint.options("llama3.1:8b,mistral:7b,qwen3:8b", {"ARENA_MODAL_NUM_CTX": "2048"})
        await asyncio.to_thread(made.start, chosen, lambda: pulls.append("kept"), server.launch, simulator.url)
        assert await asyncio.to_thread(made.missing, chosen, simulator.url) == []
        reply = await asyncio.to_thread(endpoint.ask, f"{simulator.url}/api/ps")
    assert server.command == ["ollama", "serve"]
    assert server.environment["OLLAMA_MODELS"] == made.FOLDER
    assert server.environment["OLLAMA_HOST"] == f"0.0.0.0:{made.PORT}"
    assert pulls == ["kept"]  # the third was not on the volume
    assert isinstance(reply, dict)
    assert [(row["name"], row["context_length"]) for row in reply["models"]] == [("llama3.1:8b", 2048)]


async def test_a_container_of_vllm_has_written_a_token_before_it_serves(endpoint: Any) -> None:
    made, server = loaded("vllm"), Running()
    async with chat_double("vllm", models=("Qwen/Qwen3-8B",)) as double:
        chosen = endpoint.options("Qwen/Qwen3-8B", {"ARENA_MODAL_GPU": "A100:2", "ARENA_MODAL_NUM_CTX": "8192"})
        kept: list[str] = []
        await asyncio.to_thread(made.start, chosen, lambda: kept.append("kept"), server.launch, double.url)
        (first,) = double.bodies
    assert first["max_tokens"] == 1
    assert server.command[:3] == ["vllm", "serve", "Qwen/Qwen3-8B"]
    assert server.command[-4:] == ["--max-model-len", "8192", "--tensor-parallel-size", "2"]
    assert kept == ["kept"]


def test_a_server_that_ends_or_never_answers_fails_the_start(endpoint: Any) -> None:
    with pytest.raises(RuntimeError, match="ended with status 1"):
        endpoint.wait_until_up("http://127.0.0.1:9/", Running(1), 5.0)
    times = iter(range(100))
    with pytest.raises(RuntimeError, match="did not answer within 5 s"):
        endpoint.wait_until_up(
            "http://127.0.0.1:9/", Running(), 5.0, clock=lambda: float(next(times)), sleep=lambda _: None
        )


def test_what_is_launched_does_not_see_the_deployed_files(endpoint: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER))
    program = (
        "import os, sys; sys.exit(int('PYTHONPATH' in os.environ or os.getcwd() != '/' or os.environ['X'] != 'y'))"
    )
    process: subprocess.Popen[bytes] = endpoint.launched([sys.executable, "-c", program], {"X": "y"})
    assert process.wait(HUNG_S) == 0
