"""Wiring: builds every room of one process from the settings and takes it down again, in that order."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.arena.document import Document
from app.arena.guard import Guard
from app.arena.hub import Hub
from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.sink import ArenaSink
from app.arena.store import Store
from app.arena.sweeper import Sweeper
from app.arena.viewing import Viewing
from app.arena.writer import BatchWriter
from app.backends.base import Backend, GenerationRequest, InstalledModel, Message
from app.completions.columns import Columns
from app.completions.completions import Completions, completion_store
from app.completions.quotas import Quotas
from app.completions.sink import CompletionSink, SinkByKind
from app.database.address import ignored_words
from app.database.clock import DatabaseClock
from app.database.database import Database
from app.database.engines import database_url
from app.database.schema import ready
from app.doctor.diagnose import Diagnosis, diagnose
from app.errors import Unavailable
from app.hosts.checking import checked
from app.hosts.host import Host
from app.hosts.kinds import DEFAULT_KIND, KINDS
from app.hosts.options import asked_with, options_for, system_for
from app.hosts.roster import Roster
from app.leaderboard.cache import LeaderboardCache
from app.logs import configuration
from app.logs.repeats import Losses
from app.metrics.voter_addresses import VoterAddresses
from app.process.contestants import AvailableModels
from app.process.drain import Drain, drained_at_sigterm, drivers_running, end_with_parent, nothing_to_leave
from app.process.found_kinds import hosts_with_kinds
from app.process.hosting import HostsWiring, backends_of
from app.readiness.readiness import Stores
from app.records.comparisons import comparisons
from app.records.erasure import Retention
from app.records.identity import ModelIdentity, Provenance
from app.records.ledger import Ledger
from app.records.tagging import Categories, Tagger
from app.records.voters import secret_of
from app.redis.client import check_redis, commands_client, subscriber_client
from app.redis.embedded.server import embedded_redis
from app.scheduling.lease import HostLease
from app.settings.api_keys import all_keys
from app.settings.settings import Settings, load_settings
from app.tasks import Supervisor
from app.timing.time import Time
from app.web import application
from app.web.shared.fleet import fleet_on, troubles
from app.web.shared.services import Readiness, Services
from app.web.shared.streams import events_path

log = structlog.get_logger(__name__)

NO_SETTINGS = "there is neither .env nor a setting in the environment: defaults count; cp .env.example .env"

#: Votes that an export over HTTP reads at a time: few, for the loop has other things to do.
EXPORT_CHUNK = 50


def create(settings: Settings | None = None) -> FastAPI:
    """The ASGI application of one worker process; uvicorn's factory."""
    configuration.configure()
    known = settings or load_settings()
    return application.create(lambda: opened(known), cors_origins=known.arena_cors_origins)


async def check(settings: Settings) -> None:
    """Find what no worker could start with, while one line can still say so; create SQLite's file.

    Raises:
        ConfigurationError: the line.
        Unavailable: the database does not answer.
    """
    checked(settings)
    url = database_url(settings)
    for one in (*settings.ignored, *ignored_words(url)):
        write = log.warning if one.mistake else log.info
        write("setting_ignored", setting=one.setting, why=one.why, remedy=one.remedy)
    if settings.given == frozenset():
        log.warning("no_settings", folder=str(Path.cwd()), remedy=NO_SETTINGS)
    await ready(url)
    if settings.redis_address:
        redis = commands_client(settings.redis_address)
        with suppress(Unavailable):  # a Redis that is unavailable now may be back in a moment
            await check_redis(redis)
        await redis.aclose()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Services]:
    """Everything that a serving process needs, running; closed in reverse order."""
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(built(settings))
        supervisor = await stack.enter_async_context(Supervisor())
        process.start_serving(supervisor)
        drain = await stack.enter_async_context(process.driving(supervisor))
        services = process.services()
        # What lives for ever is frozen: a full collection would stop the loop for 50 ms.
        gc.collect()
        gc.freeze()
        with drained_at_sigterm(drain, on_begin=services.start_draining, on_end=services.end_streams):
            yield services


