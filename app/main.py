"""Wiring: builds every room of one process from the settings and takes it down again, in that order."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import parent_process

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app import logs
from app.arena.desk import ArenaDesk
from app.arena.document import Document
from app.arena.guard import Guard
from app.arena.hub import Hub
from app.arena.manager import ArenaManager
from app.arena.settle import Settler
from app.arena.store import Store
from app.arena.sweeper import Sweeper
from app.arena.viewing import Viewing
from app.arena.writer import TickWriter
from app.backends.base import Backend, GenerationRequest, InstalledModel, Message
from app.backends.ollama import OllamaBackend
from app.backends.retrying import RetryingBackend
from app.board.service import Boards
from app.database import Database
from app.draining import Drain, drained_at_sigterm, end_with_parent, lanes_running
from app.embedded_redis import embedded_redis
from app.engines import database_url
from app.errors import ArenaError, Unavailable
from app.hosts.host import Host, hosts_from
from app.hosts.options import as_sent, options_for, system_for
from app.hosts.roster import Roster, tell_nobody, warn
from app.lanes.lane import Lane
from app.lanes.lease import HostLease
from app.lanes.planner import Budget
from app.lanes.queue import HostQueue
from app.lanes.report import HostReports
from app.lanes.router import Router
from app.lanes.work import LaneHost
from app.metrics.tally import Tally
from app.records.comparisons import comparisons
from app.records.forgetting import Retention
from app.records.identity import Asked, ModelIdentity
from app.records.ledger import Ledger
from app.records.voters import secret_of
from app.redis import check_redis, commands_client, subscriber_client
from app.schema import ready
from app.settings import Settings, load_settings
from app.tasks import Supervisor
from app.web import application
from app.web.fleet import fleet_on
from app.web.services import Readiness, Services

log = structlog.get_logger(__name__)

#: Votes that an export over HTTP reads at a time: few, for the loop has other things to do.
EXPORT_CHUNK = 50


def create(settings: Settings | None = None) -> FastAPI:
    """The ASGI application of one worker process; uvicorn's factory."""
    logs.configure()
    known = settings or load_settings()
    return application.create(lambda: opened(known))


async def check(settings: Settings) -> None:
    """Find what no worker could start with, while it can still be told in one line; create SQLite's file.

    Raises:
        ConfigurationError: the line.
        Unavailable: the database does not answer.
    """
    hosts_from(settings)
    for model in (*settings.arena_models, *(row.name for row in settings.models)):
        options_for(settings, model)
    await ready(database_url(settings))
    if settings.redis_address:
        redis = commands_client(settings.redis_address)
        with suppress(Unavailable):  # a Redis that is away now may be back in a moment
            await check_redis(redis)
        await redis.aclose()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """Everything that a process which people call needs, running; closed in reverse order."""
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(built(settings))
        supervisor = await stack.enter_async_context(Supervisor())
        house.start_serving(supervisor)
        drain = await stack.enter_async_context(house.driving(supervisor))
        services = house.services()
        # What lives for ever is taken out of the collector's sight: a full collection would stop the loop for 50 ms.
        gc.collect()
        gc.freeze()
        with drained_at_sigterm(drain, on_begin=services.start_draining, on_end=services.end_streams):
            yield services


@asynccontextmanager
async def built(settings: Settings) -> AsyncIterator[House]:
    """The rooms of one process and all that they stand on; nothing runs yet."""
    async with AsyncExitStack() as stack:
        redis, subscriber = await _redis(settings, stack)
        database = await _database(settings, stack)
        hosts = hosts_from(settings)
        backends = _backends(settings, hosts, stack)
        yield House(settings, redis, subscriber, database, hosts, backends)


async def _redis(settings: Settings, stack: AsyncExitStack) -> tuple[Redis, Redis]:
    url = settings.redis_address
    if not url:
        server = await stack.enter_async_context(
            embedded_redis(settings.arena_data_dir, keep=settings.arena_redis_keep)
        )
        url = server.url
    redis, subscriber = commands_client(url), subscriber_client(url)
    stack.push_async_callback(redis.aclose)
    stack.push_async_callback(subscriber.aclose)
    try:
        for warning in await check_redis(redis):
            log.warning("redis_warning", trouble=warning)
    except Unavailable as away:
        log.warning("redis_away", trouble=away.sentence)
    return redis, subscriber


async def _database(settings: Settings, stack: AsyncExitStack) -> Database:
    url = database_url(settings)
    await ready(url)
    database = Database(url)
    stack.push_async_callback(database.aclose)
    return database


async def look_at_hosts(settings: Settings) -> None:
    """Probe the hosts once and log their troubles, for the parent of several workers."""
    async with AsyncExitStack() as stack:
        hosts = hosts_from(settings)
        await Roster(hosts, _backends(settings, hosts, stack), settings.arena_models).refresh()


def _backends(settings: Settings, hosts: tuple[Host, ...], stack: AsyncExitStack) -> dict[str, Backend]:
    backends: dict[str, Backend] = {}
    for host in hosts:
        wire = OllamaBackend(host.url, keep_alive=settings.arena_keep_alive, tick=settings.arena_tick)
        backends[host.name] = RetryingBackend(wire)
        stack.push_async_callback(backends[host.name].aclose)
    return backends


