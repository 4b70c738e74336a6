"""What is gathered for Redis survives that Redis is unavailable for a moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from app.arena.store import AnswerUpdate, WriteReply
from app.arena.writer import BatchWriter
from tests.helpers import PATIENCE_S


class StoreUnavailableOnce:
    """A store that refuses the first call, and sets ``refused`` before it does."""

    def __init__(self) -> None:
        self.written: list[AnswerUpdate] = []
        self.refused = asyncio.Event()
        self.stored = asyncio.Event()

    async def write(self, items: Sequence[AnswerUpdate]) -> list[WriteReply]:
        if not self.refused.is_set():
            self.refused.set()
            raise RedisConnectionError("away")
        self.written += items
        self.stored.set()
        return ["ok"] * len(items)


@pytest.fixture
async def unavailable() -> AsyncIterator[tuple[StoreUnavailableOnce, BatchWriter]]:
    store = StoreUnavailableOnce()
    writer = BatchWriter(store, timedelta(milliseconds=1))  # type: ignore[arg-type]
    task = asyncio.create_task(writer.run(), name="writer")
    yield store, writer
    task.cancel()
    await asyncio.wait({task})


async def test_why_an_answer_waits_is_sent_again_when_redis_is_back(
    unavailable: tuple[StoreUnavailableOnce, BatchWriter],
) -> None:
    store, writer = unavailable
    writer.show_state("b", 0, "loading", None, 7)
    async with asyncio.timeout(PATIENCE_S):
        await store.stored.wait()
    assert [(item.battle, item.answer, item.state, item.extra) for item in store.written] == [
        ("b", 0, "loading", ',"eta_s":7')
    ]


async def test_the_newest_reason_to_wait_wins_over_the_one_that_was_not_sent(
    unavailable: tuple[StoreUnavailableOnce, BatchWriter],
) -> None:
    store, writer = unavailable
    writer.show_state("b", 0, "queued", 2, None)
    async with asyncio.timeout(PATIENCE_S):
        await store.refused.wait()
        writer.show_state("b", 0, "loading", None, None)
        await store.stored.wait()
    assert [item.state for item in store.written] == ["loading"]
