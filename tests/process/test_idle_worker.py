"""What a worker asks SQL and Redis while nobody plays, so that no change makes it ask more unseen.

All that is periodic waits for the same beat, once a second (``app.tasks.until_beat``); so the counts are for each beat,
however long the machine takes for one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from redis.asyncio.connection import AbstractConnection
from sqlalchemy.engine import Engine

from app.backends.scripted import ScriptedBackend
from app.database import file_version
from app.database.clock import DatabaseClock
from app.database.database import Database, migrate
from app.hosts.host import Host
from app.process.app import ArenaProcess
from app.process.connections import Connections
from app.records.ledger import Ledger
from app.redis.client import shared_client, subscriber_client
from app.redis.shared import SharedConnection
from app.tasks import Supervisor
from tests.helpers import wait_until
from tests.records.builders import new_battle
from tests.services import settings_with

MODELS = ["a", "b"]
BEATS = 2
ANNOUNCED = "EVALSHA arena:drivers"
EVERY_BEAT = {
    ANNOUNCED,  # who does not for two seconds is dead
    "EVALSHA arena:host:{gpu}:lease",  # it ends after three seconds, and bounds a takeover
    "HGETALL arena:host:{gpu}:jobs",  # a nudge that was lost costs a second
    "HGETALL arena:host:{gpu}:wishes",
    "HGETALL arena:host:{gpu}:memory",
    "EVALSHA arena:draw:rotation",  # a model that was refused is drawn nowhere after a second
    "MGET arena:host:{gpu}:report",  # the rotation is decided from these, by the worker whose turn it is
    "EVALSHA arena:draw:pairs:",
}
"""What is asked of Redis once at each beat."""
_HOUR = re.compile("(?<=^arena:draw:pairs:).*")


@dataclass
class Asked:
    """Statements of SQL, and commands of Redis with their first key."""

    sql: list[str] = field(default_factory=list)
    redis: Counter[str] = field(default_factory=Counter)

    def stated(self, _: object, __: object, statement: str, *___: object) -> None:
        self.sql.append(" ".join(statement.split()))

    def sent(self, *command: Any) -> None:
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in command]
        key = words[3] if words[0] == "EVALSHA" else "".join(words[1:2])
        self.redis[f"{words[0]} {_HOUR.sub('', key)}"] += 1

    def clear(self) -> None:
        self.sql.clear()
        self.redis.clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """All that this process asks from now on."""
    asked, ask, send = Asked(), SharedConnection.ask, AbstractConnection.send_command

    def counted(self: SharedConnection, *command: Any) -> Any:
        asked.sent(*command)
        return ask(self, *command)

    def counted_apart(self: AbstractConnection, *command: Any, **options: Any) -> Any:
        asked.sent(*command)
        return send(self, *command, **options)

    monkeypatch.setattr(SharedConnection, "ask", counted)
    monkeypatch.setattr(AbstractConnection, "send_command", counted_apart)
    sa.event.listen(Engine, "before_cursor_execute", asked.stated)
    yield asked
    sa.event.remove(Engine, "before_cursor_execute", asked.stated)


@asynccontextmanager
async def worker(folder: Path, redis_url: str) -> AsyncIterator[Database]:
    """All tasks of a worker with a host that has its models in memory, on SQLite."""
    url = f"sqlite:///{folder}/arena.db"
    await migrate(url)
    database, settings = Database(url), settings_with(arena_data_dir=folder, arena_models=tuple(MODELS))
    redis, subscriber = shared_client(redis_url), subscriber_client(redis_url)
    connections = Connections(
        settings=settings,
        redis=redis,
        subscriber=subscriber,
        database=database,
        clock=DatabaseClock(database),
        hosts=(Host("gpu", "http://gpu"),),
        backends={"gpu": ScriptedBackend(resident=list(MODELS), models=tuple(MODELS))},
    )
    process = ArenaProcess(connections)
    await database.ping()  # from then on the file has a log
    try:
        async with Supervisor() as supervisor:
            process.start_serving(supervisor)
            async with process.driving(supervisor):
                yield database
    finally:
        await process.aclose()
        await database.aclose()
        await redis.aclose()
        await subscriber.aclose()


async def test_an_idle_worker_asks_sql_nothing_and_redis_eight_things_a_beat(
    tmp_path: Path, redis_url: str, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is asked in case that a file system does not tell of a write is left out, and a write counts at once.
    monkeypatch.setattr(file_version, "AT_MOST", timedelta(days=1))
    monkeypatch.setattr(file_version, "SETTLED", timedelta(0))

    async with worker(tmp_path, redis_url) as database:

        async def beats(count: int) -> None:
            asked.clear()
            await wait_until(lambda: asked.redis[ANNOUNCED] >= count)

        await wait_until(lambda: set(asked.redis) >= EVERY_BEAT)
        for _ in range(5):  # at the start each asks once
            await beats(1)
            if not asked.sql:
                break
        await beats(BEATS)
        redis = Counter(asked.redis)
        assert not asked.sql
        assert {what for what, count in redis.items() if count >= BEATS} <= EVERY_BEAT, redis
        assert redis.total() <= len(EVERY_BEAT) * (BEATS + 1) + 10, redis

        await Ledger(database).open_battle(new_battle())
        await wait_until(lambda: [one for one in asked.sql if one.startswith("UPDATE battles SET language")])
