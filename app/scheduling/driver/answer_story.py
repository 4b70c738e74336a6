"""What a driver knows of an answer's way, sent to the sink in one call when the attempt ends or moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from redis.exceptions import RedisError

from app.backends.base import BackendError
from app.backends.retrying import repeated
from app.scheduling.driver.loader import LoadWindow
from app.scheduling.job import Job
from app.scheduling.ports import AnswerSink
from app.timing.story import Event, Step
from app.timing.time import Time

KEEP_LIMIT_S = 5.0
"""How long a story may wait for Redis: it is worth less than the answer's end."""

log = structlog.get_logger(__name__)


class AnswerStory:
    """The steps of one attempt at the answer of ``job`` on ``host``; ``load`` is its model's load, if it waited.

    ``on_step`` is called with each of them.
    """

    def __init__(
        self,
        job: Job,
        host: str,
        sink: AnswerSink,
        time: Time,
        load: LoadWindow | None = None,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> None:
        self._job = job
        self._host = host
        self._sink = sink
        self._time = time
        self._load = load
        self._on_step = on_step
        self._steps: list[Step] = []

    def add(self, event: Event, *, cause: str | None = None, target: str | None = None) -> None:
        """Note a step of now."""
        self._add(Step(self._time.now(), event, self._host, cause=cause, target=target))

    def waited(self) -> None:
        """Note the end of the wait in the queue, which is now, and the load that was a part of it."""
        load = self._load
        if load is None or load.ended <= self._job.enqueued_at:
            self._add(Step(self._time.now(), "waited", self._host, since=self._job.enqueued_at))
            return
        self._add(
            Step(
                self._time.now(),
                "waited",
                self._host,
                since=self._job.enqueued_at,
                load_began=load.began,
                load_ended=load.ended,
                made_room=load.made_room,
                cause=", ".join(load.repeated) or None,
            )
        )

    def _add(self, step: Step) -> None:
        self._steps.append(step)
        self._on_step(step)

    @contextmanager
    def retries(self) -> Iterator[None]:
        """Note each time that the backend begins anew inside of the block."""

        def note(error: BackendError) -> None:
            self.add("retried", cause=error.code)

        token = repeated.set(note)
        try:
            yield
        finally:
            repeated.reset(token)

    def closed(self, event: Event, *, cause: str | None = None) -> tuple[Step, ...]:
        """Note the last step; return all since the last time, which are stored with the answer's end."""
        self.add(event, cause=cause)
        steps, self._steps = self._steps, []
        return tuple(steps)

    async def keep(self, event: Event, *, cause: str | None = None, target: str | None = None) -> None:
        """Note a last step and send all since the last time; a Redis that is away loses them, and nothing else."""
        self.add(event, cause=cause, target=target)
        steps, self._steps = self._steps, []
        try:
            async with asyncio.timeout(KEEP_LIMIT_S):
                await self._sink.note(self._job, steps)
        except (RedisError, OSError) as error:
            log.info("answer_story_lost", battle=self._job.battle, answer=self._job.answer, cause=type(error).__name__)
