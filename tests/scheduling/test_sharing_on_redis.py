"""What the processes share of their hosts, on a real Redis: assignments, announcements and reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import time

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from app.redis.client import commands_client
from app.scheduling.dispatch.assignments import HostAssignments
from app.scheduling.dispatch.queue import MOST_PREWARM_REQUESTS, HostQueue
from app.scheduling.dispatch.router import Router
from app.scheduling.job import Job
from app.scheduling.report import KEEP, HostEvent, HostReport, HostReports, ResidentReport
from tests.helpers import PATIENCE_S
from tests.scheduling.conftest import a_host, job

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")
HOSTS = ("one", "two", "three")


@pytest.fixture
async def other(redis_url: str) -> AsyncIterator[Redis]:
    """The connections of another process."""
    client = commands_client(redis_url)
    yield client
    await client.aclose()


def router(redis: Redis) -> Router:
    return Router(
        [a_host(host) for host in HOSTS],
        {host: HostQueue(redis, host) for host in HOSTS},
        {host: ["a"] for host in HOSTS},
        100,
        HostReports(redis, HOSTS),
        assignments=HostAssignments(redis),
    )


async def where(redis: Redis, one: Job) -> list[str]:
    return [host for host in HOSTS if one.id in {kept.id for kept in await HostQueue(redis, host).read()}]


async def test_answers_that_two_processes_enqueue_at_once_are_each_in_one_queue(redis: Redis, other: Redis) -> None:
    # They see different hosts as the best, and begin at the same moment.
    await HostReports(redis, HOSTS).put(HostReport("one", 0.0, residents=(ResidentReport("a"),)))
    first, second = router(redis), router(other)
    await first.room(["a"])
    await HostReports(redis, HOSTS).put(HostReport("one", 0.0, health="down"))
    jobs = [job(n) for n in range(30)]
    await asyncio.gather(*(way.enqueue([one]) for one in jobs for way in (first, second)))
    assert [len(await where(redis, one)) for one in jobs] == [1] * 30


async def test_an_answer_that_two_processes_move_at_once_ends_in_one_queue(redis: Redis, other: Redis) -> None:
    first, second = router(redis), router(other)
    jobs = [job(n) for n in range(20)]
    await HostQueue(redis, "one").enqueue(jobs, 100)
    await HostAssignments(redis).assign({one.id: "one" for one in jobs})
    await asyncio.gather(*(way.move(one, "one") for one in jobs for way in (first, second)))
    homes = [await where(redis, one) for one in jobs]
    assert all(len(home) == 1 and home != ["one"] for home in homes)
    assert [[await HostAssignments(redis).of(one.id)] for one in jobs] == homes


async def test_the_first_who_wants_an_answer_assigns_it(redis: Redis) -> None:
    assignments = HostAssignments(redis)
    assert await assignments.assign({}) == {}
    assert await assignments.assign({"b:1": "one", "b:2": "two"}) == {"b:1": "one", "b:2": "two"}
    assert await assignments.assign({"b:2": "one", "b:3": "one"}) == {"b:2": "two", "b:3": "one"}
    assert await assignments.of("b:2") == "two"
    assert await assignments.of("b:9") is None


async def test_only_the_host_that_has_an_answer_gives_it_away(redis: Redis) -> None:
    assignments = HostAssignments(redis)
    await assignments.assign({"b:1": "one"})
    assert await assignments.move("b:1", "two", "three") == "one"
    assert await assignments.move("b:1", "one", "two") == "two"
    assert await assignments.move("b:1", "one", "two") == "two", "sent twice, it changes nothing"
    assert await assignments.move("b:2", "one", "three") == "three", "what is nobody's becomes the other's"
    await assignments.forget(["b:1", "b:2"])
    await assignments.forget([])
    assert await redis.exists(HostAssignments.KEY) == 0


async def test_an_assignment_is_kept_for_a_day_after_the_newest(redis: Redis) -> None:
    await HostAssignments(redis).assign({"b:1": "one"})
    assert 86_390 <= await redis.ttl(HostAssignments.KEY) <= 86_400
    await redis.expire(HostAssignments.KEY, 5)
    await HostAssignments(redis).move("b:1", "one", "two")
    assert await redis.ttl(HostAssignments.KEY) > 86_000


async def test_a_moved_answer_keeps_where_it_was_over_redis(redis: Redis) -> None:
    way = router(redis)
    await way.enqueue([job(1, at=1795226340.1234)])
    (first,) = await where(redis, job(1))
    second = await way.move(job(1, at=1795226340.1234), first)
    assert second is not None
    (kept,) = await HostQueue(redis, second).read()
    assert (kept.tried, kept.enqueued_at) == ((first,), 1795226340.1234)
    assert await way.move(kept, second) == next(host for host in HOSTS if host not in (first, second))


async def test_what_is_announced_is_known_until_its_time(redis: Redis) -> None:
    queue, until = HostQueue(redis, "one"), round(time(), 3) + 60
    await queue.request_prewarm(["a", "b"], until)
    assert await queue.prewarm_requests() == {"a": until, "b": until}
    assert 0 < await redis.ttl("arena:host:{one}:wishes") <= 600
    await queue.request_prewarm([], until)
    assert set(await queue.prewarm_requests()) == {"a", "b"}
    await queue.request_prewarm(["c"], until)
    assert set(await queue.prewarm_requests()) == {"c"}, "the newest announcement counts"


async def test_what_is_announced_is_kept_whatever_redis_clock_says(redis: Redis) -> None:
    queue, until = HostQueue(redis, "one"), round(time(), 3) - 600
    await queue.request_prewarm(["a"], until)
    assert await queue.prewarm_requests() == {"a": until}, "by the clock of whoever reads it, there is time left"


async def test_no_more_than_a_bounded_number_of_models_is_announced(redis: Redis) -> None:
    queue = HostQueue(redis, "one")
    await queue.request_prewarm([f"model{n}" for n in range(3 * MOST_PREWARM_REQUESTS)], time() + 60)
    assert len(await queue.prewarm_requests()) == MOST_PREWARM_REQUESTS


async def test_an_announcement_is_a_nudge(redis: Redis) -> None:
    queue = HostQueue(redis, "one")
    async with aclosing(queue.nudges()) as nudges:
        await asyncio.wait_for(anext(nudges), PATIENCE_S)
        await queue.request_prewarm(["a"], time() + 60)
        assert await asyncio.wait_for(anext(nudges), PATIENCE_S) is None


async def test_a_visit_reaches_the_queue_of_a_host(redis: Redis) -> None:
    await router(redis).warm(["a"])
    assert [set(await HostQueue(redis, host).prewarm_requests()) for host in HOSTS].count({"a"}) == 1


FULL = HostReport(
    "one",
    1795226340.5,
    "trying",
    "unavailable",
    since=1795226300.0,
    version="0.33.3",
    residents=(ResidentReport("a", 8, 6, 4096, 1795229999.0, 1.0, 2.0, ("offloaded",), ours=False),),
    loading="b",
    loading_since=1795226339.0,
    waiting=3,
    running=1,
    waiting_by_model={"b": 3},
    running_by_model={"a": 1},
    load_s={"a": 7.5},
    answer_s={"a": 12.25},
    tokens_per_s={"a": 40.0},
    planned=("a", "b"),
    max_models=2,
    events=(HostEvent(1795226300.0, "host_down", detail="unavailable"), HostEvent(1795226301.0, "slow", "a", "x")),
)


async def test_a_report_is_read_as_it_was_put_by_every_process(redis: Redis, other: Redis) -> None:
    await HostReports(redis, HOSTS).put(FULL)
    assert await HostReports(other, HOSTS).read() == {"one": FULL}


async def test_a_report_is_forgotten_soon_after_its_writer(redis: Redis) -> None:
    await HostReports(redis, HOSTS).put(FULL)
    assert 0 < await redis.pttl("arena:host:{one}:report") <= KEEP.total_seconds() * 1000


async def test_a_report_of_another_version_is_left_out_and_said_once(redis: Redis) -> None:
    reports = HostReports(redis, HOSTS)
    await reports.put(HostReport("two", 1.0))
    await redis.set("arena:host:{one}:report", b'{"host": "one", "health": "unheard of"}', ex=10)
    await redis.set("arena:host:{three}:report", b"\xff", ex=10)
    with capture_logs() as logs:
        assert set(await reports.read()) == {"two"}
        assert set(await reports.read()) == {"two"}
    assert [(line["event"], line["host"]) for line in logs] == [
        ("report_unreadable", "one"),
        ("report_unreadable", "three"),
    ]


async def test_a_report_with_fields_of_a_newer_version_is_still_read(redis: Redis) -> None:
    await redis.set("arena:host:{one}:report", b'{"host": "one", "at": 1.0, "mood": "fine"}', ex=10)
    assert await HostReports(redis, HOSTS).read() == {"one": HostReport("one", 1.0)}
