"""Sees everything at once: hosts, Redis, database and what the drivers of the hosts report. Nothing is left behind."""

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

from app.doctor.probing.observation import HostSeen, Observation, RedisSeen
from app.doctor.probing.probe import PATIENCE, Patience, probe_host
from app.doctor.probing.stores import embedded_socket, idle_redis, probe_database, probe_redis
from app.errors import ConfigurationError
from app.hosts.host import Host
from app.redis.client import commands_client
from app.scheduling.dispatch.queue import HostQueue
from app.scheduling.lease import HostLease
from app.scheduling.report import HostReport, HostReports, Reports
from app.settings.settings import Settings

LIMIT = timedelta(seconds=2.3)


@dataclass(frozen=True, slots=True)
class _Work:
    """What Redis has about the hosts: reports, who is driven, how many jobs there are."""

    reports: Mapping[str, HostReport] = field(default_factory=dict)
    driven: Mapping[str, bool] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)


async def observe(
    settings: Settings,
    hosts: Sequence[Host],
    *,
    redis: Redis | RedisSeen,
    database: str,
    reports: Reports | None = None,
    patience: Patience = PATIENCE,
    wake: timedelta | None = None,
    wall: Callable[[], float] = time.time,
) -> Observation:
    """Everything there is to see, within three seconds; ``redis`` is a client, or why there is none.

    Hosts that scale to zero get ``wake`` to start and answer; without it they are not asked, for that would wake them.
    """
    names = [host.name for host in hosts]
    async with asyncio.TaskGroup() as group:
        looks = [
            group.create_task(_look(host, _wished(settings, host), patience, wake, wall), name=f"doctor: {host.name}")
            for host in hosts
        ]
        stored = group.create_task(probe_database(database, wall), name="doctor: database")
        seen = group.create_task(_redis(redis, settings, names, wall), name="doctor: redis")
        work = group.create_task(_work(redis, names, reports), name="doctor: reports")
    known = work.result()
    hosts_seen = tuple(look.result() for look in looks)
    return Observation(
        settings, wall(), hosts_seen, seen.result(), stored.result(), known.reports, known.driven, known.waiting
    )


@asynccontextmanager
async def redis_of(settings: Settings) -> AsyncGenerator[Redis | RedisSeen]:
    """A client of the Redis that is configured, or of the embedded one of an arena that runs, or why there is none."""
    url = settings.redis_address
    try:
        if not url:
            socket = embedded_socket(settings)
            url = "" if socket is None else f"unix://{quote(str(socket))}"
        client = commands_client(url) if url else None
    except ConfigurationError as error:
        yield RedisSeen("REDIS_URL" if settings.redis_address else "embedded", "none", error.sentence)
        return
    if client is None:
        yield await idle_redis(settings)
        return
    try:
        yield client
    finally:
        await client.aclose()


async def _look(
    host: Host, wished: Sequence[str], patience: Patience, wake: timedelta | None, wall: Callable[[], float]
) -> HostSeen:
    if not host.scale_to_zero:
        return await probe_host(host, wished, patience, wall)
    if wake is None:
        return HostSeen(host, "unasked")
    return await probe_host(host, wished, replace(patience, connect=wake, ask=wake, whole=wake + patience.whole), wall)


def _wished(settings: Settings, host: Host) -> tuple[str, ...]:
    return settings.arena_models or host.models


async def _redis(
    redis: Redis | RedisSeen, settings: Settings, names: Sequence[str], wall: Callable[[], float]
) -> RedisSeen:
    if isinstance(redis, RedisSeen):
        return redis
    seen = await probe_redis(redis, settings, names, wall)
    left_behind = "refused" in seen.detail or "No such file" in seen.detail  # by an arena that was killed
    if seen.embedded and seen.state == "away" and left_behind:
        return await idle_redis(settings)
    return seen


async def _work(redis: Redis | RedisSeen, names: Sequence[str], reports: Reports | None) -> _Work:
    if isinstance(redis, RedisSeen):
        return _Work() if reports is None else _Work(await reports.read())
    try:
        async with asyncio.timeout(LIMIT.total_seconds()):
            told = await (reports or HostReports(redis, names)).read()
            driven = {name: await HostLease(redis, name).taken() for name in names}
            waiting = {name: await HostQueue(redis, name).length() for name in names}
    except (RedisError, OSError, TimeoutError):
        return _Work()
    return _Work(told, driven, waiting)
