"""Wiring: builds every room of one process from the settings and takes it down again, in that order."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI
from redis.exceptions import RedisError

from app.batch.call import is_call
from app.completions.completion import is_completion
from app.completions.sink import SinkByKind
from app.database.address import database_url, ignored_words
from app.database.schema import ready
from app.doctor.diagnose import Diagnosis, diagnose
from app.doctor.probing.lag import Lag
from app.errors import Unavailable
from app.hosts.checking import checked
from app.leaderboard.cache import LeaderboardCache
from app.leaderboard.gather import counted_marks
from app.logs import configuration
from app.metrics.voter_addresses import VoterAddresses
from app.process.batch import BatchWiring
from app.process.battles import BattlesWiring
from app.process.completions import CompletionsWiring
from app.process.connections import Connections, connected
from app.process.contestants import AvailableModels
from app.process.disk import data_folder, disk_of
from app.process.drain import Drain, drained_at_sigterm, drivers_running, end_with_parent, nothing_to_leave
from app.process.hosting import HostsWiring
from app.process.notify import Notifier
from app.readiness.arrivals import Arrivals
from app.readiness.readiness import Stores
from app.records.comparisons import comparisons
from app.records.erasure import Retention
from app.records.tagging import Categories, Tagger
from app.records.voters import secret_of
from app.redis.client import check_redis, commands_client
from app.scheduling.lease import HostLease
from app.settings.api_keys import all_keys
from app.settings.settings import Settings, load_settings
from app.tasks import Supervisor
from app.tracing.spans import Tracer
from app.web import application
from app.web.shared.fleet import fleet_on, troubles
from app.web.shared.services import Readiness, Services

log = structlog.get_logger(__name__)

NO_SETTINGS = "there is neither .env nor a setting in the environment: defaults count; cp .env.example .env"

#: How many new objects are looked through at once, and how often the older ones: by Python's own 700, 10 and 10 that
#: took 0.3 ms for each battle.
COLLECT_AFTER = (10_000, 20, 20)

#: Votes that an export over HTTP reads at a time: few, for the loop has other things to do.
EXPORT_CHUNK = 50


def create(settings: Settings | None = None) -> FastAPI:
    """The ASGI application of one worker process; uvicorn's factory."""
    known = settings or load_settings()
    configuration.configure(known.arena_log_level, known.arena_log_format)
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
async def opened(settings: Settings, tracer: Tracer | None = None) -> AsyncIterator[Services]:
    """Everything that a serving process needs, running; closed in reverse order."""
    async with AsyncExitStack() as stack:
        process = await stack.enter_async_context(built(settings, tracer))
        supervisor = await stack.enter_async_context(Supervisor())
        process.start_serving(supervisor)
        drain = await stack.enter_async_context(process.driving(supervisor))
        services = process.services()
        # What lives for ever is frozen: a full collection would stop the loop for 50 ms.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        with drained_at_sigterm(drain, on_begin=partial(_begin_to_end, services), on_end=services.end_streams):
            yield services


def _begin_to_end(services: Services) -> None:
    """What is done first at a signal."""
    Notifier.of(os.environ).stopping()
    services.start_draining()


@asynccontextmanager
async def built(settings: Settings, tracer: Tracer | None = None) -> AsyncIterator[ArenaProcess]:
    """The rooms of one process and all that they stand on; nothing runs yet."""
    async with connected(settings, tracer) as connections:
        process = ArenaProcess(connections)
        try:
            yield process
        finally:
            await process.aclose()


