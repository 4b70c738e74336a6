"""The embedded Redis: a private ``redis-server`` for those who have configured none.

It belongs to a folder (``app.redis.embedded.folder`` says what lies in it). The first arena process there owns the
server: starts it, restarts it when it dies and ends it with itself, also when it is killed
(``app.redis.embedded.process`` says how). Every later process attaches. When the owner is gone, one that had attached
takes over within about a second, at the same URL. Why a server and not a dictionary: docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, TimeoutError

from app.errors import ConfigurationError
from app.redis.embedded.folder import RedisFolder
from app.redis.embedded.process import RedisProcess, find_redis_server, let_go, pause_or_end
from app.tasks import cancel_and_wait

log = logging.getLogger(__name__)

_PAUSE_S = 0.02
_ANSWER_S = 1.0


@dataclass(frozen=True)
class EmbeddedTimings:
    """How long an embedded Redis waits for things."""

    start: timedelta = timedelta(seconds=60)
    """Until a server has loaded its data and answers."""
    former: timedelta = timedelta(seconds=5)
    """Until a server of a former run that does not answer has ended."""
    alive: timedelta = timedelta(seconds=0.25)
    """Between two checks of the owner on its server, where the system does not say by itself that one has ended."""
    lock: timedelta = timedelta(seconds=1)
    """Between two attempts of an attached process to become the owner."""
    fix: timedelta = timedelta(seconds=5)
    """Between two attempts to start a server that can't start."""


@dataclass(frozen=True)
class _Answer:
    pid: int
    loading: bool


@asynccontextmanager
async def embedded_redis(
    data_dir: Path, *, keep: bool, timings: EmbeddedTimings = EmbeddedTimings()
) -> AsyncIterator[EmbeddedRedis]:
    """Run, or attach to, the Redis of ``data_dir``; its data outlive it only if ``keep``.

    Enter it where the process lives longest: with several uvicorn workers in their parent, while the workers get
    the URL.

    Raises:
        ConfigurationError: no redis-server, a folder that can't be written, or data that can't be read.
    """
    server = EmbeddedRedis(RedisFolder(data_dir), keep=keep, timings=timings)
    try:
        await server.start()
        supervisor = asyncio.create_task(server.supervise(), name="embedded-redis")
        try:
            yield server
        finally:
            await cancel_and_wait(supervisor)
    finally:
        await asyncio.to_thread(server.stop)


