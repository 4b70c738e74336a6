"""An arena for browsers: the real service on a simulated Ollama, each a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import httpx

MODELS = ("llama3.1:8b", "mistral:7b", "qwen3:8b")
ARENA = (sys.executable, "-m", "app.cli")
#: Quick enough for tests, slow enough to see answers grow.
SIMULATED = ("--load-s", "0.3", "--tokens-per-s", "50", "--answer-tokens", "60", "--num-parallel", "4", "--seed", "11")


class ServedArena:
    """``url`` is the arena's address, which stays the same over restarts."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._settings = settings
        self._log = (folder / "arena.log").open("ab")
        self._ollama, line = self._started(*ARENA, "simulate", "--port", "0", "--models", ",".join(MODELS), *SIMULATED)
        self.simulator = line.split(" at ")[1].split(": ")[0]
        self._service: subprocess.Popen[bytes] | None = None
        self.url = self._serve(0)

    def _started(self, *command: str) -> tuple[subprocess.Popen[bytes], str]:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, env=self._environment(), start_new_session=True
        )
        out: IO[bytes] | None = process.stdout
        assert out is not None
        line = out.readline().decode().strip()
        assert line, f"{command[2:4]} did not start; see {self._folder / 'arena.log'}"
        return process, line

    def _environment(self) -> dict[str, str]:
        foreign = ("ARENA_", "REDIS_", "OLLAMA_", "DATABASE_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        ours = {"ARENA_DATA_DIR": str(self._folder / "data"), "ARENA_MODELS": ",".join(MODELS)}
        host = {"OLLAMA_HOST": self.simulator} if hasattr(self, "simulator") else {}
        return kept | ours | host | {"ARENA_NUM_PARALLEL": "4", "ARENA_DRAIN": "0.2"} | self._settings

    def _serve(self, port: int) -> str:
        self._service, line = self._started(*ARENA, "serve", "--port", str(port))
        return line

    def stop_service(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the service; the simulator stays."""
        if self._service is not None:
            self._service.send_signal(how)
            self._service.wait(30)
            self._service = None

    def start_service(self) -> None:
        """Start it again at the same address."""
        assert self._serve(int(self.url.rsplit(":", 1)[1])) == self.url

    def fault(self, **switches: object) -> None:
        """Set switches of the simulator; none: clear all."""
        path = f"{self.simulator}/_sim/faults"
        reply = httpx.post(path, json=switches) if switches else httpx.delete(path)
        assert reply.status_code == 200, reply.text

    def call(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """What a call of the native API answers; ``token`` proves that a battle is the caller's."""
        headers = {"X-Battle-Token": token} if token else {}
        reply = httpx.request(method, f"{self.url}/api/arena/{path}", json=body, headers=headers, timeout=30)
        reply.raise_for_status()
        return reply.json()

    def close(self) -> None:
        """End all."""
        self.stop_service()
        self._ollama.terminate()
        self._ollama.wait(20)
        self._log.close()
