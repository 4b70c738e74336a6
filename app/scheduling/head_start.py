"""Head starts: a model reads its prompt while the battle is being committed.

Whoever opens a battle in the process that drives its models' hosts says so before SQL and Redis know of it. The driver
sends the request if that is what it would do anyway, and holds back what comes. Nothing of it is shown, counted or
stored before the answer is begun in the usual way: committed, enqueued, planned, numbered. If that does not happen, the
socket is closed (see docs/decisions/0033-head-starts.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from app.backends.base import GenerationRequest
from app.scheduling.job import Job


class HeadStart(Protocol):
    """Where requests are sent early; nothing is promised, and nothing raised."""

    def begin(self, job: Job, request: GenerationRequest) -> None:
        """Send the request of an answer whose ``job`` is about to be enqueued, if it could be begun right now."""
        ...

    def drop(self, job_ids: Iterable[str]) -> None:
        """Close the sockets of answers that are not going to be begun; those that were begun go on."""
        ...


class NoHeadStart:
    """Where no host is driven, nothing is sent early."""

    def begin(self, job: Job, request: GenerationRequest) -> None:
        """Nothing is sent."""

    def drop(self, job_ids: Iterable[str]) -> None:
        """Nothing was sent."""


class EarlyDriver(Protocol):
    """What is needed of the driver of a host."""

    def begin_early(self, job: Job, request: GenerationRequest) -> None:
        """Send a request now, if the plan with its job would begin it."""
        ...

    def drop_early(self, job_id: str) -> None:
        """Close the socket of an answer that was not begun."""
        ...


class LocalHeadStart:
    """Head starts at the hosts whose ``drivers`` are in this process; ``host_of`` says who would write a model now."""

    def __init__(self, host_of: Callable[[str], str | None]) -> None:
        self.drivers: Mapping[str, EarlyDriver] = {}
        self._host_of = host_of

    def begin(self, job: Job, request: GenerationRequest) -> None:
        """Send the request at the host that the job will be given to, if that is driven here."""
        driver = self.drivers.get(self._host_of(job.model) or "")
        if driver is not None:
            driver.begin_early(job, request)

    def drop(self, job_ids: Iterable[str]) -> None:
        """Close what was sent and not begun."""
        for job_id in job_ids:
            for driver in self.drivers.values():
                driver.drop_early(job_id)
