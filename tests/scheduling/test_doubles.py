"""Queue, lease and reports: what a driver may rely on holds for those in Redis and for their doubles in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

import pytest
from redis.asyncio import Redis

from app.errors import QueueFull
from app.redis.client import commands_client, subscriber_client
from app.scheduling.dispatch.queue import MOST_PREWARM_REQUESTS, HostQueue
from app.scheduling.job import Job, Priority, Removed
from app.scheduling.lease import HostLease, Lease
from app.scheduling.memory_request import MemoryRequest
from app.scheduling.ports import Queue
from app.scheduling.report import HostReport, HostReports, Reports
from app.scheduling.testing.in_memory import MemoryLease, MemoryLeases, MemoryQueue, MemoryReports
from tests.helpers import PATIENCE_S
from tests.scheduling.conftest import job

Kind = Literal["memory", "redis"]


@pytest.fixture(params=["memory", "redis"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
async def real(kind: Kind, request: pytest.FixtureRequest) -> AsyncIterator[Redis | None]:
    """A Redis for the part that needs it."""
    if kind == "memory":
        yield None
        return
    request.getfixturevalue("no_key_without_ttl")
    client = commands_client(request.getfixturevalue("redis_url"))
    yield client
    await client.aclose()


@pytest.fixture
async def queue(real: Redis | None, request: pytest.FixtureRequest) -> AsyncIterator[Queue]:
    if real is None:
        yield MemoryQueue()
        return
    subscriber = subscriber_client(request.getfixturevalue("redis_url"))
    yield HostQueue(real, "gpu", subscriber)
    await subscriber.aclose()


AT = 1795226340.1234


async def test_what_was_enqueued_is_read(queue: Queue) -> None:
    jobs = {job(n, "llama3.1:8b", Priority(n % 3), at=AT) for n in range(5)}
    await queue.enqueue(sorted(jobs, key=lambda one: one.id), 10)
    assert set(await queue.read()) == jobs
    assert await queue.length() == 5
    await queue.remove([one.id for one in jobs])
    assert await queue.read() == ()


async def test_what_was_tried_elsewhere_goes_with_the_job(queue: Queue) -> None:
    moved = replace(job(1, at=AT), tried=("one", "two"))
    await queue.enqueue([moved], 10)
    assert await queue.read() == (moved,)


async def test_a_repeated_enqueue_changes_nothing_but_a_more_urgent_priority(queue: Queue) -> None:
    first = job(1, priority=Priority.PREFETCH, at=AT)
    later = replace(first, enqueued_at=AT + 59)
    await queue.enqueue([first], 10)
    await queue.enqueue([replace(later, priority=Priority.BATCH)], 10)
    assert await queue.read() == (first,)
    await queue.enqueue([replace(later, priority=Priority.INTERACTIVE)], 10)
    assert await queue.read() == (replace(first, priority=Priority.INTERACTIVE),)


async def test_jobs_go_in_all_together_or_not_at_all(queue: Queue) -> None:
    await queue.enqueue([job(1), job(2)], 3)
    with pytest.raises(QueueFull):
        await queue.enqueue([job(3), job(4)], 3)
    assert await queue.length() == 2
    await queue.enqueue([job(2), job(3)], 3)
    await queue.enqueue([job(1), job(2), job(3)], 3)
    assert await queue.length() == 3


async def test_many_enqueuers_never_pass_the_bound(queue: Queue) -> None:
    pairs = [[job(2 * n), job(2 * n + 1)] for n in range(20)]
    results = await asyncio.gather(*(queue.enqueue(pair, 11) for pair in pairs), return_exceptions=True)
    assert sum(isinstance(result, QueueFull) for result in results) == 15
    assert await queue.length() == 10


async def test_every_change_is_a_nudge(queue: Queue) -> None:
    prefetch = job(1, priority=Priority.PREFETCH, at=AT)
    urgent = replace(prefetch, priority=Priority.INTERACTIVE)
    other = job(2, at=AT)
    steps: list[tuple[list[Job], tuple[Job, ...]]] = [
        ([prefetch], (prefetch,)),
        ([urgent], (urgent,)),
        ([urgent], ()),
        ([urgent, other], (other,)),
    ]
    async with aclosing(queue.nudges()) as nudges:
        assert await anext(nudges) is None, "at first, read all"
        for enqueued, notified in steps:
            await queue.enqueue(enqueued, 10)
            assert await asyncio.wait_for(anext(nudges), PATIENCE_S) == notified
        await queue.remove([prefetch.id])
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) == Removed((prefetch.id,))
        await queue.request_prewarm(["a"], AT)
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) is None


async def test_what_changes_nothing_is_no_nudge(queue: Queue) -> None:
    async with aclosing(queue.nudges()) as nudges:
        assert await anext(nudges) is None
        await queue.enqueue([], 10)
        await queue.remove([])
        await queue.request_prewarm([], AT)
        await queue.enqueue([job(1, at=AT)], 10)
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) == (job(1, at=AT),)


async def test_the_newest_announcement_of_models_counts_and_it_has_a_bound(queue: Queue) -> None:
    assert await queue.prewarm_requests() == {}
    await queue.request_prewarm(["a", "b"], AT)
    await queue.request_prewarm(["c"], AT + 1)
    await queue.request_prewarm([], AT + 2)
    assert await queue.prewarm_requests() == {"c": AT + 1}
    await queue.request_prewarm((f"m{n:03}" for n in reversed(range(99))), AT)
    assert await queue.prewarm_requests() == {f"m{n:03}": AT for n in range(MOST_PREWARM_REQUESTS)}


async def test_what_an_operator_asked_last_of_a_model_counts(queue: Queue) -> None:
    assert await queue.memory_requests() == {}
    async with aclosing(queue.nudges()) as nudges:
        await anext(nudges)
        await queue.request_memory("a", MemoryRequest("load", AT))
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) is None
    await queue.request_memory("b", MemoryRequest("load", AT))
    await queue.request_memory("a", MemoryRequest("unload", AT + 1))
    assert await queue.memory_requests() == {"a": MemoryRequest("unload", AT + 1), "b": MemoryRequest("load", AT)}


@dataclass
class Leases:
    """Leases of one host: ``new`` is another process's, ``expire`` ends the term of whoever holds it."""

    new: Callable[[], Lease]
    expire: Callable[[], Awaitable[None]]