@asynccontextmanager
async def built(settings: Settings) -> AsyncIterator[ArenaProcess]:
    """The rooms of one process and all that they stand on; nothing runs yet."""
    async with AsyncExitStack() as stack:
        redis, subscriber = await _redis(settings, stack)
        database = await _database(settings, stack)
        hosts = await hosts_with_kinds(settings, redis)
        backends = backends_of(settings, hosts, stack)
        clock = DatabaseClock(database)
        with suppress(Unavailable):  # it is asked again until it answers
            await clock.sync()
        process = ArenaProcess(settings, redis, subscriber, database, clock, hosts, backends)
        stack.push_async_callback(process.aclose)
        yield process


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
    except Unavailable as error:
        log.warning("redis_away", trouble=error.sentence)
    return redis, subscriber


async def _database(settings: Settings, stack: AsyncExitStack) -> Database:
    url = database_url(settings)
    await ready(url)
    database = Database(url, losses=Losses("database"))
    stack.push_async_callback(database.aclose)
    return database


async def probe_hosts(settings: Settings) -> None:
    """Probe the hosts once and log their troubles, for the parent of several workers."""
    async with AsyncExitStack() as stack:
        hosts = await hosts_with_kinds(settings)
        asked = partial(asked_with, settings)
        await Roster(hosts, backends_of(settings, hosts, stack), settings.arena_models, asked=asked).refresh()


