"""Long-lived tasks: each has a name and an owner, and a crash stays alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any

import structlog

RESTART_PAUSE_S = 1.0

log = structlog.get_logger(__name__)


def until_beat(every_s: float) -> float:
    """Seconds until the next whole multiple of ``every_s`` by the event loop's clock, at most a hundredth more than it.

    Periodic tasks that wait for it wake in one turn of the loop, and what they ask Redis for is written and read
    together: a process that has nothing to do wakes once a second, and not once for each task.
    """
    left = every_s - asyncio.get_running_loop().time() % every_s
    # A beat that is just over, or so near that a rounded timer may come before it, is not waited for again.
    return left if left > every_s / 100 else left + every_s


def last_beat_within(limit_s: float) -> float:
    """Seconds until the last whole second within ``limit_s``; all of it if there is none."""
    first = until_beat(1.0)
    return limit_s if first > limit_s else first + (limit_s - first) // 1.0


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel ``tasks`` and return when all of them have ended; for a ``finally``, so it raises no error of theirs.

    To await a cancelled task within ``suppress(CancelledError)`` would also swallow the cancellation of the caller, who
    then goes on as if nobody had asked it to end. This one raises it once ``tasks`` have ended, as by
    ``asyncio.TaskGroup``. An error with which a task answers its cancellation is logged. One that it had raised before
    is left to whoever awaits the task (asyncio reports it if nobody does).
    """
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    own: asyncio.CancelledError | None = None
    while not all(task.done() for task in running):
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as cancelled:
            own = cancelled
    _log_failures(running)
    if own is not None:
        raise own


def _log_failures(cancelled: Iterable[asyncio.Future[Any]]) -> None:
    for task in cancelled:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("task_failed_when_cancelled", task=_name(task), error=repr(error), exc_info=error)


def _name(task: asyncio.Future[Any]) -> str:
    return task.get_name() if isinstance(task, asyncio.Task) else repr(task)


class Supervisor:
    """Keeps tasks running until its ``async with`` ends; one that crashes is started again."""

    def __init__(self, pause_s: float = RESTART_PAUSE_S) -> None:
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` for as long as the supervisor lives."""
        self._tasks.append(asyncio.create_task(self._keep(name, work), name=name))

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await work()
            except Exception as error:
                log.error("task_crashed", task=name, error=repr(error), exc_info=error)
            await asyncio.sleep(self._pause_s)

    async def __aenter__(self) -> Supervisor:
        """Nothing runs yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel all tasks and wait for them."""
        await cancel_and_wait(*self._tasks)


class Background:
    """Short tasks that nobody waits for, such as what has to be done for a reader who has left.

    Whoever is cancelled can't wait for anything more; what he starts here is done nevertheless.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        """Run ``work``; what it raises is logged."""
        task = asyncio.create_task(work(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task_crashed", task=task.get_name(), error=repr(error), exc_info=error)

    async def aclose(self) -> None:
        """Cancel what is still running and wait for it."""
        await cancel_and_wait(*self._tasks)
