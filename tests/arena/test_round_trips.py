"""How often a battle asks Redis and the database, so that no change gives back unseen what was saved.

The counts are exact: what becomes cheaper lowers them here, and what costs more needs a reason.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from redis.asyncio import Redis
from sqlalchemy.engine import Engine

from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.requests import OpenRequest
from app.arena.store import AnswerUpdate, Store
from app.battle.battle import Verdict
from app.database.database import Database, migrate
from app.draw.drawer import UniformDraw
from app.records import tables
from app.records.ledger import Ledger
from tests.arena.in_memory import MemoryDispatcher

MODELS = ["llama3.1:8b", "mistral:7b", "qwen3:8b"]


class Counted:
    """What was asked since the last look: scripts and commands of Redis, statements of SQL by their first word.

    ``work`` is how often something was handed to the database's threads.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def taken(self) -> dict[str, int]:
        """The counts, which begin anew."""
        calls, self.calls = dict(self.calls), Counter()
        return calls

    @contextmanager
    def counting(self, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Count all that is asked through ``redis`` and by any engine."""
        execute: Any = redis.execute_command

        async def counted(*command: Any, **options: Any) -> Any:
            self.calls["redis"] += 1
            return await execute(*command, **options)

        def stated(_: object, __: object, statement: str, *___: object) -> None:
            self.calls[statement.split()[0]] += 1

        hand_over: Any = Database._shielded

        async def handed_over(*given: Any) -> Any:
            self.calls["work"] += 1
            return await hand_over(*given)

        monkeypatch.setattr(redis, "execute_command", counted)
        monkeypatch.setattr(Database, "_shielded", handed_over)
        sa.event.listen(Engine, "before_cursor_execute", stated)
        try:
            yield
        finally:
            sa.event.remove(Engine, "before_cursor_execute", stated)


class Battles:
    """Battles on a real Redis and a real SQLite; their answers are written by the test."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self.store, self.database = Store(redis, pace="even"), database
        self.reconciler = Reconciler(self.store, Ledger(database), MemoryDispatcher())
        self.manager = ArenaManager(self.store, Ledger(database), self.reconciler, draw=UniformDraw(Random(7)))
        self._token = 0

    async def answered(self, battle: str, *entries: int) -> None:
        """Write answers that begin together and end in one moment."""
        updates = []
        for entry in entries:
            self._token += 1
            begun = await self.store.begin(battle, entry, self._token, "local")
            updates.append(AnswerUpdate(battle, begun.name, entry, self._token, 1, "why", "writing", "", "stop"))
        assert await self.store.write(updates) == ["ok"] * len(entries)


@pytest.fixture
async def battles(redis: Redis, tmp_path: Path) -> AsyncIterator[Battles]:
    address = f"sqlite:///{tmp_path}/arena.db"
    await migrate(address)
    database = Database(address)
    yield Battles(redis, database)
    await database.aclose()


async def play(battles: Battles, counted: Counted) -> dict[str, dict[str, int]]:
    """Play a battle of three models to its end; what each step asked for."""
    manager, steps = battles.manager, {}
    battle = (await manager.open(OpenRequest("Why is the sky blue?", MODELS, 3))).battle_id
    steps["open"] = counted.taken()
    await battles.answered(battle, 0, 1)
    steps["two answers"] = counted.taken()
    await asyncio.gather(battles.reconciler.reconcile(battle), battles.reconciler.reconcile(battle))
    steps["ready"] = counted.taken()
    after = await manager.vote(battle, 1, Verdict.A)
    steps["vote, next round"] = counted.taken()
    assert after == await manager.snapshot(battle)
    await battles.answered(battle, 2)
    await battles.reconciler.reconcile(battle)
    counted.taken()
    after = await manager.vote(battle, 2, Verdict.A)
    steps["vote, end"] = counted.taken()
    assert after.status == "finished"
    assert after == await manager.snapshot(battle)
    counted.taken()
    return steps


async def test_a_battle_asks_redis_and_the_database_so_often(
    battles: Battles, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted()
    with counted.counting(redis, monkeypatch):
        await play(battles, counted)  # scripts are loaded
        assert await play(battles, counted) == {
            "open": {"redis": 1, "work": 1, "INSERT": 1},
            "two answers": {"redis": 3},
            "ready": {"redis": 2, "work": 2, "BEGIN": 1, "INSERT": 2, "SELECT": 2},
            "vote, next round": {"redis": 2, "work": 2, "BEGIN": 2, "INSERT": 2, "SELECT": 1, "UPDATE": 1},
            "vote, end": {"redis": 2, "work": 1, "BEGIN": 1, "INSERT": 1, "SELECT": 1, "UPDATE": 1},
        }


async def test_a_vote_stores_again_what_the_database_has_lost(battles: Battles) -> None:
    battle = (await battles.manager.open(OpenRequest("Why is the sky blue?", MODELS, 2))).battle_id
    await battles.answered(battle, 0, 1)
    await battles.reconciler.reconcile(battle)
    await battles.database.transaction(lambda c: [c.execute(sa.delete(t)) for t in (tables.answers, tables.rounds)])
    await battles.manager.vote(battle, 1, Verdict.A)
    stored = await battles.database.read(lambda c: [*c.execute(sa.select(tables.rounds.c.ready_at)).scalars()])
    assert len(await Ledger(battles.database).answers(battle)) == 2
    assert len(stored) == 1
    assert stored[0] is not None
