"""The folder of an embedded Redis: what lies in it, who may write it, and what can be wrong with it.

``<ARENA_DATA_DIR>/redis/`` holds:

- ``lock``: locked (flock) by the one process that owns the server; never removed, or two could each lock "it";
- ``redis.sock``: the server's Unix socket, its only door; or ``socket-path``: where it is instead (``claim_socket``);
- ``redis.pid`` and ``redis.log`` of the server that runs or ran last;
- ``data/``: its append-only file, only if it is kept.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from app.errors import ConfigurationError
from app.redis.embedded.process import RedisProgram, hold

# sockaddr_un has 104 bytes on macOS and 108 on Linux, the closing zero included; Redis cuts what is longer.
LONGEST_SOCKET_PATH = 100

_UNREADABLE = re.compile(
    r"bad file format|wrong signature|rdb format version|unexpected end of file|short read|crc|checksum|corrupt"
    r"|error loading|reading the append only file|manifest|rdb (file )?reading|unknown command",
    re.IGNORECASE,
)


class RedisFolder:
    """The paths and files of one embedded Redis.

    Raises:
        ConfigurationError: the folder can't be made or written.
    """

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir.resolve() / "redis"
        self.data = self.path / "data"
        self.log = self.path / "redis.log"
        self.pid = self.path / "redis.pid"
        self._lock = self.path / "lock"
        self._socket_path = self.path / "socket-path"
        self.prepare()

    def prepare(self) -> None:
        """Make the folders, for this user only; raise a ConfigurationError if that can't be."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self.data.mkdir(exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from None

    def try_lock(self) -> int | None:
        """Return a descriptor that holds the folder until it is closed; None if another process does.

        Raises:
            ConfigurationError: the lock file can't be written, or the file system has no locks.
        """
        try:
            descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._not_writable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise self._not_writable(error) from None
        return hold(descriptor)

    def socket(self) -> Path | None:
        """Return the path of the server's socket, None as long as no owner has chosen one."""
        direct = self.path / "redis.sock"
        if _fits(direct):
            return direct
        try:
            recorded = Path(os.fsdecode(self._socket_path.read_bytes()))
        except OSError:
            return None
        return recorded if _is_private(recorded.parent) else None

    def claim_socket(self) -> Path:
        """Return the path of the server's socket; only the holder of the lock may call this.

        A path too long for a socket is replaced by one in a short private folder for temporary files, and recorded.
        That folder is left there and used again, so that a process which attached before still finds the socket.
        """
        socket = self.socket()
        if socket is None:
            socket = Path(tempfile.mkdtemp(prefix="arena-")) / "redis.sock"
            draft = self._socket_path.with_suffix(".new")
            draft.write_bytes(os.fsencode(socket))
            draft.replace(self._socket_path)
        return socket

    def process_of_a_former_run(self) -> int | None:
        """Return the process id of a server of this folder that still runs, though it may not answer."""
        try:
            pid = int(self.pid.read_text())
        except (OSError, ValueError):
            return None
        # The number may belong to somebody else by now. Redis puts its socket into its title.
        return pid if f"unixsocket:{self.socket()}" in _title(pid) else None

    def remove_data(self) -> None:
        """Remove the data and what a server leaves that was killed; the log stays. Blocks."""
        shutil.rmtree(self.data, ignore_errors=True)
        for path in (self.pid, self.socket()):
            if path is not None:
                with contextlib.suppress(OSError):
                    path.unlink()

    def refuse_newer_data(self, program: RedisProgram) -> None:
        """Raise a ConfigurationError if ``program`` would overlook data that a newer Redis has written.

        Redis 7 keeps its append-only file in parts in a folder; Redis 6 would not read it and begin empty.
        """
        parts = self.data / "appendonlydir"
        if parts.exists() and program.version < (7, 0):
            version = ".".join(map(str, program.version))
            raise ConfigurationError(
                f"{parts} was written by Redis 7 or newer, but {program.path} is Redis {version}: put a newer "
                f"redis-server on PATH, or move {self.data} out of the way to begin empty (votes are not in it)"
            )

    def failure(self) -> ConfigurationError:
        """Return why the server ended at its start, read from its log, and the remedy."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        lines = [re.sub(r"^\d+:\w .{20,26} [.\-*#] ", "", line).strip() for line in lines]
        for line in lines:
            if _UNREADABLE.search(line):
                return ConfigurationError(
                    f"Redis can't read {self._data_file()} ({line}): it is damaged or of a newer Redis; use that "
                    f"Redis, repair it (redis-check-aof --fix), or move {self.data} out of the way to begin empty "
                    "(running battles are lost, votes are not in it)"
                )
        last = next((line for line in reversed(lines) if line), "no message")
        return ConfigurationError(f"the embedded Redis did not start: {last}; see {self.log}, or set REDIS_URL")

    def _data_file(self) -> Path:
        names = ("appendonlydir", "appendonly.aof", "dump.rdb")
        return next((self.data / name for name in names if (self.data / name).exists()), self.data)

    def _not_writable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(
            f"the embedded Redis can't write {self.path} ({error.strerror}): "
            "set ARENA_DATA_DIR to a local folder that this user may write, or set REDIS_URL"
        )


def _fits(socket: Path) -> bool:
    return len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH


def _is_private(folder: Path) -> bool:
    """Whether the folder is ours and nobody else's; one that was removed is made again."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


def _title(pid: int) -> str:
    """Return the command line that a process shows; empty if there is no such process (or a zombie)."""
    if Path("/proc/self").exists():
        try:
            return os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            return ""
    try:
        answer = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return os.fsdecode(answer.stdout)
