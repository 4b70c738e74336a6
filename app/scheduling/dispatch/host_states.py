"""The hosts as this process saw them a moment ago, for whoever chooses one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from app.hosts.host import Host
from app.scheduling.dispatch.placement import Candidate
from app.scheduling.ports import Queue
from app.scheduling.report import HostReport, Reports
from app.turns import Turns

RECHECK_S = 0.25
"""How long what was seen of the hosts is taken for granted; what this process adds meanwhile is counted."""


class HostStates:
    """Reads reports and queues together, at most every ``RECHECK_S``; ``clock`` is monotonic."""

    def __init__(
        self,
        hosts: Sequence[Host],
        queues: Mapping[str, Queue],
        reports: Reports,
        bound: int,
        alive: Callable[[str], bool],
        clock: Callable[[], float],
    ) -> None:
        self._hosts = tuple(hosts)
        self._queues = queues
        self._reports = reports
        self._bound = bound
        self._alive = alive
        self._clock = clock
        self._states: dict[str, Candidate] = {}
        self._read_at = float("-inf")
        self._turns = Turns()

    async def read(self) -> Mapping[str, Candidate]:
        """All hosts by name; near its bound a queue is read again.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if self._is_due():
            await self._turns.take("hosts", self._read_if_due)
        return self._states

    def _is_due(self) -> bool:
        full = any(2 * candidate.room < self._bound for candidate in self._states.values())
        return full or self._clock() - self._read_at > RECHECK_S

    async def _read_if_due(self) -> None:
        """Read, unless those did who asked before: many ask in the moment when what was seen becomes too old."""
        if not self._is_due():
            return
        counting = asyncio.gather(*(self._queues[host.name].length() for host in self._hosts))
        reports, lengths = await asyncio.gather(self._reports.read(), counting)
        self._states = {
            host.name: self._candidate(host, reports.get(host.name), length)
            for host, length in zip(self._hosts, lengths, strict=True)
        }
        self._read_at = self._clock()

    @property
    def last(self) -> Mapping[str, Candidate]:
        """All hosts as they were read last; none before the first time."""
        return self._states

    def dispatched(self, host: str, jobs: int) -> None:
        """Count what was sent to ``host`` until its queue is read again."""
        if host in self._states:
            self._states[host] = self._states[host].with_more(jobs)

    def _candidate(self, host: Host, report: HostReport | None, jobs: int) -> Candidate:
        return Candidate(
            host.name,
            (report.slots if report is not None else 0) or host.num_parallel,
            host.weight,
            host.fallback,
            jobs,
            self._bound - jobs,
            report,
            self._alive(host.name),
        )
