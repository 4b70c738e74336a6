"""The jobs of one host as they were last read from its queue, without those that have ended since."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager

from app.scheduling.driver.retries import Retries
from app.scheduling.job import Job


class JobTable:
    """Jobs by id; those in ``retries`` pause because they went wrong."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._jobs: dict[str, Job] = {}
        self._ended: set[str] = set()
        self._added: dict[str, Job] = {}

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __getitem__(self, job_id: str) -> Job:
        return self._jobs[job_id]

    def all(self) -> tuple[Job, ...]:
        """All jobs, waiting and running."""
        return tuple(self._jobs.values())

    def rested(self) -> Iterable[tuple[str, Job]]:
        """The jobs that don't pause after a mishap, with their ids."""
        if not self._retries.any_paused:
            return self._jobs.items()
        return [(job_id, job) for job_id, job in self._jobs.items() if not self._retries.is_paused(job_id)]

    def add(self, jobs: Iterable[Job]) -> None:
        """Take jobs that were just enqueued or became more urgent."""
        for job in jobs:
            if job.id not in self._ended:
                self._jobs[job.id] = self._added[job.id] = job

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Callable[[Iterable[Job]], None]]:
        """Give the function that takes all jobs as they are read inside of the block.

        A job that ends meanwhile is left out, and one that is added meanwhile is kept: what is read may be older.
        """
        self._ended.clear()
        self._added.clear()
        yield self._take

    def forget(self, job_id: str) -> None:
        """Forget a job that is over, or another host's."""
        self._ended.add(job_id)
        self._jobs.pop(job_id, None)

    def _take(self, jobs: Iterable[Job]) -> None:
        read = {job.id: job for job in jobs} | self._added
        self._jobs = {job_id: job for job_id, job in read.items() if job_id not in self._ended}
        self._retries.keep(self._jobs)
