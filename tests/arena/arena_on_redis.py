"""The arena on a real Redis, without web, drivers and SQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, cast

import orjson
from redis.asyncio import Redis

from app.arena.manager import ArenaManager
from app.arena.reconcile import Reconciler
from app.arena.requests import OpenRequest
from app.arena.steps import error_json
from app.arena.store import AnswerUpdate, Pace, Store
from app.battle.events import Snapshot
from app.draw.drawer import UniformDraw
from app.timing.stopwatch import Timing
from tests.arena.in_memory import MemoryDispatcher, MemoryLedger

MODELS = ["llama3.1:8b", "mistral:7b", "qwen3:8b", "phi3:mini"]


class ArenaOnRedis:
    """A manager, a reconciler and a store on a real Redis; the ledger and the dispatcher are doubles."""

    def __init__(self, redis: Redis, named: bool = False, pace: Pace = "live") -> None:
        self.store = Store(redis, pace=pace)
        self.ledger = cast(Any, MemoryLedger())  # of the ledger, the part that these rooms need
        self.dispatcher = MemoryDispatcher()
        self.reconciler = Reconciler(self.store, self.ledger, self.dispatcher)
        self.manager = ArenaManager(
            self.store,
            self.ledger,
            self.reconciler,
            named=named,
            draw=UniformDraw(Random(7)),
        )
        self.tokens = 0
        self.seqs: dict[int, int] = {}
        self.current: dict[int, int] = {}

    async def open(self, count: int = 3) -> Snapshot:
        return await self.manager.open(OpenRequest("Why is the sky blue?", MODELS, count))

    def make_old(self, battle: str) -> None:
        """A battle of a moment ago that Redis does not have is being opened by somebody; this one is older."""
        record = self.ledger.battles[battle]
        self.ledger.battles[battle] = replace(record, created_at=record.created_at - timedelta(minutes=1))

    async def begin(self, battle: str, answer: int) -> str:
        self.tokens += 1
        begun = await self.store.begin(battle, answer, self.tokens, "local")
        if begun.status == "started":
            self.current[answer], self.seqs[answer] = self.tokens, 0
            self.name = begun.name
        return begun.status

    async def write(self, battle: str, answer: int, text: str, finish: str = "", error: str = "") -> str:
        self.seqs[answer] += 1
        timing = orjson.dumps(Timing(ttft_s=0.1).to_dict()).decode() if finish else ""
        item = AnswerUpdate(
            battle,
            self.name,
            answer,
            self.current[answer],
            self.seqs[answer],
            text,
            "writing" if text else "",
            "",
            finish,
            error_json(error) if error else "",
            timing,
        )
        replies = await self.store.write([item, item])
        assert replies[0] == replies[1] or "ok" in replies, "sent twice, it changes nothing"
        return replies[0]

    async def answer(self, battle: str, answer: int, text: str = "because") -> None:
        assert await self.begin(battle, answer) == "started"
        assert await self.write(battle, answer, text) == "ok"
        assert await self.write(battle, answer, "", "stop") == "ok"
        await self.reconciler.reconcile(battle)