class EmbeddedRedis:
    """One process' share in the server of a folder: its owner, or attached to it."""

    def __init__(self, folder: RedisFolder, *, keep: bool, timings: EmbeddedTimings) -> None:
        self._folder = folder
        self._keep = keep
        self._timings = timings
        self._made_in = os.getpid()
        self._lock: int | None = None
        self._process: RedisProcess | None = None
        self._socket: Path | None = None

    @property
    def url(self) -> str:
        """The address for ``app.redis.client``; it stays the same over restarts and changes of the owner."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def owner(self) -> bool:
        """Whether the server lives and ends with this process."""
        return self._lock is not None

    async def start(self) -> None:
        """Own the folder and run its server, or find the server of the process that does.

        Raises:
            ConfigurationError: see ``embedded_redis``.
        """
        deadline = _deadline(self._timings.start)
        while not await self._take_over() and not await self._attach():
            if _now() > deadline:
                raise ConfigurationError(
                    f"another arena process holds {self._folder.path}, but its Redis does not answer: "
                    "end that process, or set ARENA_DATA_DIR to another folder"
                )
            await asyncio.sleep(_PAUSE_S)

    async def supervise(self) -> None:
        """Keep the server running for ever: restart it as its owner, or become the owner when there is none."""
        pause = self._pause()
        while True:
            await pause_or_end(self._process, pause)
            pause = self._pause()
            try:
                await (self._revive() if self.owner else self._take_over())
            except Exception as error:
                # Nobody waits for this task, and what is wrong (a full disk, a damaged file) may be fixed meanwhile.
                log.error("the embedded Redis can't be started, trying again: %s", error)
                pause = self._timings.fix

    def stop(self) -> None:
        """End the server if this process owns it, and give the folder free; blocks for some milliseconds."""
        if self._lock is None or self._made_in != os.getpid():
            return
        if self._process is not None:
            self._process.end()
            if not self._keep:
                self._folder.remove_data()
        let_go(self._lock)
        self._lock = None

    def _pause(self) -> timedelta:
        return self._timings.alive if self.owner else self._timings.lock

    async def _take_over(self) -> bool:
        lock = self._folder.try_lock()
        if lock is None:
            return False
        self._lock = lock
        await self._run()
        return True

    async def _attach(self) -> bool:
        socket = self._folder.socket()
        try:
            answer = await _ask(socket) if socket else None
        except RedisError:
            return False
        if answer is None or answer.loading:
            return False
        self._socket = socket
        return True

    async def _revive(self) -> None:
        if self._process is not None:
            if not self._process.ended():
                return
            log.warning("the embedded Redis has ended, starting it again")
            self._process.forget()
            self._process = None
        await self._run()

    async def _run(self) -> None:
        """Adopt the server that still answers, else start one; this process holds the lock."""
        self._socket = socket = self._folder.claim_socket()
        while (former := await self._former_run(socket)) is not None:
            if await self._adopt(former, socket):
                return
        await self._start_server(socket)

    async def _adopt(self, pid: int, socket: Path) -> bool:
        """Take a server over; False if it ended meanwhile, as one does whose owner was killed just now."""
        process = RedisProcess.adopt(pid, socket, self._folder.log)
        try:
            await self._configure(socket)
        except (ConnectionError, TimeoutError):
            process.forget()
            return False
        except BaseException:
            process.end()
            raise
        self._process = process
        return True

    async def _former_run(self, socket: Path) -> int | None:
        """Return the process id of a former run's server that answers; wait for one that is about to end.

        Two servers must never write one file, so one that neither answers nor ends is left to a person.
        """
        deadline = _deadline(self._timings.former)
        while True:
            try:
                return (await _ask(socket)).pid
            except RedisError:
                pid = await asyncio.to_thread(self._folder.process_of_a_former_run)
            if pid is None:
                return None
            if _now() > deadline:
                raise ConfigurationError(
                    f"a Redis of a former run (process {pid}) holds {self._folder.path}, but does not answer: "
                    f"end it (kill -9 {pid}) and start again"
                )
            await asyncio.sleep(_PAUSE_S)

    async def _start_server(self, socket: Path) -> None:
        program = await asyncio.to_thread(find_redis_server)
        if self._keep:
            self._folder.refuse_newer_data(program)
        else:
            await asyncio.to_thread(self._folder.remove_data)
        self._folder.prepare()
        process = RedisProcess.start(program, self._arguments(socket), self._folder.log)
        try:
            await self._until_it_answers(process, socket)
        except BaseException:
            process.end()
            raise
        self._process = process

    async def _until_it_answers(self, process: RedisProcess, socket: Path) -> None:
        deadline = _deadline(self._timings.start)
        while True:
            with contextlib.suppress(RedisError):
                if not (await _ask(socket)).loading:
                    return
            if process.ended():
                raise self._folder.failure()
            if _now() > deadline:
                raise ConfigurationError(
                    f"the embedded Redis did not answer within {self._timings.start.total_seconds():g} s; "
                    f"see {self._folder.log}"
                )
            await asyncio.sleep(_PAUSE_S)

    def _arguments(self, socket: Path) -> list[str | Path]:
        """Return the server's command line: no TCP port, nothing evicted, on disk only if kept."""
        fixed: list[str | Path] = ["--port", "0", "--unixsocket", socket, "--unixsocketperm", "700"]
        files: list[str | Path] = ["--dir", self._folder.data, "--pidfile", self._folder.pid, "--loglevel", "warning"]
        settings = [part for name, value in self._settings().items() for part in (f"--{name}", value)]
        return [*fixed, *files, *settings]

    def _settings(self) -> dict[str, str]:
        return {
            "save": "",
            "maxmemory-policy": "noeviction",
            "appendfsync": "everysec",
            "appendonly": "yes" if self._keep else "no",
        }

    async def _configure(self, socket: Path) -> None:
        """Give an adopted server the settings of this run: it may have been started to keep nothing."""
        async with _question(socket) as client:
            for name, value in self._settings().items():
                await client.config_set(name, value)


@asynccontextmanager
async def _question(socket: Path) -> AsyncIterator[Redis]:
    """Give a client to ask something once, within a second.

    Raises:
        RedisError: nobody is there (ConnectionError), or is silent (TimeoutError).
    """
    # A time-out of redis-py's own may swallow a cancellation, see app.redis.connection.
    client = Redis(unix_socket_path=str(socket), socket_timeout=None, retry=Retry(NoBackoff(), 0), protocol=2)
    try:
        async with asyncio.timeout(_ANSWER_S), client:
            yield client
    except builtins.TimeoutError:
        raise TimeoutError(f"no answer within {_ANSWER_S:g} s") from None


async def _ask(socket: Path) -> _Answer:
    """Return what the server at a socket says of itself; errors as in ``_question``."""
    async with _question(socket) as client:
        info = await client.info()
    return _Answer(pid=int(info["process_id"]), loading=bool(info["loading"]))


def _now() -> float:
    return asyncio.get_running_loop().time()


def _deadline(wait: timedelta) -> float:
    return _now() + wait.total_seconds()
