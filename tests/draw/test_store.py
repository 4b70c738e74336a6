"""What workers share of the draw, on a real Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from app.draw.planning.rotation import Rotation
from app.draw.store import GONE_FOR, ROTATION, DrawnSets, DrawStore, by_model

SETS = DrawnSets("9f3a", Rotation(3, {"one": ("a", "b")}, ("c",), 1.0, 2.0, 3.0, 0.5, "b", ("c",), "field"))


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(redis: Redis, clock: Callable[[], float]) -> DrawStore:
    return DrawStore(redis, clock)


async def test_what_is_written_is_read(store: DrawStore) -> None:
    assert (await store.read()).sets is None
    assert await store.replace(b"", SETS)
    assert (await store.read()).sets == SETS
    assert SETS.set_id == "9f3a-3"


async def test_a_worker_whose_turn_has_passed_can_not_bring_an_old_rotation_back(store: DrawStore) -> None:
    await store.replace(b"", SETS)
    read_by_both = (await store.read()).raw
    newer = DrawnSets("9f3a", Rotation(4, {"one": ("a", "c")}))
    assert await store.replace(read_by_both, newer)
    assert not await store.replace(read_by_both, SETS)
    assert (await store.read()).sets == newer


async def test_a_rotation_of_another_version_is_begun_anew(store: DrawStore, redis: Redis) -> None:
    await redis.set(ROTATION, b'{"rotation": 7}', ex=60)
    known = await store.read()
    assert known.sets is None
    assert await store.replace(known.raw, SETS)


async def test_exposures_are_those_of_the_last_day(store: DrawStore, clock: Clock) -> None:
    await store.count("9f3a-3", ("b", "a", "c"))
    clock.now += 12 * 3600
    await store.count("9f3a-3", ("a", "b"))
    await store.count(None, ("a", "b"))
    seen = await store.exposures()
    assert seen == {frozenset("ab"): 3, frozenset("ac"): 1, frozenset("bc"): 1}
    assert by_model(seen.items()) == {"a": 4, "b": 4, "c": 2}
    assert await store.battles_of("9f3a-3") == 2
    clock.now += 12 * 3600
    assert await store.exposures() == {frozenset("ab"): 2}


async def test_hours_that_are_over_are_read_once(
    store: DrawStore, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[list[str]]()
    execute: Any = redis.execute_command

    async def counted(*command: Any, **options: Any) -> Any:
        asked.append([str(word) for word in command if str(word).startswith("arena:draw:pairs:")])
        return await execute(*command, **options)

    monkeypatch.setattr(redis, "execute_command", counted)
    await store.exposures()
    assert len(set(asked[-1])) == 24
    await store.count(None, ("a", "b"))
    clock.now += 3600
    other = DrawStore(redis, lambda: clock.now - 3600)
    await other.count(None, ("a", "b"))  # a worker whose clock is behind
    assert await store.exposures() == {frozenset("ab"): 2}
    asked.clear()
    assert await store.exposures() == {frozenset("ab"): 2}
    assert [len(hours) for hours in asked] == [2]


async def test_the_pairs_of_a_day_and_the_battles_of_a_set_are_read_in_one_command(
    store: DrawStore, clock: Clock
) -> None:
    assert await store.drawn("9f3a-3") == ({}, 0)
    await store.count("9f3a-3", ("a", "b"))
    clock.now += 3600
    await store.count("9f3a-3", ("c", "a", "b"))
    pairs = {frozenset("ab"): 2, frozenset("ac"): 1, frozenset("bc"): 1}
    assert await store.drawn("9f3a-3") == (pairs, 2)
    assert await store.drawn("9f3a-4") == (pairs, 0)
    assert await store.drawn(None) == (pairs, 0)


async def test_what_a_host_refused_is_known_to_all_for_a_while(store: DrawStore, clock: Clock) -> None:
    await store.refused({("one", "a")})
    assert (await store.read()).gone == {("one", "a")}
    clock.now += GONE_FOR.total_seconds() + 1
    assert (await store.read()).gone == frozenset()
    await store.refused(())
