"""Who is measured beside the arena: the model server itself, a bare relay, LiteLLM's proxy and Olla.

LiteLLM is installed from PyPI into a virtualenv of its own (the newest version), Olla is built by Go from its module
path; both once, below ``ARENA_BENCH_DIR`` (default: ~/.cache/progressive-arena-bench). What can't be had is left out,
and the report says why. Each is started with one worker and with what its documentation gives as its fastest settings.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.model_server import MODELS
from benchmarks.stream_path import arena, family, started

READY_S = 300.0
FOLDER = Path(os.environ.get("ARENA_BENCH_DIR", Path.home() / ".cache/progressive-arena-bench"))


class LeftOut(Exception):
    """A contestant can't be had here; the text says why."""


@dataclass(frozen=True)
class Contestant:
    """A server under measurement; ``path`` takes a chat. The arena takes battles instead, and has no path."""

    name: str
    url: str
    path: str = "/api/chat"
    pids: list[int] = field(default_factory=list)

    @property
    def is_arena(self) -> bool:
        """Whether it is asked for battles."""
        return not self.path


@contextmanager
def direct(ollama: str) -> Iterator[Contestant]:
    """The model server, with nothing in front of it."""
    yield Contestant("direct", ollama)


@contextmanager
def relay(ollama: str) -> Iterator[Contestant]:
    """A bare aiohttp relay."""
    with started("benchmarks.bench.relay", ollama) as (pid, port):
        yield Contestant("aiohttp relay", f"http://127.0.0.1:{port}", pids=family(pid))


@contextmanager
def the_arena(ollama: str) -> Iterator[Contestant]:
    """The arena as it is shipped, with one worker."""
    with arena(ollama, 200, ARENA_QUEUE="2000") as (pid, base):
        yield Contestant("arena", base, "", family(pid))


@contextmanager
def litellm(ollama: str) -> Iterator[Contestant]:
    """LiteLLM's proxy: no database, no callbacks, logs off, one worker, as its page on production says."""
    program = _litellm()
    port = _free_port()
    listed = [
        {"model_name": model, "litellm_params": {"model": f"ollama_chat/{model}", "api_base": ollama}}
        for model in MODELS
    ]
    config = FOLDER / "litellm.yaml"  # JSON is YAML
    config.write_text(json.dumps({"model_list": listed, "litellm_settings": {"set_verbose": False, "num_retries": 0}}))
    env = {"LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    env |= {"LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}  # it listens on loopback, for minutes
    command = [str(program), "--config", str(config), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    with _running(command, env, f"http://127.0.0.1:{port}/health/liveliness") as pid:
        yield Contestant("LiteLLM", f"http://127.0.0.1:{port}", "/v1/chat/completions", family(pid))


@contextmanager
def olla(ollama: str) -> Iterator[Contestant]:
    """Olla with its high-performance proxy engine and its request log off."""
    program, port = _olla(), _free_port()
    config = FOLDER / "olla.yaml"
    endpoint = {"url": ollama, "name": "model-server", "type": "ollama", "priority": 100, "check_interval": "5s"}
    settings = {
        "server": {"host": "127.0.0.1", "port": port, "request_logging": False},
        "proxy": {"engine": "olla", "load_balancer": "priority"},
        "discovery": {"type": "static", "static": {"endpoints": [endpoint]}},
        "logging": {"level": "error"},
    }
    config.write_text(json.dumps(settings))
    url = f"http://127.0.0.1:{port}"
    with _running([str(program), "-c", str(config)], {}, f"{url}/internal/health") as pid:
        yield Contestant("Olla", url, "/olla/ollama/api/chat", family(pid))


ALL: dict[str, Callable[[str], AbstractContextManager[Contestant]]] = {
    "direct": direct, "relay": relay, "litellm": litellm, "olla": olla, "arena": the_arena
}  # fmt: skip


def versions() -> str:
    """What is installed, for the report."""
    python = FOLDER / "litellm/bin/python"
    if not python.exists():
        return "LiteLLM is not installed"
    ask = "from importlib.metadata import version; print(version('litellm'))"
    done = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=False)
    return f"LiteLLM {done.stdout.strip()}"


def _litellm() -> Path:
    program = FOLDER / "litellm/bin/litellm"
    if not program.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        _do([sys.executable, "-m", "venv", str(FOLDER / "litellm")], "LiteLLM")
        _do([str(program.with_name("python")), "-m", "pip", "install", "-q", "-U", "litellm[proxy]"], "LiteLLM")
    return program


def _olla() -> Path:
    program = FOLDER / "go/olla"
    if not program.exists():
        go = shutil.which("go") or "/usr/local/go/bin/go"
        if not Path(go).exists():
            raise LeftOut("Olla: there is no Go here to build it with")
        _do([go, "install", "github.com/thushan/olla@latest"], "Olla", GOBIN=str(program.parent))
    return program


def _do(command: list[str], name: str, **env: str) -> None:
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True)
    if done.returncode:
        said = re.sub(r"https?://\S+", "", done.stderr or done.stdout)  # where it looked is this machine's setting
        raise LeftOut(f"{name}: {' '.join(said.split())[-200:]}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def _running(command: list[str], env: dict[str, str], health: str) -> Iterator[int]:
    # A parent's settings are not theirs: LiteLLM reads DATABASE_URL, REDIS_URL and more.
    own = {name: value for name in ("PATH", "HOME", "LANG") if (value := os.environ.get(name)) is not None}
    process = subprocess.Popen(command, env=own | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=FOLDER)
    try:
        _wait_for(health, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.2)
    raise LeftOut(f"what was to answer at {url} did not begin to serve within {READY_S:.0f} s")
