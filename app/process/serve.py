"""Runs uvicorn: the socket is bound first, the embedded Redis belongs to this process, workers are its children."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import uvicorn
from uvicorn.supervisors import multiprocess

from app.errors import ConfigurationError
from app.logs import configuration
from app.process.app import check
from app.process.hosting import probe_hosts
from app.process.notify import Notifier
from app.redis.embedded.server import embedded_redis
from app.settings.settings import Settings
from app.tasks import until_beat
from app.web.connection import Connection

#: Longer than a load balancer's idle time-out, or it reuses a connection that is being closed (502).
KEEP_ALIVE_S = 130
#: A worker that does not answer its parent for this long is replaced. uvicorn's own 5 s end one that is only starting.
WORKER_CHECK_S = 60
#: What does not end by itself has this long when the drivers have drained (whole seconds).
GRACEFUL_SHUTDOWN_S = 5
#: A worker needs about 2 s of CPU to start: on a small machine under heavy load that was a minute.
READY_LIMIT_S = 120.0
#: A client that takes nothing of what was sent for this long loses its connection, which could not be closed otherwise.
UNSENT_LIMIT_S = 20.0


def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until a signal comes; prints the address when the first worker is ready.

    Raises:
        ConfigurationError: the settings are no good, the address can't be bound, or the embedded Redis can't be
            started.
    """
    configuration.configure(settings.arena_log_level, settings.arena_log_format)
    asyncio.run(check(settings))
    listening = bind(host, port)
    address = address_of(listening, host)
    with redis_of_this_process(settings):
        if workers > 1:
            asyncio.run(probe_hosts(settings))
        notifier = Notifier.of(os.environ)
        announce_when_ready(address, lambda: _announced(address, notifier))
        try:
            run_uvicorn(listening, host, workers, settings.forwarded_allow_ips)
        finally:
            notifier.stopping()


def _announced(address: str, notifier: Notifier) -> None:
    """Say that it serves, and then for as long as it does."""
    print(address, flush=True)  # noqa: T201 - the one line of this command
    notifier.ready()
    if notifier.alive_every_s is not None:
        keep_alive(address, notifier, notifier.alive_every_s)


def keep_alive(address: str, notifier: Notifier, every_s: float) -> None:
    """Give a sign of life whenever the address has answered; for a thread of its own, without an end."""
    opener = build_opener(ProxyHandler({}))
    while True:
        with suppress(URLError, OSError), opener.open(f"{address}/healthz", timeout=every_s):
            notifier.alive()
        time.sleep(every_s)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        ConfigurationError: the address is in use or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"can't listen on {host}:{port} ({error.strerror}); choose another with --port"
        ) from None
    _listen(listening)
    return listening


def _listen(bound: socket.socket) -> None:
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; the connections inherit it
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNSENT_LIMIT_S * 1000))
    bound.listen(2048)
    bound.set_inheritable(True)


def address_of(listening: socket.socket, host: str) -> str:
    """The URL under which the socket is reached from this machine."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    shown = f"[{name}]" if ":" in name else name
    return f"http://{shown}:{listening.getsockname()[1]}"


def run_uvicorn(listening: socket.socket, host: str, workers: int, proxies: Sequence[str]) -> None:
    """Run the workers on a bound socket until a signal ends them; ``proxies`` may tell who called."""
    config = _uvicorn_config(listening, host, workers, proxies)
    if workers == 1:
        Serving(config).run(sockets=[listening])
    else:
        Workers(config, sockets=[listening]).run()


def _uvicorn_config(listening: socket.socket, host: str, workers: int, proxies: Sequence[str]) -> uvicorn.Config:
    return uvicorn.Config(
        "app.process.app:create",
        factory=True,
        host=host,
        port=listening.getsockname()[1],
        workers=workers,
        log_config=None,
        access_log=False,
        server_header=False,
        http=Connection,
        forwarded_allow_ips=",".join(proxies),
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        timeout_worker_healthcheck=WORKER_CHECK_S,
    )


class Serving(uvicorn.Server):
    """uvicorn's server, which looks ten times a second whether it is to end; here the signal wakes it."""

    _signalled: asyncio.Event | None = None

    async def main_loop(self) -> None:
        """Serve until a signal comes; what is due every second, as the header ``Date``, is done every second."""
        self._loop, self._signalled = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(until_beat(1.0)):
                    await self._signalled.wait()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal, and wake the loop that may be waiting."""
        super().handle_exit(sig, frame)
        if self._signalled is not None:
            self._loop.call_soon_threadsafe(self._signalled.set)


class _Worker(multiprocess.Process):
    """One of several workers."""

    @property
    def server(self) -> uvicorn.Server:
        """The one server of this process."""
        if self._server is None:
            self._server = Serving(self.config)
        return self._server


class Workers(multiprocess.Multiprocess):
    """uvicorn's parent of several workers, which takes SIGHUP for a reload and would outlive its closed terminal.

    Here SIGHUP ends it as SIGTERM does, unless it was ignored from the start, as under nohup.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        vars(multiprocess)["Process"] = _Worker  # there is no other way to say which server its workers run
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__(config, sockets)
        if ignored:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def handle_hup(self) -> None:
        """The terminal was closed: end in order."""
        self.should_exit.set()


@contextmanager
def redis_of_this_process(settings: Settings) -> Iterator[None]:
    """Own the embedded Redis in this process, which lives longest; with a configured one there is nothing to do."""
    if settings.redis_address:
        yield
        return
    holder = _RedisHolder(settings)
    thread = threading.Thread(target=holder.run, name="embedded-redis", daemon=True)
    thread.start()
    holder.up.wait()
    try:
        if holder.failed is not None:
            raise holder.failed
        yield
    finally:
        holder.let_go()
        thread.join(timeout=10)


class _RedisHolder:
    """Holds the embedded Redis in a thread with an event loop of its own, until it is closed."""

    def __init__(self, settings: Settings) -> None:
        self.up = threading.Event()
        self.failed: BaseException | None = None
        self._settings = settings
        self._loop = asyncio.new_event_loop()
        self._done = asyncio.Event()

    def run(self) -> None:
        """Be the thread."""
        try:
            self._loop.run_until_complete(self._hold())
        except BaseException as error:
            self.failed = error
        finally:
            self._loop.close()
            self.up.set()

    def let_go(self) -> None:
        """End the server; from any thread."""
        with suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._done.set)

    async def _hold(self) -> None:
        async with embedded_redis(self._settings.arena_data_dir, keep=self._settings.arena_redis_keep):
            self.up.set()
            await self._done.wait()


def announce_when_ready(address: str, announce: Callable[[], None]) -> None:
    """Call ``announce`` from a thread once the address serves."""
    threading.Thread(target=_announce, args=(address, announce), name="announce", daemon=True).start()


def _announce(address: str, announce: Callable[[], None]) -> None:
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline:
        try:
            with opener.open(f"{address}/healthz", timeout=READY_LIMIT_S):
                announce()
                return
        except (URLError, OSError):
            time.sleep(0.05)
    sys.stderr.write(f"arena: {address} is not ready after {READY_LIMIT_S:.0f} s; see the log above\n")
    os.kill(os.getpid(), 15)
