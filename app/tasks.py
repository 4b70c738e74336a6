"""Long-lived tasks: each has a name and an owner, and a crash stays alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

import structlog

RESTART_PAUSE_S = 1.0

log = structlog.get_logger(__name__)


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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
