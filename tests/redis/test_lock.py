"""The lock under which one worker at a time does something, on a real Redis."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from app.redis.lock import WorkerLock
from tests.helpers import PATIENCE_S, wait_until

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

TERM = timedelta(seconds=0.9)


def lock_on(redis: Redis, term: timedelta = TERM) -> WorkerLock:
    """A lock whose owner's clock stands still: only Redis ends it."""
    return WorkerLock(redis, "turn", term, clock=lambda: 0.0)


async def test_one_holds_it_until_it_is_released(redis: Redis) -> None:
    first, second = lock_on(redis, timedelta(seconds=60)), lock_on(redis, timedelta(seconds=60))
    assert await first.acquire()
    assert first.held
    assert await redis.get("turn") == first.token
    assert not await second.acquire()
    assert await second.taken()
    await second.release()  # not its own: nothing
    assert await first.renew()
    await first.release()
    assert not first.held
    assert await second.acquire()
    assert not await first.renew()


async def test_it_is_renewed_while_work_lasts(redis: Redis) -> None:
    async def renewed() -> bool:
        return await redis.pttl("turn") <= 900

    lock, go_on = lock_on(redis), asyncio.Event()
    assert await lock.acquire()
    working = asyncio.create_task(lock.run(wait_for(go_on)))
    for _ in range(2):
        await redis.pexpire("turn", 60_000)
        await wait_until(renewed)
    go_on.set()
    assert await working


async def test_work_is_cancelled_when_the_lock_is_lost(redis: Redis) -> None:
    lock = lock_on(redis, timedelta(seconds=0.3))
    assert await lock.acquire()
    never = asyncio.Event()
    await redis.set("turn", "another's", px=60_000)
    assert not await asyncio.wait_for(lock.run(wait_for(never)), PATIENCE_S)
    assert not lock.held


async def test_work_is_cancelled_when_its_own_clock_says_that_the_term_has_passed(redis: Redis) -> None:
    now = [0.0]
    lock = WorkerLock(redis, "turn", timedelta(seconds=0.3), clock=lambda: now[0])
    assert await lock.acquire()
    working = asyncio.create_task(lock.run(wait_for(asyncio.Event())))
    now[0] = 0.31
    assert not await asyncio.wait_for(working, PATIENCE_S)


async def test_a_failure_of_the_work_comes_through_and_ends_the_renewals(redis: Redis) -> None:
    async def fails() -> None:
        raise ValueError("the work's own")

    lock = lock_on(redis)
    assert await lock.acquire()
    with pytest.raises(ValueError, match="the work's own"):
        await lock.run(fails())
    await wait_until(lambda: not any("renew turn" in task.get_name() for task in asyncio.all_tasks()))


async def test_it_can_be_left_to_expire_later(redis: Redis) -> None:
    lock = lock_on(redis)
    assert await lock.acquire()
    await lock.expire_in(timedelta(seconds=60))
    assert not lock.held
    assert not await lock.acquire()
    assert await redis.pttl("turn") > 50_000


async def wait_for(event: asyncio.Event) -> None:
    await event.wait()


async def test_work_is_done_under_it_if_it_is_free_and_it_is_free_afterwards(redis: Redis) -> None:
    term = timedelta(seconds=60)
    done: list[object] = []

    async def work() -> None:
        done.append(await redis.get("turn"))

    async def fails() -> None:
        raise ValueError("no")

    holder, lock = lock_on(redis, term), lock_on(redis, term)
    assert await holder.acquire()
    assert not await lock.run_if_free(work)
    assert done == []
    await holder.release()
    assert await lock.run_if_free(work)
    assert len(done) == 1
    assert done[0] is not None
    with pytest.raises(ValueError, match="no"):
        await lock.run_if_free(fails)
    assert not await lock.taken()
