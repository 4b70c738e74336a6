"""Queue, lease and driver on a real Redis; ``test_doubles`` has what holds for the doubles, too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.backends.scripted import Script, ScriptedBackend
from app.redis.client import commands_client, subscriber_client
from app.scheduling.dispatch.queue import HostQueue
from app.scheduling.driver.intervals import Intervals
from app.scheduling.job import Job, Priority
from app.scheduling.lease import HostLease
from tests.helpers import PATIENCE_S, MachineTime, wait_until
from tests.redis.server import RedisServer
from tests.scheduling.conftest import Clock, SharedHost, job

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")
LONG = Script.of("so", timedelta(seconds=30), "on")


@pytest.fixture
async def subscriber(redis_url: str) -> AsyncIterator[Redis]:
    client = subscriber_client(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def queue(redis: Redis, subscriber: Redis) -> HostQueue:
    return HostQueue(redis, "gpu", subscriber)


@pytest.fixture
async def shared(queue: HostQueue) -> AsyncIterator[SharedHost]:
    """A shared whose queue is in Redis."""
    shared = SharedHost(queue)
    yield shared
    await shared.close()


async def emptied(shared: SharedHost) -> bool:
    return await shared.queue.length() == 0


async def test_a_job_that_can_not_be_read_is_dropped_and_said(redis: Redis, queue: HostQueue) -> None:
    await queue.enqueue([job(1)], 10)
    await redis.hset("arena:host:{gpu}:jobs", "bad:1", b'{"battle": 7}')
    with capture_logs() as logs:
        assert [one.id for one in await queue.read()] == [job(1).id]
    assert [line["job"] for line in logs] == ["bad:1"]
    assert await queue.length() == 1


async def test_nudges_go_on_after_redis_was_away(redis_server: RedisServer) -> None:
    client, subscriber = commands_client(redis_server.url), subscriber_client(redis_server.url)
    queue = HostQueue(client, "gpu", subscriber)
    async with aclosing(queue.nudges()) as nudges:
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) is None
        redis_server.restart()
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) is None, "it may have missed some, so it says so"
        await queue.enqueue([one := job(1, at=1.0)], 10)
        while (nudge := await asyncio.wait_for(anext(nudges), PATIENCE_S)) is None:
            pass  # each connection that was lost says so once
        assert nudge == (one,)
    await client.aclose()
    await subscriber.aclose()


async def test_a_lease_is_seen_to_be_taken_by_whom_it_is_not(redis: Redis) -> None:
    first, second = HostLease(redis, "gpu"), HostLease(redis, "gpu")
    assert not await second.taken()
    assert await first.acquire()
    assert await second.taken()
    await first.release()
    assert not await second.taken()


async def test_a_renewed_lease_lasts_another_term(redis: Redis) -> None:
    clock = Clock()
    lease = HostLease(redis, "gpu", term=timedelta(seconds=100), clock=clock)
    assert await lease.acquire()
    for _ in range(4):
        clock.now += 90
        await redis.pexpire("arena:host:{gpu}:lease", 10_000)
        assert await lease.renew()
        assert 10_000 < await redis.pttl("arena:host:{gpu}:lease") <= 100_000
        assert lease.held
    clock.now += 100
    assert not lease.held


async def test_an_owner_whose_lease_was_taken_gets_no_number_even_if_its_clock_stood_still(redis: Redis) -> None:
    hung = HostLease(redis, "gpu", clock=lambda: 0.0)
    assert await hung.acquire()
    await redis.delete("arena:host:{gpu}:lease")
    assert await HostLease(redis, "gpu").acquire()
    assert hung.held, "by its own clock"
    assert await hung.next_token() is None
    assert not await hung.renew()
    assert not hung.held


async def test_an_owner_knows_by_its_own_clock_that_its_lease_is_over(redis_server: RedisServer) -> None:
    client = commands_client(redis_server.url)
    lease = HostLease(client, "gpu", term=timedelta(seconds=0.6))
    assert await lease.acquire()
    redis_server.kill()
    assert await lease.renew(), "nobody can say, so what is left counts"
    await wait_until(lambda: not lease.held)
    assert await lease.next_token() is None
    await client.aclose()


async def test_another_driver_takes_over_within_five_seconds_of_its_owners_death(
    shared: SharedHost, redis: Redis
) -> None:
    dead = shared.open(
        ScriptedBackend({"a": [LONG]}, resident=["a"]), lease=HostLease(redis, "gpu"), intervals=Intervals(), slots=2
    )
    jobs = [job(1), job(2)]
    await shared.put(*jobs)
    await wait_until(lambda: all(shared.text(one) == "so" for one in jobs))
    new = ScriptedBackend({"a": [Script.of("whole")]}, resident=["a"])
    shared.open(new, lease=HostLease(redis, "gpu"), intervals=Intervals(), slots=2)
    with MachineTime() as took:
        shared.kill(dead)
        await wait_until(lambda: all(shared.text(one) == "whole" for one in jobs))
    assert took.seconds < 5
    await wait_until(lambda: all(shared.sink.answer(one).reconciled for one in jobs))
    tokens = [attempt.token for one in jobs for attempt in shared.sink.answer(one).attempts]
    assert sorted(tokens) == [1, 2, 3, 4]
    await wait_until(lambda: emptied(shared))


async def test_an_answer_goes_on_while_redis_is_away_and_nothing_new_is_started(redis_server: RedisServer) -> None:
    client, subscriber = commands_client(redis_server.url), subscriber_client(redis_server.url)
    shared = SharedHost(HostQueue(client, "gpu", subscriber))
    script = Script.of("one", timedelta(seconds=6), " two")
    backend = ScriptedBackend({"a": [script], "b": [Script.of("later")]}, resident=["a", "b"])
    shared.open(backend, lease=HostLease(client, "gpu"), intervals=Intervals())
    one, later = job(1), job(2, "b")
    await shared.put(one)
    await wait_until(lambda: shared.text(one))
    redis_server.kill()
    await wait_until(lambda: not shared.drivers[0][0].driving)
    assert backend.writing == ["a"]
    redis_server.start()
    await shared.put(one, later)
    await wait_until(shared.ended(later))
    await wait_until(shared.ended(one))
    assert shared.text(one) == "one two"
    assert len(shared.sink.answer(one).attempts) == 1
    await shared.close()
    await client.aclose()
    await subscriber.aclose()


async def test_hundreds_of_jobs_are_all_written_once(shared: SharedHost, redis: Redis) -> None:
    backend = ScriptedBackend(resident=["a", "b"])
    shared.open(backend, lease=HostLease(redis, "gpu"), slots=16)
    jobs = [Job(f"b{n}", n, "ab"[n % 2], Priority(n % 3), 1000.0 + n) for n in range(300)]
    for start in range(0, 300, 100):
        await shared.queue.enqueue(jobs[start : start + 100], 300)
    await wait_until(lambda: all(shared.sink.answer(one).reconciled for one in jobs))
    assert len(backend.called("stream")) == 300
    await wait_until(lambda: emptied(shared))
    assert {len(shared.sink.answer(one).attempts) for one in jobs} == {1}
