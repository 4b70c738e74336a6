"""How often a job has failed on a host, and when it may be tried again. Pure, but for the clock that it is given."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

MOST_CRASHES = 3
"""A job that raises what nobody expected is tried this often, then its answer fails."""

PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""The pause before the first retry and, doubling, before any: what heals heals in seconds, and someone waits."""


@dataclass(frozen=True, slots=True)
class _Pause:
    """A job that went wrong waits until ``until`` (by the clock) before it is tried again."""

    until: float
    seconds: float


class Retries:
    """What went wrong with the jobs of one host, by job id."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}
        self._crashes: dict[str, int] = {}

    def pause(self, job_id: str) -> None:
        """Leave a job alone for a while, each time for twice as long."""
        last = self._pauses.get(job_id)
        seconds = PAUSE_S if last is None else min(2 * last.seconds, LONGEST_PAUSE_S)
        self._pauses[job_id] = _Pause(self._clock() + seconds, seconds)

    @property
    def any_paused(self) -> bool:
        """Whether any job may have to be left alone."""
        return bool(self._pauses)

    def is_paused(self, job_id: str) -> bool:
        """Whether a job is to be left alone now."""
        pause = self._pauses.get(job_id)
        return pause is not None and pause.until > self._clock()

    def crashed(self, job_id: str) -> bool:
        """Count a crash; True when there were enough of them."""
        self._crashes[job_id] = self._crashes.get(job_id, 0) + 1
        return self._crashes[job_id] >= MOST_CRASHES

    def keep(self, job_ids: Container[str]) -> None:
        """Forget all jobs but these."""
        self._pauses = {job_id: pause for job_id, pause in self._pauses.items() if job_id in job_ids}
        self._crashes = {job_id: count for job_id, count in self._crashes.items() if job_id in job_ids}
