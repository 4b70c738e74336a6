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
from tests.arena.test_log import House
from tests.helpers import known

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

NOBODY: frozenset[int] = frozenset()


class Sinking(House):
    """The arena's inner rooms, and a sink that asks models with ``request_for``."""

    def __init__(self, redis: Redis, request_for: Callable[[Document, str], GenerationRequest]) -> None:
        super().__init__(redis)
        self.writer = BatchWriter(self.store, timedelta(milliseconds=1))
        self.sink = ArenaSink(self.store, self.writer, request_for, self.reconciler.reconcile)


@pytest.fixture
def house(redis: Redis) -> Sinking:
    return Sinking(redis, lambda _, model: GenerationRequest(model, ()))


async def opened(house: House, count: int) -> list[Job]:
    snapshot = await house.manager.open(OpenRequest("Why do rivers bend?", ["a:1", "b:1", "c:1"], count))
    return [Job(snapshot.battle_id, entry, "a:1") for entry in range(count)]


async def test_of_two_contestants_each_is_needed(house: Sinking) -> None:
    for job in await opened(house, 2):
        assert await house.sink.is_needed(job, NOBODY)


async def test_of_three_one_may_fail_and_then_none(house: Sinking) -> None:
    jobs = await opened(house, 3)
    assert not await house.sink.is_needed(jobs[0], NOBODY)
    assert await house.sink.is_needed(jobs[1], frozenset({0})), "the other one is failing at this moment"


async def test_an_answer_that_has_failed_but_was_not_settled_yet_counts(house: Sinking) -> None:
    jobs = await opened(house, 3)
    await house.begin(jobs[0].battle, 0)
    await house.write(jobs[0].battle, 0, "half", finish="error", error="cut_off")
    assert await house.sink.is_needed(jobs[1], NOBODY)


async def test_when_the_battle_is_over_nobody_is_needed(house: Sinking) -> None:
    jobs = await opened(house, 2)
    await house.manager.stop(jobs[0].battle)
    assert not await house.sink.is_needed(jobs[0], NOBODY)
    assert not await house.sink.is_needed(Job("unknown", 0, "a:1"), NOBODY)


FAILED = Finish("error", Timing(), "unavailable")


@pytest.fixture
async def writing(redis: Redis) -> AsyncIterator[Sinking]:
    """A house whose sink can't make any request, with its writer running."""

    def broken(_: Document, model: str) -> NoReturn:
        raise ValueError("a bug")

    built = Sinking(redis, broken)
    task = asyncio.create_task(built.writer.run(), name="writer")
    yield built
    task.cancel()
    await asyncio.wait({task})


async def test_an_answer_that_can_not_be_begun_can_be_ended_and_its_viewers_are_told(writing: Sinking) -> None:
    first, second, _ = await opened(writing, 3)
    with pytest.raises(ValueError, match="a bug"):
        await writing.sink.begin(first, 1, "gpu")
    await writing.sink.fail(first, 2, "gpu", FAILED)
    await writing.sink.ended(first)
    look = known(await writing.store.look(first.battle, "all"))
    assert (look.answers[0].finish, known(look.answers[0].error)["code"]) == ("error", "unavailable")
    assert look.document.battle.running, "two are left"
    assert known(look.document.battle.pair).side_of(0) is None
    await writing.sink.fail(second, 3, "gpu", FAILED)
    await writing.sink.ended(second)
    assert (await writing.manager.snapshot(first.battle)).to_dict()["status"] == "failed"


async def test_what_has_ended_is_not_failed_again(writing: Sinking) -> None:
    job, *_ = await opened(writing, 2)
    await writing.answer(job.battle, 0, "because")
    await writing.sink.fail(job, 9, "gpu", FAILED)
    look = known(await writing.store.look(job.battle, "all"))
    assert (look.answers[0].finish, look.answers[0].text) == ("stop", "because")


async def test_a_model_that_can_not_be_described_does_not_keep_its_battle_from_moving(redis: Redis) -> None:
    house = House(redis)

    def broken(document: Document, model: str, host: str) -> NoReturn:
        raise ValueError("a bug")

    house.reconciler = Reconciler(house.store, house.ledger, house.dispatcher, describe=broken)
    job, *_ = await opened(house, 2)
    for entry in range(2):
        await house.answer(job.battle, entry)
    assert known(await house.store.look(job.battle)).document.battle.ready
    assert house.ledger.saved[job.battle][0].asked is None
