"""Where drivers ask whether an answer may fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import NoReturn

import pytest
from redis.asyncio import Redis

from app.arena.document import Document
from app.arena.reconcile import Reconciler
from app.arena.requests import OpenRequest
from app.arena.sink import ArenaSink
from app.arena.writer import BatchWriter
from app.backends.base import GenerationRequest
from app.scheduling.job import Job
from app.scheduling.ports import Finish
from app.timing.stopwatch import Timing
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.helpers import known

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

NONE_CONDEMNED: frozenset[int] = frozenset()


class Sinking(ArenaOnRedis):
    """The arena's inner rooms, and a sink that asks models with ``request_for``."""

    def __init__(self, redis: Redis, request_for: Callable[[Document, str], GenerationRequest]) -> None:
        super().__init__(redis)
        self.writer = BatchWriter(self.store, timedelta(milliseconds=1))
        self.sink = ArenaSink(self.store, self.writer, request_for, self.reconciler.reconcile)


@pytest.fixture
def arena(redis: Redis) -> Sinking:
    return Sinking(redis, lambda _, model: GenerationRequest(model, ()))


async def opened(arena: ArenaOnRedis, count: int) -> list[Job]:
    snapshot = await arena.manager.open(OpenRequest("Why do rivers bend?", ["a:1", "b:1", "c:1"], count))
    return [Job(snapshot.battle_id, entry, "a:1") for entry in range(count)]


async def test_of_two_contestants_both_are_needed(arena: Sinking) -> None:
    for job in await opened(arena, 2):
        assert await arena.sink.is_needed(job, NONE_CONDEMNED)


async def test_of_three_one_may_fail_and_then_none(arena: Sinking) -> None:
    jobs = await opened(arena, 3)
    assert not await arena.sink.is_needed(jobs[0], NONE_CONDEMNED)
    assert await arena.sink.is_needed(jobs[1], frozenset({0})), "the other one is failing at this moment"


async def test_an_answer_that_has_failed_but_was_not_reconciled_yet_counts(arena: Sinking) -> None:
    jobs = await opened(arena, 3)
    await arena.begin(jobs[0].battle, 0)
    await arena.write(jobs[0].battle, 0, "half", finish="error", error="cut_off")
    assert await arena.sink.is_needed(jobs[1], NONE_CONDEMNED)


async def test_when_the_battle_is_over_no_answer_is_needed(arena: Sinking) -> None:
    jobs = await opened(arena, 2)
    await arena.manager.stop(jobs[0].battle)
    assert not await arena.sink.is_needed(jobs[0], NONE_CONDEMNED)
    assert not await arena.sink.is_needed(Job("unknown", 0, "a:1"), NONE_CONDEMNED)


FAILED = Finish("error", Timing(), "unavailable")


@pytest.fixture
async def writing(redis: Redis) -> AsyncIterator[Sinking]:
    """An arena whose sink can't make any request, with its writer running."""

    def broken(_: Document, model: str) -> NoReturn:
        raise ValueError("a bug")

    built = Sinking(redis, broken)
    task = asyncio.create_task(built.writer.run(), name="writer")
    yield built
    task.cancel()
    await asyncio.wait({task})


async def test_an_answer_that_can_not_be_begun_can_be_ended_with_an_error(writing: Sinking) -> None:
    first, second, _ = await opened(writing, 3)
    with pytest.raises(ValueError, match="a bug"):
        await writing.sink.begin(first, 1, "gpu")
    await writing.sink.fail(first, 2, "gpu", FAILED)
    await writing.sink.ended(first)
    state = known(await writing.store.state(first.battle, "all"))
    assert (state.answers[0].finish, known(state.answers[0].error)["code"]) == ("error", "unavailable")
    assert state.document.battle.running, "two are left"
    assert known(state.document.battle.pair).side_of(0) is None
    await writing.sink.fail(second, 3, "gpu", FAILED)
    await writing.sink.ended(second)
    assert (await writing.manager.snapshot(first.battle)).to_dict()["status"] == "failed"


async def test_what_has_ended_is_not_failed_again(writing: Sinking) -> None:
    job, *_ = await opened(writing, 2)
    await writing.answer(job.battle, 0, "because")
    await writing.sink.fail(job, 9, "gpu", FAILED)
    state = known(await writing.store.state(job.battle, "all"))
    assert (state.answers[0].finish, state.answers[0].text) == ("stop", "because")


async def test_a_model_that_can_not_be_described_does_not_keep_its_battle_from_moving(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)

    def broken(document: Document, model: str, host: str) -> NoReturn:
        raise ValueError("a bug")

    arena.reconciler = Reconciler(arena.store, arena.ledger, arena.dispatcher, describe=broken)
    job, *_ = await opened(arena, 2)
    for entry in range(2):
        await arena.answer(job.battle, entry)
    assert known(await arena.store.state(job.battle)).document.battle.ready
    assert arena.ledger.saved[job.battle][0].asked is None
