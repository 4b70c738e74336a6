"""``arena serve`` as a program: what it prints, what it refuses, and what it leaves behind (nothing)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
import uvicorn
from uvicorn.supervisors import multiprocess

from app.cli.main import main
from app.process.serve import Serving, Workers
from app.simulator.engine.clock import run_virtual
from tests.helpers import HUNG_S, wait_until
from tests.whole.client import call, open_battle, play, watch
from tests.whole.harness import OURS, Instance, ModelServer, serve

MODELS = ("zircon:7b", "quokka:8b", "okapi:8b")


@pytest.fixture(scope="module")
def models() -> Iterator[ModelServer]:
    server = ModelServer(MODELS)
    yield server
    server.close()


@pytest.fixture
def arena(tmp_path: Path, models: ModelServer) -> Iterator[Callable[..., Instance]]:
    """Start ``arena serve`` in a folder of its own; all that was started is gone after the test."""
    started: list[Instance] = []

    def start(*flags: str, **settings: str) -> Instance:
        known = {"OLLAMA_HOST": models.url, "ARENA_DATA_DIR": str(tmp_path / "data"), "ARENA_DRAIN": "1"}
        started.append(serve(tmp_path, known | settings, *flags))
        return started[-1]

    yield start
    for instance in started:
        instance.close()


def children_of(pid: int) -> set[int]:
    """Process ids of all descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, ValueError):
            continue
        if folder.name.isdigit():
            parents[int(folder.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pid: int) -> bool:
    try:
        return (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) != "Z"
    except OSError:
        return False


async def test_two_workers_share_an_embedded_redis_and_a_sigterm_ends_everything(
    arena: Callable[..., Instance],
) -> None:
    serving = arena("--workers", "2").wait_for_address()
    opened = await open_battle(serving.url)
    watched = asyncio.create_task(watch(serving.url, opened["battle_id"]))
    end = await play(serving.url, opened["battle_id"], ["a", "b"])
    assert end["status"] == "finished"
    assert (await watched).events[-1].event == "end"
    family = children_of(serving.process.pid)
    assert len(family) >= 3, "two workers and a Redis at least"
    serving.terminate()
    assert await asyncio.to_thread(serving.process.wait, HUNG_S) in (0, -signal.SIGTERM)
    await wait_until(lambda: not any(map(alive, family)))
    assert serving.line == f"http://127.0.0.1:{serving.port}\n"
    assert serving.rest_of_stdout() == "", "stdout has the address and nothing else"


async def test_a_killed_parent_leaves_no_worker_and_no_redis_behind(arena: Callable[..., Instance]) -> None:
    serving = arena("--workers", "2").wait_for_address()
    family = children_of(serving.process.pid)
    assert len(family) >= 3
    os.kill(serving.process.pid, signal.SIGKILL)
    serving.process.wait(HUNG_S)
    await wait_until(lambda: not any(map(alive, family)))


async def test_what_was_played_is_still_there_after_a_restart(arena: Callable[..., Instance]) -> None:
    first = arena().wait_for_address()
    battle = (await open_battle(first.url))["battle_id"]
    end = await play(first.url, battle, ["tie", "b"])
    first.terminate()
    await asyncio.to_thread(first.process.wait, HUNG_S)
    second = arena().wait_for_address()
    again = (await call("GET", f"{second.url}/api/arena/battles/{battle}")).json()
    for name in ("status", "votes", "message", "round", "sides", "reveal"):
        assert again[name] == end[name], name
    late = await watch(second.url, battle)
    assert [event.event for event in late.events] == ["snapshot", "end"]
    reply = await call("GET", f"{second.url}/api/arena/battles/{battle}/events", params={"after": late.ids[-1]})
    assert reply.status_code == 204


@pytest.fixture(scope="module")
def misconfigured(models: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One start with a model that is not there, a misspelled setting, and what a container platform sets by itself."""
    folder = tmp_path_factory.mktemp("misconfigured")
    known = {"OLLAMA_HOST": models.url, "ARENA_DATA_DIR": str(folder / "data"), "ARENA_DRAIN": "1"}
    links = {"REDIS_PORT": "tcp://10.43.131.181:6379", "OLLAMA_PORT": "tcp://10.43.131.182:11434"}
    wrong = {"ARENA_MODELS": "zircon-7b,quokka:8b,okapi:8b", "ARENA_MODLES": "zircon:7b"}
    serving = serve(folder, known | links | wrong)
    try:
        yield serving.wait_for_address()
    finally:
        serving.close()


async def test_a_missing_model_is_one_warning_with_what_was_meant(misconfigured: Instance) -> None:
    warnings = [line for line in misconfigured.logged() if line["level"] == "warning" and "setting" not in line]
    assert len(warnings) == 1, warnings
    assert "zircon-7b" in warnings[0]["trouble"]
    assert "zircon:7b" in warnings[0]["trouble"], "did you mean"
    opened = await open_battle(misconfigured.url)
    assert opened["rounds_total"] == 1, "two of three are there"


async def test_what_a_container_platform_sets_is_ignored_and_said_once(misconfigured: Instance) -> None:
    ignored = [line for line in misconfigured.logged("setting_ignored") if line["level"] == "info"]
    assert sorted(line["setting"] for line in ignored) == ["OLLAMA_PORT", "REDIS_PORT"]
    assert (await call("GET", f"{misconfigured.url}/readyz")).status_code == 200


def test_a_misspelled_setting_is_one_warning_with_what_was_meant(misconfigured: Instance) -> None:
    (warning,) = [line for line in misconfigured.logged() if line["level"] == "warning" and "setting" in line]
    assert (warning["setting"], warning["remedy"]) == ("ARENA_MODLES", "did you mean ARENA_MODELS?")


async def test_an_unreachable_host_is_one_warning_and_no_reason_not_to_serve(arena: Callable[..., Instance]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        serving = arena(OLLAMA_HOST="127.0.0.1", OLLAMA_PORT=str(port)).wait_for_address()
        warnings = [line for line in serving.logged() if line["level"] == "warning"]
        assert len(warnings) == 1, warnings
        assert f"127.0.0.1:{port}" in warnings[0]["trouble"]
        ready = await call("GET", f"{serving.url}/readyz")
        assert (ready.status_code, ready.json()["degraded"]) == (200, True)
        refused = await call("POST", f"{serving.url}/api/arena/battles", json={"message": "Hi"})
        assert (refused.status_code, refused.json()["code"]) == (503, "too_few_models")
        assert int(refused.headers["retry-after"]) > 0
        assert str(port) not in refused.text


BAD = {
    "ARENA_TICK": "abc",
    "OLLAMA_PORT": "99999",
    "OLLAMA_HOST": "ftp://nowhere",
    "ARENA_NUM_MODELS": "1",
    "ARENA_REVEAL": "never",
    "ARENA_CONFIG": "missing.toml",
    "REDIS_URL": "http://nowhere",
    "DATABASE_URL": "mysql://nowhere/arena",
    "ARENA_DATA_DIR": "/proc/nowhere",
    "ARENA_THINK": "maybe",
    "ARENA_MODELS": "zircon:7b,quokka:8b,zircon:7b",
    "REDIS_HOST": "cache:abc",
}


def check_refusal(name: str, status: int, stdout: str, stderr: str) -> None:
    assert status == 2, stderr
    assert stderr.count("\n") == 1, stderr
    assert stderr.startswith("arena: ")
    assert (name if name != "ARENA_DATA_DIR" else BAD[name]) in stderr
    assert stdout == ""


@pytest.fixture
def log_as_before() -> Iterator[None]:
    """What a command of this process makes of logging is undone."""
    known, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**known)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.usefixtures("log_as_before")
def test_a_bad_setting_ends_with_status_2_and_one_line_that_names_it(
    name: str, models: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In this process: a start costs more than all that is tested here."""
    for known in [known for known in os.environ if known.startswith(OURS)]:
        monkeypatch.delenv(known)
    monkeypatch.chdir(tmp_path)
    settings = {"OLLAMA_HOST": models.url, "ARENA_DATA_DIR": str(tmp_path / "data"), name: BAD[name]}
    for setting, value in settings.items():
        monkeypatch.setenv(setting, value)
    monkeypatch.setattr(sys, "argv", ["arena", "serve", "--port", "0"])
    with pytest.raises(SystemExit) as left:
        main()
    check_refusal(name, int(left.value.code or 0), *capfd.readouterr())


@pytest.mark.parametrize(("workers", "name"), [("1", "ARENA_TICK"), ("2", "DATABASE_URL")])
def test_the_program_itself_refuses_a_bad_setting(arena: Callable[..., Instance], name: str, workers: str) -> None:
    serving = arena("--workers", workers, **{name: BAD[name]})
    status = serving.process.wait(HUNG_S)
    check_refusal(name, status, serving.rest_of_stdout(), serving.log.read_text())


async def test_a_password_in_an_address_is_in_no_line_of_the_log(
    arena: Callable[..., Instance], tmp_path: Path
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    proxy = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    async with proxy:
        serving = arena(OLLAMA_HOST=f"http://me:hunter2@127.0.0.1:{port}")
        await asyncio.to_thread(serving.wait_for_address)
        (warning,) = [line for line in serving.logged() if line["level"] == "warning"]
        assert f"http://127.0.0.1:{port} does not answer" in warning["trouble"]
        hosts = await call("GET", f"{serving.url}/api/arena/hosts")
        health = await call("GET", f"{serving.url}/api/arena/health")
    assert "hunter2" not in serving.log.read_text() + hosts.text + health.text


def test_an_address_in_use_is_said_in_one_line(arena: Callable[..., Instance]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        serving = arena("--port", str(taken.getsockname()[1]))
        assert serving.process.wait(HUNG_S) == 2
        assert serving.log.read_text().count("\n") == 1
        assert "--port" in serving.log.read_text()


class Ticking(Serving):
    """Notes when it looks whether it is to end."""

    def __init__(self) -> None:
        super().__init__(uvicorn.Config("app.process.app:create"))
        self.ticks: list[float] = []

    async def on_tick(self, counter: int) -> bool:
        assert counter == 0, "the header Date is made anew at each"
        self.ticks.append(asyncio.get_running_loop().time())
        return self.should_exit


def test_the_server_looks_once_a_second_and_ends_at_the_signal() -> None:
    server = Ticking()

    async def served() -> float:
        serving = asyncio.create_task(server.main_loop())
        await asyncio.sleep(10.4)
        server.handle_exit(signal.SIGTERM, None)
        await serving
        return asyncio.get_running_loop().time()

    assert run_virtual(served()) == pytest.approx(10.4)
    assert server.ticks == pytest.approx([*range(11), 10.4])


def test_each_of_several_workers_runs_that_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocess, "Process", multiprocess.Process)  # what the parent sets ends with the test
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    Workers(uvicorn.Config("app.process.app:create", workers=2), [])
    one = multiprocess.Process(uvicorn.Config("app.process.app:create"), [])
    assert isinstance(one.server, Serving)
