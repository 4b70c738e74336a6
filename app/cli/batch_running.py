"""A run in this terminal: worked off here, or followed; a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType

import structlog
from redis.exceptions import RedisError

from app.batch.hosts import CallHosts
from app.batch.progress import line_of, progress_of, words
from app.batch.reading import figures_of
from app.batch.report import RunFigures
from app.batch.runs import ACTIVE, Run, RunRecords, StageSums
from app.batch.spec import RunSpec
from app.batch.submission import Limits, RunProblems, check, hand_in
from app.cli.batch_report import write_report
from app.errors import ConfigurationError, Unavailable
from app.process.app import check as check_settings
from app.process.batch import CommandProcess, chat_of_settings, working
from app.settings.settings import Settings
from app.tasks import cancel_and_wait

CHECK_EVERY_S = 0.5
LINE_EVERY_S = 10.0
INTERRUPTED = 130
STOPPED = "stopped by Ctrl-C; the same command goes on"


def run_here(settings: Settings, spec: RunSpec, jobs: Path, between: str | None, max_failures: str | None) -> int:
    """Work a run off; the command's status: 0 when all jobs are done, 1 when some failed, 130 after Ctrl-C."""
    _quiet_logs()
    try:
        return asyncio.run(_run_here(settings, spec, jobs, Limits(between, max_failures)))
    except RunProblems as problems:
        for problem in problems.problems:
            sys.stderr.write(f"arena: {problem}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED


def _quiet_logs() -> None:
    """Only warnings, on stderr: this terminal belongs to the bar."""
    level = logging.INFO if os.environ.get("ARENA_BATCH_LOG") else logging.WARNING
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


async def _run_here(settings: Settings, spec: RunSpec, jobs: Path, limits: Limits) -> int:
    with jobs.open("rb") as lines:
        checked = await check(spec, lines, chat_of_settings(settings))
    await check_settings(settings)
    async with working(settings) as process:
        with jobs.open("rb") as lines:
            run = await hand_in(process.batch.records, checked, lines, limits, foreground=True)
        status = await _worked_off(process, run)
        if status != INTERRUPTED:
            figures = await figures_of(process.database, process.batch.records, run.id)
            _write_report(figures, settings.arena_data_dir / "batch" / run.id)
        return status


def _write_report(figures: RunFigures, folder: Path) -> None:
    """Write the report; a disk that is full changes nothing in how the run ended."""
    try:
        files = write_report(figures, folder)
    except ConfigurationError as error:
        sys.stderr.write(
            f"arena: {error.sentence}; arena batch report {figures.run.id} -o FOLDER writes it elsewhere\n"
        )
    else:
        sys.stderr.write(f"report: {files[0]}\n")


async def _worked_off(process: CommandProcess, run: Run) -> int:
    """See the run through, or leave it in order at Ctrl-C."""
    records = process.batch.records
    async with _interrupted() as stop:
        working_ = asyncio.create_task(process.batch.worker.see_through(run.id), name=f"run {run.id}")
        showing = asyncio.create_task(follow(records, run.id, partial(loaded_on, process.batch.hosts)), name="progress")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            await asyncio.wait({working_, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working_.done():
                return _status(await working_)
            sys.stderr.write("\nstopping: running calls are finished first; press Ctrl-C again to cut them off\n")
        finally:
            await cancel_and_wait(working_, showing, stopping)
    await records.move(run.id, ACTIVE, "paused", STOPPED)
    return INTERRUPTED


@asynccontextmanager
async def _interrupted() -> AsyncIterator[asyncio.Event]:
    """An event that the first Ctrl-C, or SIGTERM, sets; the next one ends the process as usual."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def first() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _status(run: Run) -> int:
    return 0 if run.status == "completed" and not run.jobs_failed else 1


Loaded = Callable[[Run], Awaitable[str]]
"""Which of a run's models are in memory, in words."""


async def unknown(_: Run) -> str:
    """What is in memory is not known here."""
    return ""


async def loaded_on(hosts: CallHosts, run: Run) -> str:
    """Which of a run's models are in the hosts' memory; empty while nothing is, or Redis is unavailable."""
    try:
        seen = await hosts.seen(run.spec.models, {})
    except (RedisError, OSError):
        return ""
    return loaded_words({host.name: sorted(host.present) for host in seen.hosts})


def loaded_words(present: Mapping[str, Sequence[str]]) -> str:
    """What each host has in memory; with one host without its name."""
    shown = {host: ", ".join(models) for host, models in sorted(present.items()) if models}
    if len(present) == 1:
        return "".join(shown.values())
    return "; ".join(f"{host}: {models}" for host, models in shown.items())


async def follow(records: RunRecords, run_id: str, loaded: Loaded = unknown) -> int:
    """Show how far a run is until it ends or stops; 0 when all its jobs are done, else 1."""
    with Display() as display:
        while True:
            try:
                run = await records.run(run_id)
                display.show(run, await records.sums(run_id), await loaded(run))
            except Unavailable as error:
                display.say(error.sentence)
            else:
                if run.status not in ACTIVE:
                    display.say(last_line(run))
                    return _status(run)
            await asyncio.sleep(CHECK_EVERY_S)


def last_line(run: Run) -> str:
    """How a run ended."""
    line = f"{run.id} {run.status}: {run.jobs_done} of {run.jobs} jobs done in {words(run.active_s)}"
    if run.jobs_failed:
        line += f", {run.jobs_failed} failed (arena batch retry --failed {run.id})"
    return f"{line}; {run.note}" if run.note else f"{line}; arena batch results {run.id}"


class Display:
    """Shows progress on stderr: a bar on a terminal, else a line every ten seconds and with each new note."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(stderr=True)
        self._bar = Progress(BarColumn(), TextColumn("{task.description}", markup=False), console=console)
        self._task = self._bar.add_task("", total=None)
        self._is_terminal = console.is_terminal
        self._said = ("", float("-inf"))

    def __enter__(self) -> Display:
        if self._is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal:
            self._bar.stop()

    def show(self, run: Run, sums: list[StageSums], loaded: str = "") -> None:
        """Show the run as it is now, and what of its models is in memory."""
        line = line_of(run, progress_of(run, sums)) + (f", loaded: {loaded}" if loaded else "")
        if self._is_terminal:
            self._bar.update(self._task, total=run.jobs, completed=run.jobs_ended, description=line)
            return
        now = asyncio.get_running_loop().time()
        note, at = self._said
        if now - at >= LINE_EVERY_S or run.note != note:
            self._said = (run.note, now)
            self.say(f"{run.id}: {line}")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        if self._is_terminal:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            sys.stderr.write(f"{line}\n")
