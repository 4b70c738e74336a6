"""Observes everything at once: hosts, Redis, the database and the drivers' reports. Leaves nothing behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from urllib.parse import quote

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.doctor.probing.lag import Lag
from app.doctor.probing.observation import Observation, ObservedDraw, ObservedHost, ObservedRedis
from app.doctor.probing.probe import PROBE_TIMEOUTS, ProbeTimeouts, probe_host
from app.doctor.probing.stores import embedded_socket, idle_redis, known_revisions, probe_database, probe_redis
from app.draw.store import DrawStore, by_model
from app.errors import ConfigurationError
from app.hosts.host import Host
from app.metrics.voter_addresses import Sign, read_signs
from app.redis.client import commands_client
from app.scheduling.dispatch.queue import HostQueue
from app.scheduling.lease import HostLease
from app.scheduling.report import HostReport, HostReports, Reports
from app.settings.settings import Settings

LIMIT = timedelta(seconds=2.3)


@dataclass(frozen=True, slots=True)
class _Work:
    """What Redis has about the hosts: reports, which are driven, how many jobs each has; about voters, and the draw."""

    reports: Mapping[str, HostReport] = field(default_factory=dict)
    driven: Mapping[str, bool] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    signs: Mapping[str, Sign] = field(default_factory=dict)
    draw: ObservedDraw | None = None


async def observe(
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
) -> Observation:
    """Observe hosts and stores within three seconds; ``redis`` is a client, or why there is none.

    Hosts that scale to zero get the time ``wake`` to start and answer; without it they are not probed, because a probe
    would wake them.
    """
    names = [host.name for host in hosts]
    lag = lag or Lag()
    await asyncio.to_thread(known_revisions)  # or this work would count as the machine's delay
    async with lag.watched(), asyncio.TaskGroup() as group:
        probes = [
            group.create_task(_probed(host, models, timeouts, wake, wall), name=f"doctor: {host.name}")
            for host in hosts
            for models in [settings.arena_models or host.models]
        ]
        stored = group.create_task(probe_database(database, wall), name="doctor: database")
        seen = group.create_task(_redis(redis, settings, names, wall), name="doctor: redis")
        work = group.create_task(_work(redis, names, reports), name="doctor: reports")
    known, database_seen = work.result(), stored.result()
    about_these, other_addresses = _by_address(known.reports, hosts)
    return Observation(
        settings,
        wall() + (database_seen.skew_s or 0.0),  # the drivers date their reports by the database's clock
        tuple(probe.result() for probe in probes),
        seen.result(),
        database_seen,
        about_these,
        known.driven,
        known.waiting,
        known.signs,
        other_addresses,
        lag.lost_s,
        lag.watched_s,
        lag.load,
        draw=known.draw,
    )


def _by_address(
    reports: Mapping[str, HostReport], hosts: Sequence[Host]
) -> tuple[dict[str, HostReport], dict[str, str]]:
    """The reports about these servers, and the addresses of those that are about others of the same name."""
    urls = {host.name: host.url for host in hosts}
    about = {name: report for name, report in reports.items() if report.is_about(urls.get(name, ""))}
    return about, {name: report.address for name, report in reports.items() if name not in about}


@asynccontextmanager
async def redis_of(settings: Settings) -> AsyncGenerator[Redis | ObservedRedis]:
    """A client of the configured Redis, or of the embedded one of a running arena, or why there is none."""
    url = settings.redis_address
    try:
        if not url:
            socket = embedded_socket(settings)
            url = "" if socket is None else f"unix://{quote(str(socket))}"
        client = commands_client(url) if url else None
    except ConfigurationError as error:
        yield ObservedRedis("REDIS_URL" if settings.redis_address else "embedded", "none", error.sentence)
        return
    if client is None:
        yield await idle_redis(settings)
        return
    try:
        yield client
    finally:
        await client.aclose()


async def _probed(
    host: Host, models: Sequence[str], timeouts: ProbeTimeouts, wake: timedelta | None, wall: Callable[[], float]
) -> ObservedHost:
    if not host.scale_to_zero:
        return await probe_host(host, models, timeouts, wall)
    if wake is None:
        return ObservedHost(host, "unasked")
    return await probe_host(host, models, replace(timeouts, connect=wake, ask=wake, whole=wake + timeouts.whole), wall)


async def _redis(
    redis: Redis | ObservedRedis, settings: Settings, names: Sequence[str], wall: Callable[[], float]
) -> ObservedRedis:
    if isinstance(redis, ObservedRedis):
        return redis
    seen = await probe_redis(redis, settings, names, wall)
    left_behind = "refused" in seen.detail or "No such file" in seen.detail  # by an arena that was killed
    if seen.embedded and seen.state == "unavailable" and left_behind:
        return await idle_redis(settings)
    return seen


async def _work(redis: Redis | ObservedRedis, names: Sequence[str], reports: Reports | None) -> _Work:
    if isinstance(redis, ObservedRedis):
        return _Work() if reports is None else _Work(await reports.read())
    try:
        async with asyncio.timeout(LIMIT.total_seconds()):
            known = await (reports or HostReports(redis, names)).read()
            driven = {name: await HostLease(redis, name).taken() for name in names}
            waiting = {name: await HostQueue(redis, name).length() for name in names}
            signs = await read_signs(redis)
            draw = await _drawn(DrawStore(redis))
    except (RedisError, OSError, TimeoutError):
        return _Work()
    return _Work(known, driven, waiting, signs, draw)


async def _drawn(store: DrawStore) -> ObservedDraw:
    known, drawn = await store.read(), by_model((await store.exposures()).items())
    if known.sets is None:
        return ObservedDraw(drawn=drawn, gone=known.gone)
    rotation, battles = known.sets.rotation, await store.battles_of(known.sets.set_id)
    return ObservedDraw(rotation.members, rotation.since, battles, drawn, known.gone)
