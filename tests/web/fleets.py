"""The application over a real Redis with model hosts whose drivers' reports are written by the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
from redis.asyncio import Redis

from app.backends.base import BackendUnavailable
from app.backends.scripted import ScriptedBackend
from app.doctor.diagnose import Diagnosis
from app.hosts.host import Host
from app.hosts.roster import Roster, ignore
from app.scheduling.report import HostEvent, HostReport, HostReports, ResidentReport, UnloadReport
from app.web.ops.gauges import NOT_KNOWN, Foundations
from app.web.shared.fleet import Fleet, fleet_on
from tests.services import Absent, app_with, services_with, settings_with

ZIRCON, QUOKKA, OKAPI = "zircon:7b", "quokka:8b", "okapi:8b"
KEY = "the-admin-key"
NOW = 1_767_225_600.25
GIB = 1024**3

ONE = Host("gpu-1", "http://someone:secret@10.0.0.5:11434/path", memory_bytes=24 * GIB)
TWO = Host("gpu-2", "http://10.0.0.6:11434", models=(QUOKKA, OKAPI), fallback=True, scale_to_zero=True)
GONE = Host("gpu-3", "http://10.0.0.7:11434")

REPORT = HostReport(
    "gpu-1",
    NOW,
    version="0.12.3",
    since=NOW - 100,
    residents=(
        ResidentReport(ZIRCON, 5 * GIB, 4 * GIB, 4096, NOW + 300, NOW - 90, NOW - 1, ("offloaded",)),
        ResidentReport("foreign:1b", GIB, GIB, ours=False),
    ),
    loading=QUOKKA,
    loading_since=NOW - 3,
    waiting=2,
    running=1,
    waiting_by_model={QUOKKA: 2},
    running_by_model={ZIRCON: 1},
    load_s={ZIRCON: 7.5},
    planned=(ZIRCON, QUOKKA),
    max_models=3,
    events=(
        HostEvent(NOW - 50, "host_up"),
        HostEvent(NOW - 5, "load_failed", QUOKKA, "it said: no memory"),
    ),
    unloads=(
        UnloadReport(NOW - 60, OKAPI, "its reason in words"),
        UnloadReport(NOW - 6, OKAPI, "to make room for quokka:8b, for which somebody waits", "makes_room"),
    ),
)


class Fixed:
    """Contestants that are what the roster says."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    async def at_hand(self) -> Sequence[str]:
        return await self._roster.at_hand()


async def roster_of(configured: Sequence[str] = (ZIRCON, QUOKKA, "okapi-8b")) -> Roster:
    """gpu-1 has two models, gpu-2 two, gpu-3 does not answer."""
    backends = {
        ONE.name: ScriptedBackend(models=(ZIRCON, QUOKKA)),
        TWO.name: ScriptedBackend(models=(QUOKKA, OKAPI)),
        GONE.name: ScriptedBackend(models=(), down=BackendUnavailable("refused at 10.0.0.7")),
    }
    roster = Roster((ONE, TWO, GONE), backends, configured, on_trouble=ignore)
    await roster.refresh()
    return roster


async def nothing(_: Sequence[str]) -> None:
    """Warms nothing."""


async def finds_nothing() -> Diagnosis:
    """A doctor to whom all is well."""
    return Diagnosis(datetime.now(UTC), 0.0, ())


async def fleet_of(redis: Redis, *reports: HostReport, **more: Any) -> Fleet:
    """The three hosts, of which those in ``reports`` are driven."""
    hosts = (ONE, TWO, GONE)
    shared = HostReports(redis, [host.name for host in hosts])
    for report in reports:
        await shared.put(report)
    roster = more.pop("roster", None) or await roster_of()
    rest: dict[str, Any] = {"warm": nothing, "doctor": finds_nothing, "memory": Absent("memory")}
    return fleet_on(redis, hosts, roster, shared, **rest | more)


def client(
    fleet: Fleet, *, operator: bool = False, ground: Foundations = NOT_KNOWN, **headers: str
) -> httpx.AsyncClient:
    """A caller on the arena's machine, or one whom a proxy let through."""

    async def usable() -> Mapping[str, bool]:
        return ground.usable

    rooms: dict[str, Any] = {"fleet": fleet, "contestants": Fixed(fleet.roster), "usable": usable}
    rooms["disk"] = lambda: (ground.free_bytes, ground.size_bytes)
    settings = settings_with(arena_admin_key=KEY, arena_models=(ZIRCON, QUOKKA))
    app = app_with(services_with(settings, **rooms))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(
        transport=transport,
        base_url="http://127.0.0.1" if operator else "http://arena.example",
        headers=headers,
    )
