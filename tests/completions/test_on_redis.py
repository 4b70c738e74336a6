"""Columns, quotas and repeated requests, on a real Redis."""

from __future__ import annotations

import asyncio

import pytest
from redis.asyncio import Redis

from app.completions.columns import Columns
from app.completions.quotas import OverQuota, Quotas
from tests.helpers import wait_until


async def test_two_columns_of_one_chat_are_one_battle(redis: Redis) -> None:
    columns = Columns(redis)
    first, second = await columns.battle_of("chat", "b"), await columns.battle_of("chat", "a")
    assert first.battle == second.battle
    assert (first.opens, second.opens) == (True, False)
    assert (await columns.battle_of("other", "a")).battle != first.battle


async def test_columns_that_come_at_once_are_opened_once(redis: Redis) -> None:
    columns = Columns(redis)
    battles = await asyncio.gather(columns.battle_of("chat", "a"), columns.battle_of("chat", "b"))
    assert len({found.battle for found in battles}) == 1
    assert sorted(found.opens for found in battles) == [False, True]


async def test_users_who_can_not_be_told_apart_never_share_a_battle(redis: Redis) -> None:
    columns = Columns(redis)
    battles = [await columns.battle_of("same", column) for column in ("a", "a", "b", "b")]
    assert len({found.battle for found in battles}) == 4
    assert all(found.opens for found in battles)


async def test_a_third_column_does_not_join_a_pair_that_is_complete(redis: Redis) -> None:
    columns = Columns(redis)
    pair = [await columns.battle_of("same", "a"), await columns.battle_of("same", "b")]
    late = await columns.battle_of("same", "b")
    assert late.opens
    assert late.battle not in {found.battle for found in pair}


class Now:
    def __init__(self) -> None:
        self.s = 1_000_000_020.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def now() -> Now:
    return Now()


async def test_calls_at_once_are_limited_and_given_back(redis: Redis, now: Now) -> None:
    quotas = Quotas(redis, at_once=2, per_minute=100, clock=now)
    first, _ = await quotas.admit("one"), await quotas.admit("one")
    with pytest.raises(OverQuota) as over:
        await quotas.admit("one")
    assert over.value.limit == "calls"
    await quotas.admit("two")
    first()

    async def there_is_room() -> bool:
        return int(await redis.zcard("arena:calls:{one}")) == 1

    await wait_until(there_is_room)
    await quotas.admit("one")
    await quotas.aclose()


async def test_a_call_whose_worker_died_is_forgotten(redis: Redis, now: Now) -> None:
    quotas = Quotas(redis, at_once=1, per_minute=100, clock=now)
    await quotas.admit("one")
    now.s += 29 * 60
    with pytest.raises(OverQuota):
        await quotas.admit("one")
    now.s += 2 * 60
    await quotas.admit("one")
    assert await redis.zcard("arena:calls:{one}") == 1


async def test_calls_in_a_minute_are_limited(redis: Redis, now: Now) -> None:
    quotas = Quotas(redis, at_once=100, per_minute=3, clock=now)
    for _ in range(3):
        await quotas.admit("one")
    with pytest.raises(OverQuota) as over:
        await quotas.admit("one")
    assert (over.value.limit, over.value.retry_after_s) == ("per_minute", 60 - 1_000_000_020 % 60)
    now.s += 60
    await quotas.admit("one")