class ArenaProcess:
    """The rooms of one process, wired from the bottom up."""

    def __init__(self, to: Connections) -> None:
        self._to = to
        self.database = to.database
        self._hosting = HostsWiring(to)
        self._battles = BattlesWiring(to, self._hosting)
        self._addresses = VoterAddresses(to.redis)
        self._stores = Stores(to.redis, to.database)
        self._boards = self._make_boards()
        self._hosting.drawing.votes = partial(self._boards.pairs, self._hosting.drawing.is_current)
        self._completions = CompletionsWiring(to, self._hosting, self._battles)
        self.batch = BatchWiring(to, self._hosting, self._battles)
        kinds = ((is_completion, self._completions.sink), (is_call, self.batch.sink))
        self.drivers = self._hosting.drivers(SinkByKind(self._battles.sink(), kinds))

    def _make_boards(self) -> LeaderboardCache:
        names = [table.name for table in self._to.settings.categories]
        return LeaderboardCache(
            self._to.redis,
            self._to.database,
            self._contestants,
            categories=names,
            counted=counted_marks(self._to.settings.arena_named_votes),
            clock=self._to.clock.time,
        )

    def _contestants(self) -> tuple[str, ...]:
        """The configured models, else all that a host had when it last answered."""
        names = self._to.settings.arena_models or {
            n for names in self._hosting.roster.models_by_host.values() for n in names
        }
        return tuple(name for name in names if self._hosting.roster.catalog.drawn_for(name) is None)

    @asynccontextmanager
    async def driving(self, supervisor: Supervisor) -> AsyncIterator[Drain]:
        """Run what every process has, and its drivers if it is to have any; the end of the block drains them."""
        supervisor.keep("clock", self._to.clock.run)
        supervisor.keep("writer", self._battles.writer.run)
        supervisor.keep("sweeper", self._battles.sweeper.run)
        supervisor.keep("roster", self._hosting.roster.run)
        supervisor.keep("rotation", self._hosting.drawing.rotator.run)
        supervisor.keep("metrics", self._hosting.counters.run)
        supervisor.keep("parent-watch", end_with_parent)
        await self._hosting.roster.refresh()
        leave = nothing_to_leave
        if self.drivers:
            with suppress(RedisError, OSError):  # shares are known a moment later
                await self._hosting.fair_share.refresh()
            supervisor.keep("fair-share", self._hosting.fair_share.run)
            leave = self._hosting.fair_share.leave
        async with drivers_running(self.drivers, supervisor, self._to.settings.arena_drain, leave) as drain:
            yield drain

    def start_serving(self, supervisor: Supervisor) -> None:
        """Start the tasks of a serving process."""
        supervisor.keep("hub", self._battles.hub.run)
        supervisor.keep("addresses", self._addresses.run)
        supervisor.keep("hub-refresh", self._battles.hub.refresh_stale)
        supervisor.keep("board", self._boards.run)
        supervisor.keep("batch", self.batch.worker.run)
        supervisor.keep("batch-keeper", self.batch.keeper.run)
        words = {table.name: table.words for table in self._to.settings.categories}
        supervisor.keep("tagger", Tagger(self._to.database, Categories.of(words), self._to.clock.now).run)
        if self._to.settings.arena_retention is not None:
            retention = Retention(self._to.database, self._to.settings.arena_retention, self._to.clock.now)
            supervisor.keep("retention", retention.run)

    def services(self) -> Services:
        """What the routes work with."""
        hosting = self._hosting
        fleet = fleet_on(
            self._to.redis,
            self._to.hosts,
            self._hosting.roster,
            hosting.reports,
            warm=hosting.router.warm,
            doctor=self._diagnose,
            memory=hosting.memory,
            rotation=hosting.drawing.shown,
            now=self._to.clock.time,
        )
        return Services(
            settings=self._to.settings,
            manager=self._battles.manager,
            viewing=self._battles.viewing(),
            boards=self._boards,
            contestants=AvailableModels(self._hosting.roster, hosting.router),
            readiness=self.readiness,
            secret=secret_of(self._to.settings),
            completions=self._completions.completions,
            cache=self._completions.cache,
            quotas=self._completions.quotas,
            columns=self._completions.columns,
            batch=self.batch.services,
            api_keys=all_keys(self._to.settings.arena_api_keys, self._to.settings.arena_api_keys_file),
            fleet=fleet,
            comparisons=partial(comparisons, self._to.database, EXPORT_CHUNK),
            addresses=self._addresses,
            arrivals=Arrivals(self._to.redis),
            usable=self._stores.usable,
            disk=partial(disk_of, data_folder(self._to.settings)),
            refused=hosting.counters.refused,
            tracer=self._to.tracer,
            now=self._to.clock.time,
        )

    async def readiness(self) -> Readiness:
        """What is missing for battles, and what is in trouble but no reason to leave."""
        missing = await self._stores.missing()
        if missing:
            return Readiness(missing)
        reports = await self._hosting.reports.read()
        # A report outlives its driver for a while, the lease does not.
        driven = {host: report for host, report in reports.items() if await HostLease(self._to.redis, host).taken()}
        silent = [host.host for host in self._hosting.roster.catalog.unreachable]
        return Readiness(degraded=troubles(driven, self._to.hosts, silent))

    async def aclose(self) -> None:
        """End what a call may have begun."""
        await self._completions.aclose()
        await self._stores.aclose()

    async def _diagnose(self) -> Diagnosis:
        """What the doctor finds, for operators."""
        return await diagnose(
            self._to.settings,
            self._to.hosts,
            redis=self._to.redis,
            database=database_url(self._to.settings),
            reports=self._hosting.reports,
            lag=Lag(cpu=float),  # what else this process does delays its probes as other processes do
        )
