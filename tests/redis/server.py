"""A real ``redis-server`` for tests, which never outlives the process that started it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import redis as sync_redis

from app.redis.embedded.process import find_redis_server

_GUARD = 'read -r word && exit 0; kill -9 "$1"'


class RedisServer:
    """One server on a Unix socket in a folder of its own; its ``url`` stays the same over restarts."""

    def __init__(self, *, persistent: bool = False) -> None:
        # A short path: a socket's may have about 100 bytes only.
        self.folder = Path(tempfile.mkdtemp(prefix="arena-test-"))
        self.socket = self.folder / "redis.sock"
        self.url = f"unix://{quote(str(self.socket))}"
        self._arguments: list[str | Path] = [
            "--port",
            "0",
            "--unixsocket",
            self.socket,
            "--dir",
            self.folder,
            "--save",
            "",
        ]
        self._arguments += ["--appendonly", "yes" if persistent else "no"]
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = subprocess.Popen(
            [find_redis_server().path, *self._arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the tests is not for the server
        )
        # Reads a pipe that only this process writes to: the server ends with it, also after kill -9.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_for_pong()

    def kill(self) -> None:
        """End the server as ``kill -9`` does; clients find nobody at the socket."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._guard is not None:
            self._guard.communicate(b"done\n")
            self._guard = None
        self.socket.unlink(missing_ok=True)

    def restart(self, *, empty: bool = True) -> None:
        """Kill the server and start it again, without its data or (if it is persistent) with them."""
        self.kill()
        if empty:
            for path in self.folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        self.start()

    def freeze(self) -> None:
        """Let the server accept connections but answer nothing, until ``thaw``."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill the server and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def flush(self) -> None:
        """Remove all keys, loaded scripts and settings of the slow log."""
        with sync_redis.Redis.from_url(self.url) as client:
            client.flushall()
            client.script_flush()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "the server is not running"
        os.kill(self._process.pid, number)

    def _wait_for_pong(self, limit_s: float = 100.0) -> None:
        deadline = time.monotonic() + limit_s
        with sync_redis.Redis.from_url(self.url, socket_timeout=limit_s) as client:
            while True:
                try:
                    client.ping()
                    return
                except sync_redis.ConnectionError:
                    assert time.monotonic() < deadline, f"redis-server did not answer within {limit_s} s"
                    time.sleep(0.01)
