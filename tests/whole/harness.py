"""The arena as users have it, for tests: real processes, a real Redis, and model servers on loopback.

The model servers run in a thread with a loop of its own, so that a test may block without stalling them. Every
instance of ``arena serve`` is a process group of its own, and only groups that were started here are ever killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx

from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator
from tests.helpers import HUNG_S
from tests.redis.server import RedisServer
from tests.whole.client import ADMIN_KEY

ROOT = Path(__file__).parents[2]
OURS = ("ARENA_", "OLLAMA_", "REDIS_", "DATABASE_URL", "FORWARDED_ALLOW_IPS")

#: Names that no answer, question or sentence contains, so that finding one in a body is a leak.
ZIRCON, QUOKKA, OKAPI = "zircon:7b", "quokka:8b", "okapi:8b"
MODELS = (ZIRCON, QUOKKA, OKAPI)
CALLS_TOOLS = "llama3.1:8b"
"""What OKAPI is a copy of: a simulated model that calls tools."""
GRANITE, BASALT = "granite-host", "basalt-host"
SEED = 7


class ModelServer:
    """A simulated Ollama in a thread; ``set``, ``clear`` and ``busy`` are safe from any other thread."""

    def __init__(self, models: tuple[str, ...], **config: Any) -> None:
        sized = tuple(name if "=" in name else f"{name}=4.5" for name in models)
        quick = {"load_s": 0.02, "tokens_per_s": 150.0, "answer_tokens": 40, "answer_spread": 0.1} | config
        self._config = SimulatorConfig(models=sized, **quick)
        self._up, self._down = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="model server", daemon=True)
        self._thread.start()
        assert self._up.wait(10), "the model server did not start"

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with running_simulator(self._config) as self.running:
            self._up.set()
            await self._down.wait()

    running: RunningSimulator
    troubled = False
    """Whether anything was ever wrong here: then those who drive may take a moment to trust it again."""

    @property
    def url(self) -> str:
        return self.running.url

    @property
    def busy(self) -> int:
        """How many answers are being read or written at this moment."""
        return int(self.do(lambda: len(self.running.machine.engine)))

    def set(self, **switches: object) -> None:
        """Switch faults on."""
        self.troubled = True
        self.do(lambda: self.running.faults.set(switches))

    def clear(self) -> None:
        """Switch all faults off."""
        self.do(self.running.faults.clear)

    @contextmanager
    def without(self, model: str) -> Iterator[None]:
        """Delete an installed model for the length of the block."""
        installed = self.running.machine.installed
        (key,) = (key for key, one in installed.items() if one.name == model)
        self.troubled = True
        removed = self.do(lambda: installed.pop(key))
        try:
            yield
        finally:
            self.do(lambda: installed.update({key: removed}))

    def do(self, work: Callable[[], Any]) -> Any:
        """Run ``work`` in the server's own loop."""

        async def run() -> Any:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def answer_of(self, model: str, message: str) -> str:
        """What the model says to the message in a battle, asked directly with the same options."""
        options = {"num_ctx": 4096, "num_predict": 1024, "temperature": 0.7, "seed": SEED}
        messages = [{"role": "user", "content": message}]
        body = {"model": model, "messages": messages, "options": options, "stream": False}
        reply = httpx.post(f"{self.url}/api/chat", json=body, timeout=30, trust_env=False, verify=False)
        return str(reply.raise_for_status().json()["message"]["content"])

    def close(self) -> None:
        """Stop serving."""
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join(10)


@dataclass
class Instance:
    """One ``arena serve`` or ``arena scheduler``; ``log`` is its stderr."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str = ""
    line: str = ""

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def wait_for_address(self) -> Instance:
        """Read the one line of stdout, which is an address."""
        self.url = self.wait_for_line().line.strip()
        assert self.url.startswith("http://"), f"{self.line!r}\n{self.log.read_text()}"
        return self

    def wait_for_line(self) -> Instance:
        """Read the one line of stdout."""
        assert self.process.stdout is not None
        deadline = monotonic() + HUNG_S
        while not select.select([self.process.stdout], [], [], 0.2)[0]:
            assert self.process.poll() is None, self.log.read_text()
            assert monotonic() < deadline, f"no line in time\n{self.log.read_text()}"
        self.line = self.process.stdout.readline().decode()
        return self

    def logged(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log's lines so far; with ``event``, only those."""
        wanted = (line for line in self.log.read_text().splitlines() if line.startswith("{") and (event or "") in line)
        lines = [json.loads(line) for line in wanted]
        return [line for line in lines if event in (None, line.get("event"))]

    def kill(self) -> None:
        """End the process and its workers as ``kill -9`` does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(HUNG_S)

    def freeze(self) -> None:
        """Stop the process and its workers in the middle of everything, until ``thaw``."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen process go on as if no time had passed."""
        os.killpg(self.process.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """Ask for the end, as a deployment does."""
        self.process.send_signal(signal.SIGTERM)

    def rest_of_stdout(self) -> str:
        """What stdout had beside the address; the process must have ended."""
        assert self.process.stdout is not None
        return self.process.stdout.read().decode()

    def close(self) -> None:
        """Kill whatever is left and close the pipe."""
        self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process' environment without the arena's settings, and with ``settings``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **settings}