@pytest.fixture
def leases(real: Redis | None) -> Leases:
    if real is None:
        board = MemoryLeases()

        async def over() -> None:
            board.until = 0.0

        return Leases(lambda: MemoryLease(board), over)

    async def deleted() -> None:
        await real.delete("arena:host:{gpu}:lease")

    return Leases(lambda: HostLease(real, "gpu"), deleted)


async def test_one_owner_at_a_time_holds_a_lease_and_gets_numbers(leases: Leases) -> None:
    first, second = leases.new(), leases.new()
    assert not first.held
    assert await first.next_token() is None
    assert await first.acquire()
    assert first.held
    assert not await second.acquire()
    assert not second.held
    assert (await first.next_token(), await first.next_token(), await second.next_token()) == (1, 2, None)
    await second.release()
    assert await first.renew(), "nobody else can release it"
    await first.release()
    assert not first.held
    assert not await first.renew()
    assert await second.acquire()
    assert await second.next_token() == 3, "numbers only grow, whoever gets them"


async def test_an_owner_whose_lease_was_taken_gets_no_number(leases: Leases) -> None:
    hung, new = leases.new(), leases.new()
    assert await hung.acquire()
    await leases.expire()
    assert await new.acquire()
    assert await hung.next_token() is None
    assert not await hung.renew()
    assert not hung.held
    assert not await hung.acquire()
    await hung.release()
    assert await new.renew()


async def test_an_expired_lease_that_nobody_took_is_no_ones_and_can_be_taken_again(leases: Leases) -> None:
    hung = leases.new()
    assert await hung.acquire()
    await leases.expire()
    assert not await hung.renew()
    assert not hung.held
    assert await hung.next_token() is None
    assert await hung.acquire()
    assert await hung.next_token() == 1


@pytest.fixture
def reports(real: Redis | None) -> Reports:
    return MemoryReports() if real is None else HostReports(real, ["one", "two"])


async def test_the_newest_report_of_each_host_counts_as_a_whole(reports: Reports) -> None:
    assert await reports.read() == {}
    await reports.put(HostReport("one", 1.0, health="down", why="unavailable", waiting_by_model={"a": 2}))
    await reports.put(HostReport("two", 1.5))
    newest = HostReport("one", 2.0, load_s={"a": 1.5}, planned=("a",))
    await reports.put(newest)
    assert await reports.read() == {"one": newest, "two": HostReport("two", 1.5)}


async def test_without_hosts_there_are_no_reports(real: Redis | None) -> None:
    assert await (MemoryReports() if real is None else HostReports(real, [])).read() == {}
