"""What is seen of the stores beyond the cases: real answers' times, PostgreSQL, the embedded Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.database.database import Database
from app.doctor.probing.observation import ObservedRedis
from app.doctor.probing.observe import redis_of
from app.doctor.probing.stores import probe_database, probe_redis
from app.records.ledger import Ledger
from app.records.tables import answers
from app.redis.embedded.server import embedded_redis
from app.timing.stopwatch import Timing
from tests.doctor.deployment import TRIO, Deployment
from tests.records.builders import new_answer, new_battle
from tests.records.postgres_server import PostgresServer
from tests.services import settings_with


def _execute(statement: sa.Update, connection: sa.Connection) -> None:
    connection.execute(statement)


async def write_answers(url: str, slots: int) -> None:
    """Twelve answers of one model on a server of so many slots, four of which were sent at once each time."""
    database = Database(url)
    ledger = Ledger(database)
    began = time.time() - 600
    for number in range(12):
        wave, place = divmod(number, 4)
        waited_s = place // slots * 5.0
        timing = Timing(ttft_s=0.3 + waited_s, decode_s=4.7, total_s=5.0 + waited_s, tokens=100)
        await ledger.open_battle(new_battle(f"b{number}"))
        await ledger.save_answers(f"b{number}", [new_answer(0, model=TRIO[0], timing=timing)], [])
        ended = began + wave * 60 + 0.3 + waited_s + 4.7
        change = sa.update(answers).where(answers.c.battle_id == f"b{number}")
        at = datetime.fromtimestamp(ended, UTC)
        await database.transaction(partial(_execute, change.values(created_at=at)))
    await database.aclose()


async def parallel_findings(deployment: Deployment, slots: int) -> list[str]:
    deployment.simulator = replace(deployment.simulator, num_parallel=4)
    deployment.host["num_parallel"] = 4
    await write_answers(deployment.database, slots)
    await deployment.start()
    return [one.cause for one in (await deployment.examined()).findings if one.code == "num_parallel_too_large"]


@pytest.mark.parametrize("slots", [1, 2])
async def test_fewer_slots_than_told_show_in_the_times_of_past_answers(deployment: Deployment, slots: int) -> None:
    (cause,) = await parallel_findings(deployment, slots)
    assert f"of up to 4 answers sent at once only {slots} were generated at the same time" in cause


async def test_as_many_slots_as_told_are_no_finding(deployment: Deployment) -> None:
    assert await parallel_findings(deployment, 4) == []


async def test_postgres_is_looked_at_the_same_way(_shared_url: str) -> None:
    seen = await probe_database(_shared_url)
    assert (seen.state, seen.answers) == ("ready", ())
    assert seen.skew_s is not None
    assert abs(seen.skew_s) < 1
    assert seen.where.startswith("postgresql://")


async def test_a_postgres_without_a_schema_is_not_migrated_and_one_that_refuses_is_unusable(
    postgres: PostgresServer,
) -> None:
    name = postgres.create()
    assert (await probe_database(postgres.url(name))).state == "empty"
    postgres.drop(name)
    assert (await probe_database(postgres.url(name))).state == "unusable"


async def test_a_locked_sqlite_file_can_still_be_looked_at(deployment: Deployment) -> None:
    import sqlite3

    writer = sqlite3.connect(deployment.database.removeprefix("sqlite:///"), isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    try:
        assert (await probe_database(deployment.database)).state == "ready"
    finally:
        writer.close()


async def test_a_sqlite_file_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "data" / "arena.db"
    assert (await probe_database(f"sqlite:///{file}")).state == "new"
    assert not file.parent.exists()


async def test_the_embedded_redis_of_a_running_arena_is_found_in_its_folder(tmp_path: Path) -> None:
    settings = settings_with(arena_data_dir=tmp_path)
    async with embedded_redis(tmp_path, keep=False), redis_of(settings) as redis:
        assert not isinstance(redis, ObservedRedis)
        seen = await probe_redis(redis, settings, ["local"])
        assert (seen.state, seen.embedded, seen.policy) == ("up", True, "noeviction")


async def test_without_a_running_arena_the_embedded_redis_is_idle_and_nothing_is_made(tmp_path: Path) -> None:
    settings = settings_with(arena_data_dir=tmp_path / "data")
    async with redis_of(settings) as redis:
        assert isinstance(redis, ObservedRedis)
        assert redis.state == "idle"
    assert not (tmp_path / "data").exists()


async def test_a_socket_that_a_killed_arena_left_behind_counts_as_idle(deployment: Deployment, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "redis"
    folder.mkdir(parents=True)
    listening = await asyncio.start_unix_server(lambda reader, writer: None, folder / "redis.sock")
    listening.close()
    await listening.wait_closed()
    settings = settings_with(arena_data_dir=tmp_path / "data")
    async with redis_of(settings) as redis:
        deployment.settings = {"arena_models": TRIO, "arena_data_dir": tmp_path / "data", "redis_url": ""}
        deployment.reports = False
        await deployment.start()
        deployment.redis = redis
        codes = {finding.code for finding in (await deployment.examined()).findings}
    assert codes == {"redis_embedded_idle", "nobody_drives"}


async def test_a_bad_redis_url_is_told_without_the_password(deployment: Deployment) -> None:
    deployment.settings |= {"redis_url": "redis//:secret@nowhere"}
    await deployment.start()
    async with redis_of(deployment.configured()) as redis:
        deployment.redis = redis
        (finding,) = [one for one in (await deployment.examined()).findings if one.code == "redis_missing"]
    assert "can't be understood" in finding.cause
    assert "secret" not in str(finding)


async def test_a_password_that_is_not_escaped_is_told_with_what_to_write(deployment: Deployment) -> None:
    deployment.settings |= {"redis_url": "redis://:hunter/2secret@nowhere"}
    await deployment.start()
    async with redis_of(deployment.configured()) as redis:
        deployment.redis = redis
        (finding,) = [one for one in (await deployment.examined()).findings if one.code == "redis_missing"]
    assert "percent-encode" in finding.cause
    assert "secret" not in str(finding)


async def test_redis_time_is_compared_with_ours(deployment: Deployment) -> None:
    await deployment.start()
    settings = deployment.configured()
    seen = await probe_redis(deployment.redis, settings, ["gpu"], wall=lambda: time.time() - 100)
    assert seen.skew_s is not None
    assert timedelta(seconds=99) < timedelta(seconds=seen.skew_s) < timedelta(seconds=101)
