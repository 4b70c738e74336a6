"""The model hosts as routes need them: what is configured, what drivers report, and what all workers counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import time
from typing import Any, cast

from redis.asyncio import Redis

from app.arena.sweeper import OPEN_KEY
from app.doctor.checkup import Checkup
from app.doctor.diagnose import Diagnosis
from app.draw.shown import ShownRotation
from app.hosts.host import Host
from app.hosts.roster import Roster
from app.metrics.counters import read_sums
from app.metrics.families import Series
from app.metrics.held import Figures, HeldFigures
from app.scheduling.dispatch.model_memory import ModelMemory
from app.scheduling.report import HostReport, Reports


async def no_rotation() -> ShownRotation | None:
    """Contestants are drawn uniformly."""
    return None


@dataclass(frozen=True, slots=True)
class Fleet:
    """The hosts in the configured order, and the sources of what is known about them.

    ``sums`` reads what all workers counted, ``open_battles`` how many battles run, ``held`` the copy of both that
    everybody may read; they raise a RedisError when Redis is unavailable. ``warm`` sends a prewarm request to the
    drivers, ``memory`` loads and unloads for operators, ``rotation`` tells what battles are drawn from. ``now`` is the
    Unix time that reports are dated by.
    """

    hosts: tuple[Host, ...]
    roster: Roster
    reports: Reports
    sums: Callable[[], Awaitable[Mapping[Series, float]]]
    open_battles: Callable[[], Awaitable[int]]
    held: Callable[[], Awaitable[Figures]]
    warm: Callable[[Sequence[str]], Awaitable[None]]
    checkup: Checkup
    memory: ModelMemory
    rotation: Callable[[], Awaitable[ShownRotation | None]] = no_rotation
    now: Callable[[], float] = time


def fleet_on(
    redis: Redis,
    hosts: Sequence[Host],
    roster: Roster,
    reports: Reports,
    *,
    warm: Callable[[Sequence[str]], Awaitable[None]],
    doctor: Callable[[], Awaitable[Diagnosis]],
    memory: ModelMemory,
    rotation: Callable[[], Awaitable[ShownRotation | None]] = no_rotation,
    now: Callable[[], float] = time,
) -> Fleet:
    """The fleet of a process whose workers share ``redis``."""

    async def open_battles() -> int:
        return int(await cast(Any, redis).scard(OPEN_KEY))

    async def figures() -> Figures:
        sums, latest, running = await asyncio.gather(read_sums(redis), reports.read(), open_battles())
        known = [latest[host.name] for host in hosts if host.name in latest]
        return Figures(sums, sum(one.waiting for one in known), sum(one.running for one in known), running)

    held = HeldFigures(redis, figures)
    checkup = Checkup(doctor)
    sums = partial(read_sums, redis)
    return Fleet(tuple(hosts), roster, reports, sums, open_battles, held.read, warm, checkup, memory, rotation, now)


def troubles(
    reports: Mapping[str, HostReport], hosts: Sequence[Host], unreachable: Sequence[str] = ()
) -> tuple[str, ...]:
    """A sentence for each host that has a problem: no process drives it, it is down or on trial.

    ``unreachable`` are hosts that did not answer this process; where a driver reports, its report counts instead.
    """
    known = ((host.name, reports.get(host.name)) for host in hosts)
    return tuple(sentence for name, report in known for sentence in _trouble(name, report, name in unreachable))


def _trouble(name: str, report: HostReport | None, silent: bool) -> list[str]:
    if report is None:
        undriven = f"no process drives host {name} at the moment"
        return [undriven, f"host {name} does not answer"] if silent else [undriven]
    why = f" ({report.why})" if report.why else ""
    if report.health == "down" and report.fails_answers:
        return [f"host {name} answers its probes, but its last {report.failed_answers} answers failed{why}"]
    if report.health == "down":
        return [f"host {name} does not answer{why}"]
    if report.health == "trying":
        return [f"host {name} failed{why} and is on trial: it gets one answer"]
    return []
