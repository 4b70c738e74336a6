"""A job: one answer that waits for a host or is being written there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum


class Priority(IntEnum):
    """Who goes first: what a viewer waits for, what he may want next, answers without a battle, then batches."""

    INTERACTIVE = 0
    PREFETCH = 1
    DIRECT = 2
    BATCH = 3


@dataclass(frozen=True, slots=True)
class Job:
    """Answer number ``answer`` (the contestant's entry) of battle ``battle``, to be written by ``model``.

    ``enqueued_at`` is Unix time in seconds: it orders jobs and starts the answer's queue time. A repeated
    enqueue of the same id keeps the first time and the more urgent priority. ``tried`` are hosts that could not.
    ``trace`` is the ``traceparent`` of the request that asked for it; empty where nothing is traced.
    """

    battle: str
    answer: int
    model: str
    priority: Priority = Priority.INTERACTIVE
    enqueued_at: float = 0.0
    tried: tuple[str, ...] = ()
    trace: str = ""

    @property
    def id(self) -> str:
        """``<battle>:<answer>``: the job's field in the host's hash."""
        return f"{self.battle}:{self.answer}"

    def by(self, model: str) -> Job:
        """The same job with its model under another spelling."""
        return self if model == self.model else replace(self, model=model)


@dataclass(frozen=True, slots=True)
class Removed:
    """Jobs, by their ids, that are no longer in a queue: they have ended, moved, or nobody wants them any more."""

    ids: tuple[str, ...]
