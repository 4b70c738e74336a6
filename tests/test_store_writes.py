"""Probes of writes: shared, bounded, nothing left behind; and the words that drivers use for refusals."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import redis.exceptions
import sqlalchemy as sa
from redis.asyncio import Redis

from app.database.database import Database, migrate
from app.readiness.readiness import Stores
from app.readiness.write_probe import Writes, database_refusal, redis_refusal
from app.redis.client import commands_client
from app.store_errors import Trouble, database_trouble, reason_of, redis_trouble, script_trouble
from tests.records.conftest import postgres
from tests.records.postgres_server import PostgresServer

__all__ = ["postgres"]

FULL = Trouble("full", "no room")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Probe:
    """Counts its runs; ends when ``gate`` is set."""

    def __init__(self) -> None:
        self.runs = 0
        self.outcome: Trouble | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Trouble | None:
        self.runs += 1
        await self.gate.wait()
        return self.outcome


async def test_many_who_ask_within_a_second_cost_one_write() -> None:
    clock, probe = Clock(), Probe()
    writes = Writes(probe, clock=clock)
    probe.gate.clear()
    asked = [asyncio.create_task(writes.refusal()) for _ in range(50)]
    await asyncio.sleep(0)
    probe.outcome = FULL
    probe.gate.set()
    assert await asyncio.gather(*asked) == [FULL] * 50
    assert await writes.refusal() == FULL
    assert probe.runs == 1
    clock.now, probe.outcome = 1.0, None
    assert await writes.refusal() is None
    assert probe.runs == 2


async def test_who_asks_while_a_probe_hangs_gets_the_outcome_before_it() -> None:
    clock, probe = Clock(), Probe()
    writes = Writes(probe, clock=clock, patience=timedelta(0))
    assert await writes.refusal() is None, "nothing is known yet, and it answers"
    probe.outcome = FULL
    await asyncio.sleep(0)
    clock.now = 2.0
    probe.gate.clear()
    await writes.refusal()
    probe.gate.set()
    await asyncio.sleep(0)
    assert await writes.refusal() == FULL
    await writes.aclose()


async def test_a_probe_under_way_ends_with_its_owner() -> None:
    probe = Probe()
    probe.gate.clear()
    writes = Writes(probe, patience=timedelta(0))
    await writes.refusal()
    await writes.aclose()
    assert [task for task in asyncio.all_tasks() if task.get_name() == "probe of writes"] == []


async def test_a_healthy_redis_takes_the_probe_and_keeps_nothing_of_it(redis: Redis) -> None:
    assert await redis_refusal(redis) is None
    assert await redis.keys("*") == []


async def test_a_healthy_postgres_takes_the_probe_and_keeps_nothing_of_it(postgres: PostgresServer) -> None:
    name = postgres.create()
    await migrate(postgres.url(name))
    database = Database(postgres.url(name))
    assert await database_refusal(database) is None
    count = sa.text("SELECT count(*) FROM battles")
    assert await database.read(lambda connection: connection.scalar(count)) == 0
    await database.aclose()
    postgres.drop(name)


async def test_the_probe_of_sqlite_reaches_the_disk_and_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    await migrate(url)
    database = Database(url)
    dump = await database.read(_rows)
    await database_refusal(database)
    before = (tmp_path / "arena.db-wal").stat().st_size
    assert await database_refusal(database) is None
    assert (tmp_path / "arena.db-wal").stat().st_size > before
    assert await database.read(_rows) == dump
    await database.aclose()


def _rows(connection: sa.Connection) -> list[object]:
    names = connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"))
    return [
        connection.exec_driver_sql("PRAGMA user_version").scalar(),
        *[(name, connection.scalar(sa.text(f"SELECT count(*) FROM {name}"))) for name in names],
    ]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis.exceptions.ReadOnlyError("You can't write against a read only replica."), "read_only"),
        (redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), "full"),
        (redis.exceptions.NoPermissionError("this user has no permissions"), "forbidden"),
        (redis.exceptions.ResponseError("MISCONF Redis is configured to save"), "failed"),
        (redis.exceptions.ResponseError("ACL failure in script: User u has no permissions to run"), "forbidden"),
        (redis.exceptions.BusyLoadingError("Redis is loading the dataset in memory"), "unavailable"),
        (redis.exceptions.ConnectionError("Error 111 connecting"), "unavailable"),
        (redis.exceptions.TimeoutError("Redis did not answer within 5 s"), "unavailable"),
        (OSError("gone"), "unavailable"),
    ],
)
def test_what_redis_says_has_a_kind(error: Exception, kind: str) -> None:
    assert redis_trouble(error).kind == kind


def test_a_reply_to_a_script_is_told_without_the_name_of_the_script() -> None:
    trouble = script_trouble("SET", "@user_script: 13: -OOM command not allowed when used memory > 'maxmemory'.")
    assert trouble == Trouble("full", "SET: OOM command not allowed when used memory > 'maxmemory'.")
    newer = script_trouble("PUBLISH", "ACL failure in script: No permissions to access a channel")
    assert newer.kind == "forbidden"


def test_a_reason_is_one_short_line_and_never_the_statement() -> None:
    error = sa.exc.OperationalError(
        "INSERT … 'what was asked'", {"message": "what was asked"}, OSError("no\nroom" * 90)
    )
    reason = database_trouble(error).reason
    assert reason == "no"
    assert len(reason_of(ValueError("x" * 1000))) == 200
    assert reason_of(TimeoutError()) == "TimeoutError"


async def test_each_store_is_usable_by_itself(tmp_path: Path, redis: Redis) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    await migrate(url)
    database, nowhere = Database(url), commands_client("redis://127.0.0.1:1")
    for client, usable in ((redis, True), (nowhere, False)):
        stores = Stores(client, database)
        assert await stores.usable() == {"redis": usable, "database": True}
        await stores.aclose()
    await database.aclose()
    await nowhere.aclose()
    stores = Stores(redis, Database(f"sqlite:///{tmp_path}/no/such/folder.db"))
    assert await stores.usable() == {"redis": True, "database": False}
    await stores.aclose()
