"""Runs drivers and nothing else: ``arena scheduler``, where the serving processes should not drive.

With one worker this process drives; with more it supervises children that do, and restarts those that die.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from time import monotonic, sleep

import structlog

from app.errors import ArenaError, ConfigurationError
from app.hosts.host import hosts_from
from app.logs import configuration
from app.process.app import built, check
from app.process.drain import drained_at_sigterm
from app.process.hosting import probe_hosts
from app.process.notify import Notifier
from app.process.serve import redis_of_this_process
from app.settings.settings import Settings
from app.tasks import Supervisor

CHECK_EVERY_S = 0.1
#: A worker that died is started again after this pause.
RESTART_PAUSE_S = 1.0
#: What a worker needs to end, beside its drain.
END_LIMIT_S = 15.0
#: The remedy when a scheduler would use the private Redis of a folder.
PRIVATE = "only an arena serve with this ARENA_DATA_DIR on this machine is driven for; set REDIS_URL for all others"

log = structlog.get_logger(__name__)


def drive(settings: Settings, workers: int) -> None:
    """Drive the hosts until a signal comes; prints one line when the drivers of all workers run.

    Raises:
        ConfigurationError: the settings are no good, no worker can start, or the embedded Redis can't be started.
        Unavailable: the database does not answer.
    """
    configuration.configure(settings.arena_log_level, settings.arena_log_format)
    driving = settings.model_copy(update={"arena_scheduler": True})
    asyncio.run(check(driving))
    if not driving.redis_address:
        log.warning("redis_is_private", folder=str(driving.arena_data_dir), remedy=PRIVATE)
    with redis_of_this_process(driving):
        if workers > 1:
            asyncio.run(probe_hosts(driving))
            SchedulerProcess(driving, workers).run()
        else:
            run_scheduler(driving, lambda: announce(driving))


def announce(settings: Settings) -> None:
    """Print the one line of this command."""
    names = ", ".join(host.name for host in hosts_from(settings))
    print(f"driving {names}", flush=True)  # noqa: T201 - the one line of this command
    Notifier.of(os.environ).ready()


def run_scheduler(settings: Settings, ready: Callable[[], None]) -> None:
    """Be one process with drivers until a signal ends it; ``ready`` is called once they run. For the main thread."""
    with suppress(KeyboardInterrupt):
        asyncio.run(_until_signal(settings, ready))


async def _until_signal(settings: Settings, ready: Callable[[], None]) -> None:
    end = asyncio.Event()
    async with opened_scheduler(settings, end.set), Supervisor() as supervisor:
        ready()
        supervisor.keep("watchdog", partial(signs_of_life, Notifier.of(os.environ)))
        await end.wait()


async def signs_of_life(notifier: Notifier) -> None:
    """Give a sign of life as often as it is due, for as long as this loop runs; without a watchdog none."""
    while notifier.alive_every_s is not None:
        notifier.alive()
        await asyncio.sleep(notifier.alive_every_s)


@asynccontextmanager
async def opened_scheduler(settings: Settings, on_end: Callable[[], None]) -> AsyncIterator[None]:
    """Everything that drivers need, running; ``on_end`` is called when a signal has drained them or cuts them off."""
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(built(settings))
        supervisor = await stack.enter_async_context(Supervisor())
        drain = await stack.enter_async_context(process.driving(supervisor))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(
                number, signal.SIG_IGN
            )  # once the drivers are drained, nothing else is to be done at a signal
        with drained_at_sigterm(drain, on_begin=Notifier.of(os.environ).stopping, on_end=on_end):
            yield


class SchedulerProcess:
    """The parent of several workers."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self._settings = settings
        self._context = get_context("spawn")
        self._up: dict[BaseProcess, Event] = {}
        self._workers: list[BaseProcess] = []
        self._count = workers
        self._signal = 0

    def run(self) -> None:
        """Keep the workers alive until a signal comes, then end them.

        Raises:
            ConfigurationError: a worker ended before it drove anything; its own line is on stderr.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as SIGHUP is under nohup
                signal.signal(number, self._forward)
        try:
            for _ in range(self._count):
                self._start()
            self._wait_until_up()
            self._keep_alive_until_signal()
        finally:
            Notifier.of(os.environ).stopping()
            self._end()

    def _keep_alive_until_signal(self) -> None:
        notifier, due = Notifier.of(os.environ), monotonic()
        while not self._signal:
            self._revive()
            if notifier.alive_every_s is not None and monotonic() >= due:
                notifier.alive()
                due = monotonic() + notifier.alive_every_s
            sleep(CHECK_EVERY_S)

    def _forward(self, number: int, _: object) -> None:
        self._signal = number
        forwarded = signal.SIGTERM if number == signal.SIGHUP else number  # a closed terminal ends all in order
        for worker in self._workers:
            if worker.pid is not None and worker.is_alive():
                os.kill(worker.pid, forwarded)

    def _start(self) -> None:
        up = self._context.Event()
        worker = self._context.Process(target=_worker, args=(self._settings, up), name="scheduler")
        worker.start()
        self._up[worker] = up
        self._workers.append(worker)

    def _wait_until_up(self) -> None:
        while not self._signal and not all(up.is_set() for up in self._up.values()):
            if not all(worker.is_alive() for worker in self._workers):
                raise ConfigurationError("a worker could not start; see the log above")
            sleep(CHECK_EVERY_S)
        if not self._signal:
            announce(self._settings)

    def _revive(self) -> None:
        dead = [worker for worker in self._workers if not worker.is_alive()]
        for worker in dead:
            log.warning("worker_died", pid=worker.pid, status=worker.exitcode)
            self._workers.remove(worker)
            del self._up[worker]
        if dead:
            sleep(RESTART_PAUSE_S)
        while not self._signal and len(self._workers) < self._count:
            self._start()

    def _end(self) -> None:
        """Wait for the workers to drain, and end those that don't."""
        if not self._signal:
            self._forward(signal.SIGTERM, None)
        deadline = monotonic() + self._settings.arena_drain.total_seconds() + END_LIMIT_S
        for worker in self._workers:
            worker.join(max(deadline - monotonic(), 0.0))
            if worker.is_alive():
                worker.kill()
                worker.join()


def _worker(settings: Settings, up: Event) -> None:
    """Be a worker: a child process."""
    configuration.configure(settings.arena_log_level, settings.arena_log_format)
    try:
        run_scheduler(settings, up.set)
    except ArenaError as error:
        sys.stderr.write(f"arena: {error.sentence}\n")
        raise SystemExit(2) from None
