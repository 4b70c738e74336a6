"""Four workers that share a database, a Redis and two model servers, and the accidents that happen to them.

All of it is real and on loopback, and only processes that were started here are ever killed. The model servers
answer at once, so that what is measured is the arena.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import count, cycle
from pathlib import Path
from random import Random

import asyncpg
import redis as sync_redis

from tests.helpers import wait_until
from tests.records.postgres_server import PostgresServer
from tests.redis.server import RedisServer
from tests.whole.harness import ROOT, Instance, environment, serve

WORKERS = 4
#: Names of the models, by host: the same model is always written by the same host.
MODELS = (("granite:1b", "granite:2b", "granite:3b"), ("basalt:1b", "basalt:2b", "basalt:3b"))
#: A worker is killed only while this many serve, or nobody would be there to vote with.
FEWEST = 2


class Service:
    """The workers; ``urls`` are those that were not killed."""

    def __init__(self, folder: Path, redis: RedisServer, settings: dict[str, str]) -> None:
        self.redis = redis
        self.database = settings["DATABASE_URL"]
        self.logs: list[Path] = []
        self.accidents: Counter[str] = Counter()
        self._folder, self._settings = folder, settings
        self._workers: dict[int, Instance] = {}
        self._up: dict[int, str] = {}
        self._over = False

    @property
    def urls(self) -> list[str]:
        """The addresses of the workers that serve, in no lasting order."""
        return list(self._up.values())

    async def start(self) -> None:
        """Start all workers at once and wait until they serve."""
        await asyncio.gather(*(self._start(slot) for slot in range(WORKERS)))

    async def _start(self, slot: int) -> None:
        worker = serve(self._folder / f"worker-{slot}", self._settings)
        self._workers[slot] = worker
        self.logs.append(worker.log)
        await asyncio.to_thread(worker.wait_for_address)
        self._up[slot] = worker.url

    async def _kill(self, slot: int) -> None:
        self._up.pop(slot)
        self.accidents["kills"] += 1
        await asyncio.to_thread(self._workers.pop(slot).close)
        if not self._over:
            await self._start(slot)

    async def accidents_happen(self, rng: Random, judged: Callable[[], int], every: int) -> None:
        """Kill and restart workers, empty Redis, cut connections, until cancelled; then end all workers.

        At some moment of each ``every`` rounds that were ``judged`` after the first so many, a worker is killed and
        something else happens: a slow machine has no more accidents than a fast one.
        """
        accidents: set[asyncio.Task[None]] = set()
        on_postgresql = self.database.startswith("postgresql")
        second = self._cut_database if on_postgresql else self._cut_redis
        others = cycle([self._empty_redis, self._cut_redis, second, self._cut_redis, second, self._cut_redis])
        try:
            for number in count(1):
                due = number * every + rng.randrange(every)
                await wait_until(partial(_has_come, judged, due), math.inf)
                if len(self._up) > FEWEST:
                    slot = rng.choice(sorted(self._up))
                    accidents.add(asyncio.create_task(self._kill(slot), name=f"restart of worker {slot}"))
                accidents.add(asyncio.create_task(next(others)(), name="another accident"))
        finally:
            over = [accident for accident in accidents if accident.done()]
            self.close()  # also those that are just starting: nobody waits for them
            await asyncio.gather(*accidents, return_exceptions=True)
            for accident in over:
                accident.result()

    async def _empty_redis(self) -> None:
        self.accidents["Redis emptied"] += 1
        await asyncio.to_thread(self.redis.restart, empty=True)

    async def _cut_redis(self) -> None:
        self.accidents["Redis cut"] += 1
        await asyncio.to_thread(self._kill_clients)

    async def _cut_database(self) -> None:
        self.accidents["database cut"] += 1
        connection = await asyncpg.connect(self.database, timeout=10)
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}", timeout=10)
        await connection.close(timeout=10)

    def _kill_clients(self) -> None:
        with suppress(sync_redis.ConnectionError), sync_redis.Redis.from_url(self.redis.url) as client:
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)

    def troubles(self) -> list[str]:
        """Errors that the arena itself has logged, with the end of their tracebacks; drivers log cuts as errors."""
        lines = (line for log in self.logs for line in log.read_text(errors="replace").splitlines())
        events = (json.loads(line) for line in lines if line.startswith("{") and line.endswith("}"))
        return [f"{e['event']}: {str(e.get('exception', ''))[-300:]}" for e in events if _is_ours(e)]

    def close(self) -> None:
        """Kill all workers."""
        self._over = True
        while self._workers:
            self._workers.popitem()[1].close()


def _has_come(judged: Callable[[], int], due: int) -> bool:
    return judged() >= due


def _is_ours(event: dict[str, object]) -> bool:
    return event.get("level") in ("error", "critical") and str(event.get("logger")).startswith("app")


@contextmanager
def running_service(folder: Path, database: str) -> Iterator[Service]:
    """A service on ``database`` (``sqlite`` or ``postgresql``) whose workers are still to be started."""
    with ExitStack() as stack:
        redis = RedisServer()
        stack.callback(redis.close)
        hosts = [stack.enter_context(_model_server(models)) for models in MODELS]
        settings = _settings(folder, redis.url, hosts)
        if database == "postgresql":
            postgres = PostgresServer()
            stack.callback(postgres.close)
            settings["DATABASE_URL"] = postgres.url(postgres.create())
        else:
            settings["DATABASE_URL"] = f"sqlite:///{folder}/data/arena.db"
        service = Service(folder, redis, settings)
        stack.callback(service.close)
        yield service


def _settings(folder: Path, redis_url: str, hosts: list[str]) -> dict[str, str]:
    toml = folder / "arena.toml"
    toml.write_text(
        "".join(f'[[hosts]]\nname = "host-{n}"\nurl = "{url}"\nnum_parallel = 8\n' for n, url in enumerate(hosts))
    )
    return {
        "ARENA_CONFIG": str(toml),
        "ARENA_DATA_DIR": str(folder / "data"),
        "ARENA_MODELS": ",".join(name for names in MODELS for name in names),
        "ARENA_QUEUE": "1000",
        "ARENA_TICK": "0.02",
        "ARENA_UNDO": "60",
        "REDIS_URL": redis_url,
    }


@contextmanager
def _model_server(models: tuple[str, ...]) -> Iterator[str]:
    """A model server without delay; yields its address."""
    command = [sys.executable, "-m", "benchmarks.model_server", "--ttft", "0", "--rate", "2000", "--tokens", "3"]
    process = subprocess.Popen(
        [*command, "--models", *models], cwd=ROOT, env=environment({}), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()
