"""What the rooms of one process stand on: its settings, its connections, the clock, and a client for each host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis

from app.backends.base import Backend
from app.backends.retrying import retrying
from app.database.address import database_url
from app.database.clock import DatabaseClock
from app.database.database import Database
from app.database.schema import ready
from app.errors import Unavailable
from app.hosts.host import Host
from app.hosts.kinds import KINDS
from app.logs.repeats import Losses
from app.process.found_kinds import hosts_with_kinds, log_found
from app.records.answer_cache import AnswerCache
from app.redis.client import check_redis, shared_client, subscriber_client
from app.redis.embedded.server import embedded_redis
from app.settings.settings import Settings, written
from app.tracing.configured import tracer_of
from app.tracing.spans import NO_TRACER, Tracer

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connections:
    """``redis`` is for commands, ``subscriber`` for subscriptions; ``clock`` is the one of all machines."""

    settings: Settings
    redis: Redis
    subscriber: Redis
    database: Database
    clock: DatabaseClock
    hosts: tuple[Host, ...]
    backends: Mapping[str, Backend]
    tracer: Tracer = NO_TRACER


def answer_cache(to: Connections) -> AnswerCache:
    """The cache of answers, as the settings bound it."""
    return AnswerCache(to.database, to.clock.now, to.settings.arena_cache_bytes, to.settings.arena_cache_ttl)


@asynccontextmanager
async def connected(settings: Settings, tracer: Tracer | None = None) -> AsyncIterator[Connections]:
    """Connect to all that ``settings`` name; closed in reverse order. ``tracer`` instead of the configured one."""
    async with AsyncExitStack() as stack:
        if tracer is None:
            tracer = await stack.enter_async_context(tracer_of(written()))
        redis, subscriber = await _redis(settings, stack)
        database = await _database(settings, stack)
        hosts = await hosts_with_kinds(settings, redis, log_found)
        clock = DatabaseClock(database)
        with suppress(Unavailable):  # it is asked again until it answers
            await clock.sync()
        yield Connections(
            settings=settings,
            redis=redis,
            subscriber=subscriber,
            database=database,
            clock=clock,
            hosts=hosts,
            backends=backends_of(settings, hosts, stack),
            tracer=tracer,
        )


def backends_of(settings: Settings, hosts: Sequence[Host], stack: AsyncExitStack) -> dict[str, Backend]:
    """A client for each host; ``stack`` closes them."""
    backends = {host.name: retrying(KINDS[host.kind].backend(host.place, settings)) for host in hosts}
    for backend in backends.values():
        stack.push_async_callback(backend.aclose)
    return backends


async def _redis(settings: Settings, stack: AsyncExitStack) -> tuple[Redis, Redis]:
    url = settings.redis_address
    if not url:
        server = await stack.enter_async_context(
            embedded_redis(settings.arena_data_dir, keep=settings.arena_redis_keep)
        )
        url = server.url
    redis, subscriber = shared_client(url), subscriber_client(url)
    stack.push_async_callback(redis.aclose)
    stack.push_async_callback(subscriber.aclose)
    try:
        for warning in await check_redis(redis):
            log.warning("redis_warning", trouble=warning)
    except Unavailable as error:
        log.warning("redis_away", trouble=error.sentence)
    return redis, subscriber


async def _database(settings: Settings, stack: AsyncExitStack) -> Database:
    url = database_url(settings)
    await ready(url)
    database = Database(url, losses=Losses("database"))
    stack.push_async_callback(database.aclose)
    return database
