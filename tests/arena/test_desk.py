"""Where lanes ask whether an answer may fail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.arena.desk import ArenaDesk
from app.arena.requests import Opening
from app.arena.writer import TickWriter
from app.backends.base import GenerationRequest
from app.lanes.job import Job
from tests.arena.test_log import House

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

NOBODY: frozenset[int] = frozenset()


@pytest.fixture
def house(redis):
    built = House(redis)
    writer = TickWriter(built.store, timedelta(milliseconds=1))
    built.desk = ArenaDesk(built.store, writer, lambda _, model: GenerationRequest(model, ()), built.settler.settle)
    return built


async def opened(house, count):
    snapshot = await house.manager.open(Opening("Why do rivers bend?", ["a:1", "b:1", "c:1"], count))
    return [Job(snapshot.battle_id, entry, "a:1") for entry in range(count)]


async def test_of_two_contestants_each_is_needed(house):
    for job in await opened(house, 2):
        assert await house.desk.needed(job, NOBODY)


async def test_of_three_one_may_fail_and_then_none(house):
    jobs = await opened(house, 3)
    assert not await house.desk.needed(jobs[0], NOBODY)
    assert await house.desk.needed(jobs[1], frozenset({0})), "the other one is failing at this moment"


async def test_an_answer_that_has_failed_but_was_not_settled_yet_counts(house):
    jobs = await opened(house, 3)
    await house.begin(jobs[0].battle, 0)
    await house.write(jobs[0].battle, 0, "half", finish="error", error="cut_off")
    assert await house.desk.needed(jobs[1], NOBODY)


async def test_when_the_battle_is_over_nobody_is_needed(house):
    jobs = await opened(house, 2)
    await house.manager.stop(jobs[0].battle)
    assert not await house.desk.needed(jobs[0], NOBODY)
    assert not await house.desk.needed(Job("unknown", 0, "a:1"), NOBODY)
