"""The model hosts as routes ask for them: what is configured, what drivers tell, and what all workers counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any, Protocol, cast

from redis.asyncio import Redis

from app.arena.sweeper import OPEN_KEY
from app.hosts.host import Host
from app.hosts.roster import Roster
from app.metrics.counters import read_sums
from app.metrics.families import Series
from app.scheduling.report import HostReport, Reports

EXAMINE_LIMIT = timedelta(seconds=10)
EXAMINED_FOR = timedelta(seconds=15)
"""How long findings are shown before the hosts are examined again: it asks every host."""


class Finding(Protocol):
    """Something that is wrong, why, and what to do about it; ``command`` is empty when there is none to run."""

    @property
    def code(self) -> str:
        """Snake case, for programs."""
        ...

    @property
    def severity(self) -> str:
        """How bad it is."""
        ...

    @property
    def subject(self) -> str:
        """The host, model or service that has it."""
        ...

    @property
    def cause(self) -> str:
        """A sentence."""
        ...

    @property
    def remedy(self) -> str:
        """A sentence."""
        ...

    @property
    def command(self) -> str | None:
        """What to run."""
        ...


class Diagnosis(Protocol):
    """What the doctor found."""

    @property
    def findings(self) -> Sequence[Finding]:
        """The worst first."""
        ...


Examine = Callable[[], Awaitable[Diagnosis]]


@dataclass(frozen=True, slots=True)
class _Plain:
    code: str
    severity: str
    subject: str
    cause: str
    remedy: str
    command: str | None = None


_SLOW = _Plain(
    "examination_slow",
    "warning",
    "the doctor",
    f"The examination did not end within {EXAMINE_LIMIT.total_seconds():g} s.",
    "Ask on the command line, where it may take its time.",
    "arena doctor",
)


class Checkup:
    """What ``examine`` found, asked once for all callers and kept for ``EXAMINED_FOR``."""

    def __init__(
        self,
        examine: Examine,
        *,
        limit: timedelta = EXAMINE_LIMIT,
        kept: timedelta = EXAMINED_FOR,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._examine, self._clock = examine, clock
        self._limit_s, self._kept_s = limit.total_seconds(), kept.total_seconds()
        self._turn = asyncio.Lock()
        self._until = float("-inf")
        self._found: tuple[Finding, ...] = ()

    async def findings(self) -> tuple[Finding, ...]:
        """What is wrong; one that says so when the examination takes too long."""
        async with self._turn:
            if self._clock() >= self._until:
                self._found = await self._look()
                self._until = self._clock() + self._kept_s
            return self._found

    async def _look(self) -> tuple[Finding, ...]:
        try:
            async with asyncio.timeout(self._limit_s):
                return tuple((await self._examine()).findings)
        except TimeoutError:
            return (_SLOW,)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The hosts in the configured order, and where to ask about them.

    ``sums`` are what all workers counted, ``open_battles`` how many run; both raise a RedisError when Redis is
    unavailable. ``warm`` asks the drivers to bring models into memory.
    """

    hosts: tuple[Host, ...]
    roster: Roster
    reports: Reports
    sums: Callable[[], Awaitable[Mapping[Series, float]]]
    open_battles: Callable[[], Awaitable[int]]
    warm: Callable[[Sequence[str]], Awaitable[None]]
    checkup: Checkup | None = None


def fleet_on(
    redis: Redis,
    hosts: Sequence[Host],
    roster: Roster,
    reports: Reports,
    *,
    warm: Callable[[Sequence[str]], Awaitable[None]],
    doctor: Examine | None = None,
) -> Fleet:
    """The fleet of a process whose workers share ``redis``."""

    async def open_battles() -> int:
        return int(await cast(Any, redis).scard(OPEN_KEY))

    checkup = None if doctor is None else Checkup(doctor)
    return Fleet(tuple(hosts), roster, reports, lambda: read_sums(redis), open_battles, warm, checkup)


def troubles(
    reports: Mapping[str, HostReport], hosts: Sequence[Host], unreachable: Sequence[str] = ()
) -> tuple[str, ...]:
    """A sentence for each host in trouble: nobody drives it, it is down or only tried.

    ``unreachable`` are hosts that did not answer this process; a host whose driver tells is believed to the driver.
    """
    told = ((host.name, reports.get(host.name)) for host in hosts)
    return tuple(sentence for name, report in told for sentence in _trouble(name, report, name in unreachable))


def _trouble(name: str, report: HostReport | None, silent: bool) -> list[str]:
    if report is None:
        nobody = f"nobody drives host {name} at the moment"
        return [nobody, f"host {name} does not answer"] if silent else [nobody]
    why = f" ({report.why})" if report.why else ""
    if report.health == "down" and report.fails_answers:
        return [f"host {name} answers its probes, but its last {report.failed_answers} answers failed{why}"]
    if report.health == "down":
        return [f"host {name} does not answer{why}"]
    if report.health == "trying":
        return [f"host {name} was in trouble{why} and is tried with one answer"]
    return []
