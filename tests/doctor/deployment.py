"""A healthy deployment over real sockets, in which a test plants a fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import asyncpg

from app.backends.base import GenerationOptions
from app.backends.ollama.backend import OllamaBackend
from app.database.database import migrate
from app.doctor.diagnose import Diagnosis, diagnose
from app.doctor.probing.lag import Lag
from app.draw.planning.rotation import Rotation
from app.draw.store import DrawnSets, DrawStore
from app.hosts.host import hosts_from
from app.hosts.options import options_for
from app.redis.client import commands_client
from app.scheduling.report import EventKind, Health, HostEvent, HostReport, HostReports
from app.settings.settings import Settings
from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator
from tests.records.postgres_server import PostgresServer
from tests.redis.server import RedisServer
from tests.services import settings_with

TRIO = ("llama3.1:8b", "mistral:7b", "qwen3:8b")
KEEP = timedelta(hours=72)


HEALTHY = SimulatorConfig(speed=50, card="a10g", models=TRIO, load_s=0.5)


@dataclass
class Deployment:
    """One host ``gpu`` with a 24 GB card and three models, a Redis that keeps its data, a migrated database.

    A test changes ``settings``, ``host`` and the other fields, then calls ``start``; ``examined`` runs the doctor.
    """

    stack: AsyncExitStack
    redis_server: RedisServer
    database: str
    simulator: SimulatorConfig = HEALTHY
    host: dict[str, Any] = field(default_factory=lambda: {"name": "gpu", "memory_gb": 24})
    more_hosts: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=lambda: {"arena_models": TRIO})
    reports: bool = True
    health: Health = "up"
    loaded: tuple[str, ...] | None = None
    sim: RunningSimulator | None = None
    redis: Any = None
    wall: Any = time.time
    lag: Lag = field(default_factory=lambda: Lag(clock=float, load=float))  # however busy the machine of the tests is
    wake: timedelta | None = None
    postgres: Callable[[], PostgresServer] | None = None

    async def start(self) -> None:
        """Load the models as the arena does, and report as a driver does."""
        self.redis = commands_client(self.redis_server.url)
        self.stack.push_async_callback(self.redis.aclose)
        if "url" not in self.host:
            self.sim = await self.simulated(self.simulator)
            self.host["url"] = self.sim.url
            for model in self.settings["arena_models"] if self.loaded is None else self.loaded:
                await self.load(model)
        if self.reports:
            await self.report(health=self.health)

    async def on_postgres(self, *spoil: str) -> None:
        """Move to a PostgreSQL database of its own at head, and run statements there; ``{name}`` is the database's."""
        assert self.postgres is not None
        server = self.postgres()
        name = server.create()
        self.stack.callback(server.drop, name)
        self.database = server.url(name)
        await migrate(self.database)
        connection = await asyncpg.connect(self.database)
        for statement in spoil:
            await connection.execute(statement.format(name=name))
        await connection.close()

    async def as_redis_user(self, *rules: str) -> None:
        """Go to Redis as a user with these rights only."""
        await self.redis.execute_command("ACL", "SETUSER", "arena", "reset", "on", ">secret", "resetchannels", *rules)
        self.stack.push_async_callback(self.redis.execute_command, "ACL", "DELUSER", "arena")
        self.redis = commands_client(self.redis_server.url.replace("unix://", "unix://arena:secret@"))
        self.stack.push_async_callback(self.redis.aclose)

    async def simulated(self, config: SimulatorConfig) -> RunningSimulator:
        """Another server."""
        return await self.stack.enter_async_context(running_simulator(config))

    async def serve(self, context: Any) -> Any:
        """Enter a server's context until the end of the test."""
        return await self.stack.enter_async_context(context)

    def configured(self) -> Settings:
        """The settings as they are now."""
        given = {"redis_url": self.redis_server.url, **self.settings}
        return settings_with(**given, **{"[[hosts]]": (self.host, *self.more_hosts)})

    async def load(
        self, model: str, num_ctx: int | None = None, keep: timedelta = KEEP, url: str | None = None
    ) -> None:
        """Load as the arena does, or as another client would."""
        options = options_for(self.configured(), model)
        if num_ctx is not None:
            options = GenerationOptions(num_ctx=num_ctx)
        backend = OllamaBackend(url or self.host["url"], keep_alive=keep)
        await backend.load(model, options)
        await backend.aclose()

    async def report(
        self, *events: tuple[EventKind, str], host: str = "gpu", apart_s: float = 60.0, **changes: Any
    ) -> None:
        """Drive ``host``: hold its lease and write a report; events are (kind, model), ``apart_s`` from each other."""
        now = time.time()
        reported = tuple(
            HostEvent(now - 300 + number * apart_s, kind, model, "told so")
            for number, (kind, model) in enumerate(events)
        )
        report = replace(HostReport(host, now, max_models=3, planned=TRIO, events=reported), **changes)
        await self.redis.set(f"arena:host:{{{host}}}:lease", b"somebody", ex=60)
        await HostReports(self.redis, [host]).put(report)

    async def rotates(self, members: tuple[str, ...], battles: int) -> None:
        """Draw battles of two from ``members``, which are the rotation since ten minutes ago."""
        store, since = DrawStore(self.redis), time.time() - 600
        sets = DrawnSets("9f3a", Rotation(3, {"gpu": members}, since=since))
        await store.replace(b"", sets)
        for _ in range(battles):
            await store.count(sets.set_id, members[:2])

    async def examined(self) -> Diagnosis:
        """What the doctor says."""
        settings = self.configured()
        redis = self.redis
        return await diagnose(
            settings,
            hosts_from(settings),
            redis=redis,
            database=self.database,
            wake=self.wake,
            wall=self.wall,
            lag=self.lag,
        )