def serve(folder: Path, settings: Mapping[str, str], *flags: str) -> Instance:
    """Start ``arena serve`` on a free port; the caller waits for its address and closes it."""
    return arena(folder, settings, "serve", "--port", "0", *flags)


def arena(
    folder: Path, settings: Mapping[str, str], *arguments: str, first: Callable[[], object] | None = None
) -> Instance:
    """Start a command that goes on until it is ended; the caller waits for its line and closes it.

    ``first`` is called in the child before the command.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{arguments[0]}-{len(list(folder.glob('*.log')))}.log"
    command = [sys.executable, "-m", "app.cli", *arguments]
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            preexec_fn=first,
        )
    return Instance(process, log)


@dataclass
class Deployment:
    """Model servers, a Redis, a database file, and instances that share them."""

    folder: Path
    granite: ModelServer
    basalt: ModelServer
    redis: RedisServer
    settings: dict[str, str]
    instances: list[Instance] = field(default_factory=list)

    def launch(self, *flags: str, **settings: str) -> Instance:
        """Start one more instance without waiting for it."""
        instance = serve(self.folder, self.settings | settings, *flags)
        self.instances.append(instance)
        return instance

    def start(self, *flags: str, **settings: str) -> Instance:
        """Start one more instance and wait until it serves."""
        return self.launch(*flags, **settings).wait_for_address()

    def drivers(self, *flags: str, **settings: str) -> Instance:
        """Start ``arena scheduler`` and wait until it says that it drives."""
        instance = arena(self.folder, self.settings | settings, "scheduler", *flags)
        self.instances.append(instance)
        return instance.wait_for_line()

    def close(self) -> None:
        """Kill all instances."""
        for instance in self.instances:
            instance.close()

    def driver(self, *flags: str, **settings: str) -> Instance:
        """Start the first instance: it has the drivers of all hosts."""
        instance = self.start(*flags, **settings)
        wait_for(lambda: len(instance.logged("lease_taken")) == 2)
        return instance


@contextmanager
def running_deployment(folder: Path, *, persistent: bool = False, **config: Any) -> Iterator[Deployment]:
    """Two hosts: granite has two models, basalt the third. ``config`` goes to both simulators."""
    with ExitStack() as stack:
        granite, basalt = ModelServer((ZIRCON, QUOKKA), **config), ModelServer((f"{OKAPI}={CALLS_TOOLS}",), **config)
        stack.callback(granite.close)
        stack.callback(basalt.close)
        redis = RedisServer(persistent=persistent)
        stack.callback(redis.close)
        settings = _settings(folder, redis.url, granite.url, basalt.url, config.get("num_parallel", 1))
        deployment = Deployment(folder, granite, basalt, redis, settings)
        try:
            yield deployment
        finally:
            deployment.close()


def _settings(folder: Path, redis_url: str, granite: str, basalt: str, parallel: int) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    toml = folder / "arena.toml"
    hosts = ((GRANITE, granite), (BASALT, basalt))
    rest = f"memory_gb = 24\nnum_parallel = {parallel}\n"
    toml.write_text("".join(f'[[hosts]]\nname = "{name}"\nurl = "{url}"\n{rest}' for name, url in hosts))
    return {
        "ARENA_ADMIN_KEY": ADMIN_KEY,
        "ARENA_CONFIG": str(toml),
        "ARENA_DATA_DIR": str(folder / "data"),
        "ARENA_MODELS": ",".join(MODELS),
        "ARENA_SEED": str(SEED),
        "ARENA_DRAIN": "2",
        # These tests look at each side as it is written; tests/arena/test_pace.py and tests/legacy have the even pace.
        "ARENA_PACE": "live",
        "REDIS_URL": redis_url,
    }


def wait_for(predicate: Callable[[], object], limit_s: float = 100.0, pause_s: float = 0.02) -> None:
    """Wait in this thread until ``predicate`` is true."""
    deadline = monotonic() + limit_s
    while not predicate():
        assert monotonic() < deadline, f"not true within {limit_s} s"
        sleep(pause_s)
