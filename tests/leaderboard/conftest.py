"""Workers that serve boards from one real Redis and, by turns, a SQLite file and a real PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from app.database.database import Database
from app.errors import Unavailable
from app.leaderboard.cache import LeaderboardCache
from app.leaderboard.query import LeaderboardQuery
from app.records.ledger import Ledger
from app.redis.client import commands_client
from app.tasks import cancel_and_wait
from tests.leaderboard.playing import Player
from tests.records.conftest import _migrated_file, _shared_url, database, kind, ledger, postgres, url
from tests.services import app_with, services_with

__all__ = ["_migrated_file", "_shared_url", "database", "kind", "ledger", "postgres", "url"]

QUICK = timedelta(seconds=0.1)


class CountedBoards(LeaderboardCache):
    """Boards that say how many snapshots they ``began`` and, once these are stored, ``made``."""

    began = made = 0

    async def _make(self, mark: str, queries: Sequence[LeaderboardQuery]) -> None:
        self.began += 1
        await super()._make(mark, queries)
        self.made += 1


@dataclass(frozen=True)
class Worker:
    """One process's boards behind HTTP."""

    boards: CountedBoards
    http: httpx.AsyncClient

    async def get(self, path: str = "leaderboard", **query: str) -> httpx.Response:
        return await self.http.get(f"/api/arena/{path}", params=query)

    async def board(self, **query: str) -> dict[str, Any]:
        response = await self.get(**query)
        assert response.status_code == 200, response.text
        return dict(response.json())


class NobodyAtHand:
    """Contestants of an arena whose hosts are all away."""

    async def at_hand(self) -> tuple[str, ...]:
        raise Unavailable("no host answers")


def _http(boards: LeaderboardCache, database: Database) -> httpx.AsyncClient:
    manager = SimpleNamespace(counts=Ledger(database).counts)
    app = app_with(services_with(manager=manager, boards=boards, contestants=NobodyAtHand()))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://arena")


@pytest.fixture
async def start(redis_url: str, database: Database) -> AsyncIterator[Callable[..., Worker]]:
    """Start a worker; with ``running=False`` it makes boards only when the test tells it to."""
    async with AsyncExitStack() as stack:

        def started(*, running: bool = True, redis: str = redis_url, **how: Any) -> Worker:
            client = commands_client(redis)
            stack.push_async_callback(client.aclose)
            boards = CountedBoards(client, database, **{"every": QUICK, **how})
            worker = Worker(boards, _http(boards, database))
            stack.push_async_callback(worker.http.aclose)
            if running:
                stack.push_async_callback(cancel_and_wait, asyncio.create_task(boards.run(), name="board"))
            return worker

        yield started


@pytest.fixture
def player(ledger: Ledger) -> Player:
    """Plays battles straight into the ledger."""
    return Player(ledger)