class House:
    """The rooms of one process, wired from the bottom up."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        subscriber: Redis,
        database: Database,
        hosts: tuple[Host, ...],
        backends: dict[str, Backend],
    ) -> None:
        self._settings, self._redis, self._database, self._hosts = settings, redis, database, hosts
        self._tally = Tally(redis)
        self._reports = HostReports(redis, [host.name for host in hosts])
        ledger = Ledger(database)
        self._store = Store(redis, running_ttl=settings.arena_battle_ttl, ended_ttl=settings.arena_log_ttl)
        self._hub = Hub(self._store, subscriber)
        self._writer = TickWriter(self._store, settings.arena_tick)
        # One line for each trouble, not one from each worker: the parent looked before it started them.
        told = warn if parent_process() is None else tell_nobody
        self.roster = Roster(hosts, backends, settings.arena_models, told=told)
        queues = {host.name: HostQueue(redis, host.name, subscriber) for host in hosts}
        self._router = Router(queues, self.roster.models_by_host, settings.arena_queue)
        self._settler = Settler(
            self._store,
            ledger,
            self._router,
            prefetch=settings.arena_prefetch,
            named=settings.arena_reveal != "end",
            battle_ttl=settings.arena_battle_ttl,
            describe=self._asked,
        )
        self._manager = ArenaManager(self._store, ledger, self._settler, named=settings.arena_reveal != "end")
        self._boards = Boards(redis, database, self._may_be_drawn)
        self._sweeper = Sweeper(redis, self._store, ledger, self._settler)
        desk = ArenaDesk(self._store, self._writer, self._request_of, self._settler.settle, Guard(settings.arena_leak))
        driven = hosts if settings.arena_lanes else ()
        self.lanes = [self._lane(host, backends[host.name], queues[host.name], desk) for host in driven]

    def _lane(self, host: Host, backend: Backend, queue: HostQueue, desk: ArenaDesk) -> Lane:
        budget = Budget(host.memory_bytes) if host.max_loaded is None else Budget(host.memory_bytes, host.max_loaded)
        lease = HostLease(self._redis, host.name)
        laned = LaneHost(host.name, host.num_parallel, budget, host.models)
        return Lane(laned, backend, queue, lease, desk, options=lambda model: options_for(self._settings, model))

    def _request_of(self, document: Document, model: str) -> GenerationRequest:
        system = system_for(self._settings, model, document.system)
        told = (Message("system", system),) if system else ()
        question = Message("user", document.battle.message)
        return GenerationRequest(model, (*told, question), options_for(self._settings, model))

    def _asked(self, document: Document, model: str, host: str) -> Asked:
        found = self.roster.installed(host, model) or InstalledModel(model, 0)
        options = as_sent(options_for(self._settings, model))
        system = system_for(self._settings, model, document.system)
        return Asked(ModelIdentity(model, found.digest, found.quantization, options), system or None)

    def _may_be_drawn(self) -> tuple[str, ...]:
        """The configured models, else all that a host had when it last answered."""
        return self._settings.arena_models or tuple({n for names in self.roster.models_by_host.values() for n in names})

    @asynccontextmanager
    async def driving(self, supervisor: Supervisor) -> AsyncIterator[Drain]:
        """Run what every process has, and its lanes if it is to have any; the end of the block drains them."""
        supervisor.keep("writer", self._writer.run)
        supervisor.keep("sweeper", self._sweeper.run)
        supervisor.keep("roster", self.roster.run)
        supervisor.keep("tally", self._tally.run)
        supervisor.keep("parent-watch", end_with_parent)
        await self.roster.refresh()
        async with lanes_running(self.lanes, supervisor, self._settings.arena_drain) as drain:
            yield drain

    def start_serving(self, supervisor: Supervisor) -> None:
        """Start the tasks of a process that people call."""
        supervisor.keep("hub", self._hub.run)
        supervisor.keep("hub-look-around", self._hub.look_around)
        supervisor.keep("board", self._boards.run)
        if self._settings.arena_retention is not None:
            supervisor.keep("retention", Retention(self._database, self._settings.arena_retention).run)

    def services(self) -> Services:
        """What the routes work with."""
        viewing = Viewing(self._hub, self._manager.snapshot)
        contestants = AtHand(self.roster, self._router)
        secret = secret_of(self._settings)
        fleet = fleet_on(self._redis, self._hosts, self.roster, self._reports)
        wired = (self._settings, self._manager, viewing, self._boards, contestants, self.readiness, secret)
        votes = partial(comparisons, self._database, EXPORT_CHUNK)
        return Services(*wired, fleet=fleet, comparisons=votes)

    async def readiness(self) -> Readiness:
        """What is missing for battles, and what is in trouble but no reason to leave."""
        missing = []
        try:
            await self._redis.ping()
        except (RedisError, OSError):
            missing.append("Redis is away")
        try:
            await self._database.ping()
        except ArenaError as error:
            missing.append(error.sentence)
        if missing:
            return Readiness(tuple(missing))
        ownerless = [host.name for host in self._hosts if not await HostLease(self._redis, host.name).taken()]
        lanes = tuple(f"nobody drives host {name} at the moment" for name in ownerless)
        hosts = tuple(f"host {host.host} does not answer" for host in self.roster.catalog.unreachable)
        return Readiness(degraded=(*lanes, *hosts))


@dataclass(frozen=True, slots=True)
class AtHand:
    """``app.web.services.Contestants`` over the roster and the router."""

    roster: Roster
    router: Router

    async def at_hand(self) -> tuple[str, ...]:
        """Names of the models that can be drawn now."""
        return await self.roster.at_hand()

    async def room_for(self, models: Sequence[str]) -> None:
        """Make sure that the hosts' queues would take one answer of each model."""
        await self.router.room(models)
