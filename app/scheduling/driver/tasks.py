"""The tasks of one driver: each has a name, and a crash stays alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import structlog


class DriverTasks:
    """Tasks of the driver of ``host``; ``changed`` is called when one ends."""

    def __init__(self, host: str, changed: Callable[[], None]) -> None:
        self._host = host
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("app.scheduling.driver.tasks").bind(host=host)

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run ``work`` until it ends."""
        task = asyncio.create_task(work, name=f"{self._host}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def drained(self, limit: timedelta) -> None:
        """Wait until nothing is under way, at most ``limit``."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=limit.total_seconds())

    def cancel(self) -> None:
        """Cancel what is under way."""
        for task in self._tasks:
            task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("lane_task_crashed", task=task.get_name(), exc_info=error)
        self._changed()
