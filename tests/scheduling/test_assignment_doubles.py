"""What a router may rely on at its assignments holds for those in Redis and for their double."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from app.redis.client import commands_client
from app.scheduling.dispatch.assignments import Assignments, HostAssignments, MemoryAssignments


@pytest.fixture(params=["memory", "redis"])
async def assignments(request: pytest.FixtureRequest) -> AsyncIterator[Assignments]:
    if request.param == "memory":
        yield MemoryAssignments()
        return
    request.getfixturevalue("no_key_without_ttl")
    client = commands_client(request.getfixturevalue("redis_url"))
    yield HostAssignments(client)
    await client.aclose()


async def test_the_first_host_that_was_wanted_has_the_answer(assignments: Assignments) -> None:
    assert await assignments.assign({}) == {}
    assert await assignments.of("b:0") is None
    assert await assignments.assign({"b:0": "one", "b:1": "two"}) == {"b:0": "one", "b:1": "two"}
    assert await assignments.assign({"b:1": "one", "b:2": "three"}) == {"b:1": "two", "b:2": "three"}
    assert [await assignments.of(f"b:{n}") for n in range(4)] == ["one", "two", "three", None]


async def test_only_who_has_an_answer_can_give_it_away(assignments: Assignments) -> None:
    await assignments.assign({"b:0": "one"})
    assert await assignments.move("b:0", "two", "three") == "one"
    assert await assignments.move("b:0", "one", "two") == "two"
    assert await assignments.move("b:0", "one", "two") == "two", "said twice, it changes nothing"
    assert await assignments.move("b:9", "one", "two") == "two", "what is nobody's can be given"
    assert (await assignments.of("b:0"), await assignments.of("b:9")) == ("two", "two")


async def test_what_is_forgotten_can_be_assigned_anew(assignments: Assignments) -> None:
    await assignments.assign({"b:0": "one", "b:1": "one"})
    await assignments.forget([])
    await assignments.forget(["b:0", "b:7"])
    assert await assignments.of("b:0") is None
    assert await assignments.assign({"b:0": "two", "b:1": "two"}) == {"b:0": "two", "b:1": "one"}
