"""Stores that answer and take no writes: /readyz says 503 and why, the log has one line, and all heals by itself."""

from __future__ import annotations

import json
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg
import httpx
import pytest
import redis as sync_redis

from app.database.database import migrate
from tests.helpers import wait_until
from tests.records.conftest import postgres
from tests.records.postgres_server import PostgresServer
from tests.whole.client import BATTLES, call
from tests.whole.harness import Deployment, Instance, running_deployment

__all__ = ["postgres"]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Instance]]:
    with running_deployment(tmp_path_factory.mktemp("refusing")) as deployment:
        yield deployment, deployment.driver()


async def readyz(worker: Instance) -> httpx.Response:
    return await call("GET", f"{worker.url}/readyz")


async def is_ready(worker: Instance) -> bool:
    return (await readyz(worker)).status_code == 200


async def opening(worker: Instance, request_id: str = "here") -> httpx.Response:
    headers = {"X-Request-ID": request_id}
    return await call("POST", f"{worker.url}{BATTLES}", json={"message": "Hi"}, headers=headers)


@asynccontextmanager
async def refusing(
    worker: Instance, mark: str, code: str, why: str, begin: Callable[[], object], end: Callable[[], object]
) -> AsyncIterator[None]:
    """Spoil a store, see that all is said, fix it, see that all is well."""
    await wait_until(lambda: is_ready(worker))
    assert (await opening(worker)).status_code == 201
    begin()
    try:

        async def is_named() -> bool:
            reply = await readyz(worker)
            return reply.status_code == 503 and why in reply.json()["error"]

        await wait_until(is_named)
        for number in range(3):
            reply = await opening(worker, f"{mark}-{number}")
            assert (reply.status_code, reply.json()["code"]) == (503, code)
            assert "takes no writes" in reply.json()["error"]
            assert why not in reply.text, "the server's own words are for those who run the arena"
        yield
    finally:
        end()
    await wait_until(lambda: is_ready(worker))
    assert (await opening(worker)).status_code == 201


def check_the_log(worker: Instance, mark: str, kind: str, why: str) -> None:
    """One line for each refused call, with its id and the reason; one for the loss; no traceback."""
    refused = [line for line in worker.logged("refused") if line.get("request_id", "").startswith(f"{mark}-")]
    assert [(line["request_id"], line["kind"]) for line in refused] == [(f"{mark}-{n}", kind) for n in range(3)]
    assert all(line["reason"] and (line["method"], line["path"]) == ("POST", BATTLES) for line in refused)
    assert [line for line in worker.logged("not_ready") if why in json.dumps(line["missing"])]
    assert "Traceback" not in worker.log.read_text()


async def test_a_full_disk(deployed: tuple[Deployment, Instance]) -> None:
    deployment, worker = deployed
    file = deployment.folder / "data" / "arena.db"
    limits = resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE)
    with closing(grown_log(file)):  # the log of the process itself stays below the limit
        full = size_of_log(file)

        def limit(most: int) -> None:
            resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (most, limits[1]))

        why = "disk I/O error"
        async with refusing(worker, "disk", "database_away", why, lambda: limit(full), lambda: limit(limits[0])):
            pass
    check_the_log(worker, "disk", "failed", why)
    assert [line["reason"] for line in worker.logged("database_lost")] == [why]
    assert len(worker.logged("database_back")) == 1


def size_of_log(file: Path) -> int:
    return Path(f"{file}-wal").stat().st_size


def grown_log(file: Path) -> sqlite3.Connection:
    """A connection that keeps SQLite's log from being emptied, with a megabyte written to it."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=5)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    while size_of_log(file) < 1_000_000:
        connection.execute("PRAGMA user_version=0")
    return connection


REFUSALS_OF_REDIS = {
    "full": ("full", "OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    "channels": ("forbidden", "can't publish", "ACL SETUSER default resetchannels", "ACL SETUSER default allchannels"),
    "keys": (
        "forbidden",
        "can't access",
        "ACL SETUSER default resetkeys ~other:*",
        "ACL SETUSER default resetkeys allkeys",
    ),
    "replica": ("read_only", "READONLY", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE"),
    "replicas": ("failed", "NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
}


@pytest.mark.parametrize("kind", REFUSALS_OF_REDIS)
async def test_a_redis_that_takes_no_writes(deployed: tuple[Deployment, Instance], kind: str) -> None:
    deployment, worker = deployed
    trouble, why, spoil, fix = REFUSALS_OF_REDIS[kind]
    with sync_redis.Redis.from_url(deployment.redis.url) as admin:

        def run(command: str) -> Callable[[], object]:
            return lambda: admin.execute_command(*command.split())

        async with refusing(worker, kind, "redis_away", why, run(spoil), run(fix)):
            pass
    check_the_log(worker, kind, trouble, why)


async def test_a_redis_that_can_not_save(deployed: tuple[Deployment, Instance]) -> None:
    deployment, worker = deployed
    target = deployment.redis.folder / "dump.rdb"
    with sync_redis.Redis.from_url(deployment.redis.url) as admin:

        def spoil() -> None:
            target.mkdir()
            admin.config_set("save", "3600 1")
            admin.bgsave()

        def fix() -> None:
            admin.config_set("save", "")
            target.rmdir()

        async with refusing(worker, "save", "redis_away", "MISCONF", spoil, fix):
            pass
    check_the_log(worker, "save", "failed", "MISCONF")


@pytest.fixture
async def on_postgres(
    deployed: tuple[Deployment, Instance], postgres: PostgresServer
) -> AsyncIterator[tuple[Instance, str, Callable[[str], Awaitable[None]]]]:
    """An instance on a PostgreSQL of its own, its database's name, and what runs a statement there."""
    name = postgres.create()
    await migrate(postgres.url(name))
    instance = deployed[0].start(DATABASE_URL=postgres.url(name))

    async def run(statement: str) -> None:
        connection = await asyncpg.connect(postgres.url())
        await connection.execute(statement)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            name,
        )
        await connection.close()

    yield instance, name, run
    instance.kill()
    postgres.drop(name)


async def test_a_postgres_that_is_read_only(
    on_postgres: tuple[Instance, str, Callable[[str], Awaitable[None]]],
) -> None:
    worker, name, run = on_postgres
    await run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    async def is_named() -> bool:
        reply = await readyz(worker)
        return "cannot execute INSERT in a read-only transaction" in reply.text and reply.status_code == 503

    await wait_until(is_named)
    reply = await opening(worker, "read-only")
    assert (reply.status_code, reply.json()["code"]) == (503, "database_away")
    (line,) = [line for line in worker.logged("refused") if line["request_id"] == "read-only"]
    assert (line["kind"], line["reason"][:21]) == ("read_only", "cannot execute INSERT")
    await run(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    await wait_until(lambda: is_ready(worker))
    assert (await opening(worker)).status_code == 201
    assert worker.logged("database_back")
    assert "Traceback" not in worker.log.read_text()
