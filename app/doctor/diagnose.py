"""The examination: look at everything at once, and name what is wrong.

It generates and loads nothing, leaves nothing behind, and is over within three seconds whatever hangs; who shows it to
many people keeps it for some seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from redis.asyncio import Redis

from app.doctor.checks.addresses import on_addresses
from app.doctor.checks.finding import Finding, worst_first
from app.doctor.checks.fit_table import Table
from app.doctor.checks.memory import on_memory, tables
from app.doctor.checks.models import on_models
from app.doctor.checks.residents import on_residents
from app.doctor.checks.settings import on_settings
from app.doctor.checks.stores import on_stores
from app.doctor.checks.work import on_work
from app.doctor.probing.observation import Observation, RedisSeen
from app.doctor.probing.observe import observe
from app.doctor.probing.probe import PATIENCE, Patience
from app.hosts.host import Host
from app.scheduling.report import Reports
from app.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found at ``at``, the worst first, in ``took_s`` seconds.

    ``models`` are those that can enter battles now, ``memory`` weighs them against the cards that are configured.
    """

    at: datetime
    took_s: float
    findings: tuple[Finding, ...]
    hosts: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    memory: tuple[Table, ...] = ()

    @property
    def can_battle(self) -> bool:
        """Whether battles can run; warnings and notes don't keep them from it."""
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "can_battle": self.can_battle,
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
    redis: Redis | RedisSeen,
    database: str,
    reports: Reports | None = None,
    patience: Patience = PATIENCE,
    wake: timedelta | None = None,
    wall: Callable[[], float] = time.time,
) -> Diagnosis:
    """Examine the house; ``redis`` is a client (or why there is none), ``database`` a URL.

    ``reports`` are read from ``redis`` unless given. Hosts that scale to zero are asked only if they get some time to
    ``wake``. Never raises for anything that may be wrong outside.

    Raises:
        ConfigurationError: the settings contradict themselves (as ``arena serve`` would say).
    """
    began = time.perf_counter()
    seen = await observe(
        settings, hosts, redis=redis, database=database, reports=reports, patience=patience, wake=wake, wall=wall
    )
    return Diagnosis(
        datetime.fromtimestamp(seen.now, UTC),
        time.perf_counter() - began,
        findings_of(seen),
        tuple(host.name for host in hosts),
        seen.catalog.models,
        tables(seen),
    )


def findings_of(seen: Observation) -> tuple[Finding, ...]:
    """Everything that is to be said about what was seen, the worst first. Pure."""
    rooms = (on_settings, on_stores, on_addresses, on_models, on_memory, on_residents, on_work)
    return worst_first([finding for room in rooms for finding in room(seen)])
