"""Whatever a process dates, it dates by the clock that all machines share."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

from redis.asyncio import Redis

from app.arena.requests import OpenRequest
from app.backends.scripted import ScriptedBackend
from app.database.clock import DatabaseClock
from app.database.database import Database, migrate
from app.hosts.host import Host
from app.process.app import ArenaProcess
from app.process.connections import Connections
from app.records.ledger import Ledger
from app.tasks import Supervisor
from tests.helpers import known, wait_until
from tests.services import settings_with

AHEAD_S = 3600.0


class Ahead(Database):
    """A database whose machine's clock is an hour ahead of this one's."""

    async def time(self) -> float | None:
        return time.time() + AHEAD_S


def is_ahead(at: float) -> bool:
    return abs(at - time.time() - AHEAD_S) < AHEAD_S / 2


async def test_battles_jobs_and_reports_have_the_databases_time(redis: Redis, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/arena.db"
    await migrate(url)
    database, settings = Ahead(url), settings_with(arena_data_dir=tmp_path, arena_models=("a", "b"))
    clock = DatabaseClock(database)
    await clock.sync()
    backend = ScriptedBackend(resident=["a", "b"], models=("a", "b"))
    connections = Connections(
        settings=settings,
        redis=redis,
        subscriber=redis,
        database=database,
        clock=clock,
        hosts=(Host("gpu", "http://gpu"),),
        backends={"gpu": backend},
    )
    process = ArenaProcess(connections)
    async with Supervisor() as supervisor, process.driving(supervisor):
        services = process.services()
        opened = await services.manager.open(OpenRequest("Why?", ("a", "b"), 2))
        record = known(await Ledger(database).battle(opened.battle_id))
        assert is_ahead(record.created_at.timestamp())
        await wait_until(lambda: services.fleet.reports.read())
        report = (await services.fleet.reports.read())["gpu"]
        assert is_ahead(report.at)
        assert is_ahead(services.fleet.now())
        answers = await wait_until(lambda: Ledger(database).answers(record.id))
        waited_s = max(answer.timing.queue_s or 0.0 for answer in answers.values())
        assert timedelta(seconds=waited_s) < timedelta(seconds=AHEAD_S / 2), "jobs are dated by it, too"
    await database.aclose()
