"""Diagnose: observe everything at once, then check what was observed.

It generates and loads nothing, leaves nothing behind, and ends within three seconds whatever hangs. ``Checkup`` serves
one result to many callers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from app.doctor.checks.addresses import on_addresses
from app.doctor.checks.agreement import agreed
from app.doctor.checks.capacity import on_capacity, tables
from app.doctor.checks.database import on_database
from app.doctor.checks.draw import on_draw
from app.doctor.checks.fit_table import FitTable
from app.doctor.checks.machine import on_clocks, on_lag, on_settings, on_voters
from app.doctor.checks.models import on_models
from app.doctor.checks.processes import on_processes
from app.doctor.checks.redis import on_redis
from app.doctor.checks.residents import on_residents
from app.doctor.checks.servers import on_servers
from app.doctor.checks.work import on_work
from app.doctor.finding import Finding, worst_first
from app.doctor.probing.lag import Lag, without_doubtful
from app.doctor.probing.observation import Observation, ObservedRedis
from app.doctor.probing.observe import observe
from app.doctor.probing.probe import PROBE_TIMEOUTS, ProbeTimeouts
from app.hosts.host import Host
from app.scheduling.report import Reports
from app.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found at ``at``, the worst first, in ``took_s`` seconds.

    ``models`` are those that can enter battles now, ``memory`` compares them with the cards that are configured.
    """

    at: datetime
    took_s: float
    findings: tuple[Finding, ...]
    hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    memory: tuple[FitTable, ...] = ()

    @property
    def can_battle(self) -> bool:
        """Whether battles can run: there is no error."""
        return not any(finding.severity == "error" for finding in self.findings)

    @property
    def unsure(self) -> bool:
        """Whether this machine was too busy to tell about some of what was probed."""
        return any(finding.code == "machine_too_busy" for finding in self.findings)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "can_battle": self.can_battle,
            "unsure": self.unsure,
            "findings": [finding.to_dict() for finding in self.findings],
            "hosts": list(self.hosts),
            "models": list(self.models),
            "memory": [table.to_dict() for table in self.memory],
            "at": self.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "took_s": round(self.took_s, 3),
        }


async def diagnose(
    settings: Settings,
    hosts: Sequence[Host],
    *,
    redis: Redis | ObservedRedis,
    database: str,
    reports: Reports | None = None,
    timeouts: ProbeTimeouts = PROBE_TIMEOUTS,
    wake: timedelta | None = None,
    wall: Callable[[], float] = time.time,
    lag: Lag | None = None,
) -> Diagnosis:
    """Examine hosts, stores and settings; ``redis`` is a client (or why there is none), ``database`` a URL.

    ``reports`` are read from ``redis`` unless given. Hosts that scale to zero are probed only if ``wake`` gives them
    time to start. Never raises for anything that may be wrong outside this process.

    Raises:
        ConfigurationError: the settings contradict themselves (as ``arena serve`` would say).
    """
    began = time.perf_counter()
    observation = await observe(
        settings,
        hosts,
        redis=redis,
        database=database,
        reports=reports,
        timeouts=timeouts,
        wake=wake,
        wall=wall,
        lag=lag,
    )
    seen = without_doubtful(observation)
    return Diagnosis(
        datetime.fromtimestamp(seen.now, UTC),
        time.perf_counter() - began,
        findings_of(seen),
        tuple(host.name for host in hosts),
        seen.catalog.models,
        tables(seen),
    )


def findings_of(seen: Observation) -> tuple[Finding, ...]:
    """The findings of all checks, the worst first. Pure."""
    return worst_first(agreed([finding for check in CHECKS for finding in check(seen)]))


CHECKS = (
    on_settings,
    on_lag,
    on_redis,
    on_database,
    on_clocks,
    on_voters,
    on_addresses,
    on_servers,
    on_models,
    on_capacity,
    on_residents,
    on_work,
    on_processes,
    on_draw,
)
