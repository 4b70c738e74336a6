"""Models are asked before their battle is committed; what is not committed is closed, and nothing of it was told."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from app.arena.document import Document
from app.arena.head_starts import HeadStarts
from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.requests import OpenRequest
from app.arena.store import AnswerUpdate, Store
from app.backends.base import GenerationRequest, Message
from app.battle.battle import Verdict
from app.draw.drawer import UniformDraw
from app.errors import Conflict, Unavailable
from app.records.values import BattleRecord, CastVote, NewBattle
from app.scheduling.job import Job
from tests.arena.in_memory import MemoryDispatcher, MemoryLedger

MODELS = ["llama3.1:8b", "mistral:7b", "qwen3:8b"]


class Starts:
    """Remembers what was sent early and what was dropped."""

    def __init__(self) -> None:
        self.sent: dict[str, GenerationRequest] = {}
        self.dropped: list[str] = []
        self.failure: Exception | None = None

    def begin(self, job: Job, request: GenerationRequest) -> None:
        if self.failure is not None:
            raise self.failure
        self.sent[job.id] = request

    def drop(self, job_ids: Iterable[str]) -> None:
        self.dropped += job_ids


class Ledger(MemoryLedger):
    """A ledger that looks at what was sent before it commits, and may fail to."""

    def __init__(self, starts: Starts) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self.sent_before: list[int] = []
        self.sent_before_votes: list[int] = []
        self.faster: Verdict | None = None
        self._starts = starts

    async def open_battle(self, new: NewBattle) -> BattleRecord:
        self.sent_before.append(len(self._starts.sent))
        if self.failure is not None:
            raise self.failure
        return await super().open_battle(new)

    async def cast_vote(self, *given: Any, **more: Any) -> CastVote:
        self.sent_before_votes.append(len(self._starts.sent))
        if self.faster is not None:
            battle, number, _, pair = given
            await super().cast_vote(battle, number, self.faster, pair, **more)
        if self.failure is not None:
            raise self.failure
        return await super().cast_vote(*given, **more)


class Arena:
    """A manager whose head starts, ledger and dispatcher are seen."""

    def __init__(self, redis: Redis) -> None:
        self.starts = Starts()
        self.ledger = Ledger(self.starts)
        self.dispatcher = MemoryDispatcher()
        store = Store(redis)
        self.store = store
        self.reconciler = Reconciler(store, self.ledger, self.dispatcher, prefetch=0)  # type: ignore[arg-type]
        self.manager = ArenaManager(
            store,
            self.ledger,  # type: ignore[arg-type]
            self.reconciler,
            draw=UniformDraw(Random(7)),
            new_id=lambda: "b1",
            head_starts=HeadStarts(self.starts, request_of),
        )


def request_of(document: Document, model: str) -> GenerationRequest:
    return GenerationRequest(model, (Message("user", f"{document.system}: {document.battle.message}"),))


@pytest.fixture
def arena(redis: Redis) -> Arena:
    return Arena(redis)


OPEN = OpenRequest("Why?", MODELS, 3, system="Be brief")


async def test_both_sides_are_asked_before_the_commit_and_the_challenger_is_not(arena: Arena) -> None:
    await arena.manager.open(OPEN)
    assert arena.ledger.sent_before == [2]
    first = [arena.dispatcher.jobs[f"b1:{entry}"].model for entry in (0, 1)]
    assert [request.model for request in arena.starts.sent.values()] == first
    assert {request.messages[0].content for request in arena.starts.sent.values()} == {"Be brief: Why?"}
    assert list(arena.starts.sent) == ["b1:0", "b1:1"]
    assert arena.starts.dropped == []


async def test_a_commit_that_fails_closes_them_and_nothing_was_told(arena: Arena, redis: Redis) -> None:
    arena.ledger.failure = Unavailable("The database is away", code="database_away")
    with pytest.raises(Unavailable):
        await arena.manager.open(OPEN)
    assert arena.starts.dropped == ["b1:0", "b1:1"]
    assert arena.dispatcher.jobs == {}
    assert await redis.keys("*") == []


async def test_a_redis_that_is_away_after_the_commit_closes_them(arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unavailable(*_: object) -> str:
        raise ConnectionError("refused")

    monkeypatch.setattr(arena.store, "advance", unavailable)
    with pytest.raises(ConnectionError):
        await arena.manager.open(OPEN)
    assert arena.starts.dropped == ["b1:0", "b1:1"]


async def test_a_battle_that_was_opened_before_is_not_asked_for_again(arena: Arena) -> None:
    await arena.manager.open(OPEN)
    await arena.manager.open(OPEN)
    assert arena.starts.dropped == ["b1:0", "b1:1"]


async def test_a_head_start_that_fails_costs_nothing_but_itself(arena: Arena) -> None:
    arena.starts.failure = RuntimeError("a bug")
    snapshot = await arena.manager.open(OPEN)
    assert snapshot.battle_id == "b1"
    assert set(arena.dispatcher.jobs) >= {"b1:0", "b1:1"}


class Judged:
    """A battle of three whose first two answers are whole, in an arena that asks for no answer before its round."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena

    async def ready(self) -> None:
        """Open it and write both sides."""
        await self.arena.manager.open(OPEN)
        updates = []
        for entry in (0, 1):
            begun = await self.arena.store.begin("b1", entry, entry + 1, "gpu")
            updates.append(AnswerUpdate("b1", begun.name, entry, entry + 1, 1, "why", "writing", "", "stop"))
        assert await self.arena.store.write(updates) == ["ok", "ok"]
        await self.arena.reconciler.reconcile("b1")
        self.arena.starts.sent.clear()


async def test_by_a_verdict_the_challenger_is_asked_before_the_commit(arena: Arena) -> None:
    await Judged(arena).ready()
    await arena.manager.vote("b1", 1, Verdict.A)
    assert arena.ledger.sent_before_votes == [1]
    assert list(arena.starts.sent) == ["b1:2"]
    assert arena.dispatcher.jobs["b1:2"].model == arena.starts.sent["b1:2"].model
    assert arena.starts.dropped == []


async def test_a_challenger_who_has_been_asked_already_is_not_asked_again(arena: Arena) -> None:
    await Judged(arena).ready()
    await arena.store.begin("b1", 2, 3, "gpu")
    await arena.manager.vote("b1", 1, Verdict.A)
    assert arena.starts.sent == {}


async def test_a_verdict_that_is_not_committed_closes_them(arena: Arena) -> None:
    await Judged(arena).ready()
    arena.ledger.failure = Unavailable("The database is away", code="database_away")
    with pytest.raises(Unavailable):
        await arena.manager.vote("b1", 1, Verdict.A)
    assert arena.starts.dropped == ["b1:2"]
    assert (await arena.manager.snapshot("b1")).round == 1


async def test_of_two_verdicts_the_one_that_does_not_stand_closes_what_it_asked_for(arena: Arena) -> None:
    await Judged(arena).ready()
    arena.ledger.faster = Verdict.B
    with pytest.raises(Conflict):
        await arena.manager.vote("b1", 1, Verdict.A)
    assert arena.starts.dropped == ["b1:2"]


async def test_the_last_verdict_asks_nobody(arena: Arena) -> None:
    await Judged(arena).ready()
    await arena.manager.vote("b1", 1, Verdict.A, is_last=True)
    assert arena.starts.sent == {}