class ArenaProcess:
    """The rooms of one process, wired from the bottom up."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        subscriber: Redis,
        database: Database,
        clock: DatabaseClock,
        hosts: tuple[Host, ...],
        backends: dict[str, Backend],
    ) -> None:
        self._settings, self._redis, self._database, self._hosts = settings, redis, database, hosts
        self._clock = clock
        self._kinds = {host.name: host.kind for host in hosts}
        ledger = Ledger(database, clock.now)
        self._addresses = VoterAddresses(redis)
        self._stores = Stores(redis, database)
        self._store = Store(redis, running_ttl=settings.arena_battle_ttl, ended_ttl=settings.arena_log_ttl)
        self._hub = Hub(self._store, subscriber)
        self._writer = BatchWriter(self._store, settings.arena_tick)
        self._hosting = HostsWiring(settings, redis, subscriber, hosts, backends, Time(now=clock.time))
        self.roster = self._hosting.roster
        self._reconciler = Reconciler(
            self._store,
            ledger,
            self._hosting.router,
            prefetch=settings.arena_prefetch,
            named=settings.arena_reveal != "end",
            battle_ttl=settings.arena_battle_ttl,
            describe=self._provenance,
            is_fallback=self._hosting.is_fallback,
            counters=self._hosting.counters,
        )
        named = settings.arena_reveal != "end"
        self._manager = ArenaManager(
            self._store,
            ledger,
            self._reconciler,
            named=named,
            counters=self._hosting.counters,
            events_path=events_path,
        )
        names = [table.name for table in settings.categories]
        self._boards = LeaderboardCache(redis, database, self._contestants, categories=names, clock=clock.time)
        self._sweeper = Sweeper(redis, self._store, ledger, self._reconciler)
        completions = completion_store(redis)
        self._completions = Completions(redis, completions, self._hub, self._hosting.router)
        self._quotas = Quotas(redis, settings.arena_api_calls, settings.arena_api_per_minute)
        sink = SinkByKind(
            ArenaSink(
                self._store, self._writer, self._request_of, self._reconciler.reconcile, Guard(settings.arena_leak)
            ),
            CompletionSink(completions, self._writer, self._completions.close),
        )
        self.drivers = self._hosting.drivers(sink)

    def _request_of(self, document: Document, model: str) -> GenerationRequest:
        system = system_for(self._settings, model, document.system)
        instructions = (Message("system", system),) if system else ()
        prompt = Message("user", document.battle.message)
        return GenerationRequest(model, (*instructions, *document.history, prompt), options_for(self._settings, model))

    def _provenance(self, document: Document, model: str, host: str) -> Provenance:
        found = self.roster.installed(host, model) or InstalledModel(model, 0)
        kind = self._kinds.get(host, DEFAULT_KIND)
        options = KINDS[kind].sent(options_for(self._settings, model))
        system = system_for(self._settings, model, document.system)
        return Provenance(
            ModelIdentity(model, found.digest, found.quantization, options, "" if kind == DEFAULT_KIND else kind),
            system or None,
        )

    def _contestants(self) -> tuple[str, ...]:
        """The configured models, else all that a host had when it last answered."""
        names = self._settings.arena_models or {n for names in self.roster.models_by_host.values() for n in names}
        return tuple(name for name in names if self.roster.catalog.drawn_for(name) is None)

    @asynccontextmanager
    async def driving(self, supervisor: Supervisor) -> AsyncIterator[Drain]:
        """Run what every process has, and its drivers if it is to have any; the end of the block drains them."""
        supervisor.keep("clock", self._clock.run)
        supervisor.keep("writer", self._writer.run)
        supervisor.keep("sweeper", self._sweeper.run)
        supervisor.keep("roster", self.roster.run)
        supervisor.keep("metrics", self._hosting.counters.run)
        supervisor.keep("parent-watch", end_with_parent)
        await self.roster.refresh()
        leave = nothing_to_leave
        if self.drivers:
            with suppress(RedisError, OSError):  # shares are known a moment later
                await self._hosting.fair_share.refresh()
            supervisor.keep("fair-share", self._hosting.fair_share.run)
            leave = self._hosting.fair_share.leave
        async with drivers_running(self.drivers, supervisor, self._settings.arena_drain, leave) as drain:
            yield drain

    def start_serving(self, supervisor: Supervisor) -> None:
        """Start the tasks of a serving process."""
        supervisor.keep("hub", self._hub.run)
        supervisor.keep("addresses", self._addresses.run)
        supervisor.keep("hub-refresh", self._hub.refresh_stale)
        supervisor.keep("board", self._boards.run)
        words = {table.name: table.words for table in self._settings.categories}
        supervisor.keep("tagger", Tagger(self._database, Categories.of(words), self._clock.now).run)
        if self._settings.arena_retention is not None:
            retention = Retention(self._database, self._settings.arena_retention, self._clock.now)
            supervisor.keep("retention", retention.run)

    def services(self) -> Services:
        """What the routes work with."""
        hosting = self._hosting
        fleet = fleet_on(
            self._redis,
            self._hosts,
            self.roster,
            hosting.reports,
            warm=hosting.router.warm,
            doctor=self._diagnose,
            now=self._clock.time,
        )
        return Services(
            settings=self._settings,
            manager=self._manager,
            viewing=Viewing(self._hub, self._manager.snapshot),
            boards=self._boards,
            contestants=AvailableModels(self.roster, hosting.router),
            readiness=self.readiness,
            secret=secret_of(self._settings),
            completions=self._completions,
            quotas=self._quotas,
            columns=Columns(self._redis),
            api_keys=all_keys(self._settings.arena_api_keys, self._settings.arena_api_keys_file),
            fleet=fleet,
            comparisons=partial(comparisons, self._database, EXPORT_CHUNK),
            addresses=self._addresses,
        )

    async def readiness(self) -> Readiness:
        """What is missing for battles, and what is in trouble but no reason to leave."""
        missing = await self._stores.missing()
        if missing:
            return Readiness(missing)
        reports = await self._hosting.reports.read()
        # A report outlives its driver for a while, the lease does not.
        driven = {host: report for host, report in reports.items() if await HostLease(self._redis, host).taken()}
        silent = [host.host for host in self.roster.catalog.unreachable]
        return Readiness(degraded=troubles(driven, self._hosts, silent))

    async def aclose(self) -> None:
        """End what a call may have begun."""
        await self._completions.aclose()
        await self._quotas.aclose()
        await self._stores.aclose()

    async def _diagnose(self) -> Diagnosis:
        """What the doctor finds, for operators."""
        return await diagnose(
            self._settings,
            self._hosts,
            redis=self._redis,
            database=database_url(self._settings),
            reports=self._hosting.reports,
        )
