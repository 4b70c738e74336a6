"""Hosts that scale to zero: woken by who plays, left alone otherwise, told apart from dead ones, and paid for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from time import time

import fakeredis
import pytest

from app.backends.base import BackendError, BackendOverloaded, BadRequest, InstalledModel
from app.backends.scripted import GeneratingBackend
from app.hosts.host import Host
from app.scheduling.driver.boots import FIRST_LIMIT, LEAST_LIMIT, BootTimes
from app.scheduling.driver.meter import Meter
from app.scheduling.spending import HostSpending, Spent
from tests.helpers import wait_until
from tests.scheduling.conftest import SHORT_INTERVALS, Clock, job
from tests.scheduling.several_hosts import SeveralHosts

QUICK = replace(
    SHORT_INTERVALS,
    read_every=timedelta(milliseconds=20),
    probe_every=timedelta(milliseconds=20),
    recheck=timedelta(milliseconds=5),
)


class Sleeper(GeneratingBackend):
    """A vLLM that scales to zero: its first questions fail with ``starting``, and every question is noted."""

    def __init__(self, *starting: BackendError) -> None:
        super().__init__()
        self.starting = list(starting)
        self.asked = 0

    async def version(self) -> str:
        self.asked += 1
        if self.starting:
            raise self.starting.pop(0)
        return "1"

    async def installed(self) -> tuple[InstalledModel, ...]:
        self.asked += 1
        return (InstalledModel("a", 0),)


@dataclass
class Books:
    """Books in memory."""

    spent: Spent = field(default_factory=Spent)

    async def add(self, spent: Spent) -> None:
        self.spent = self.spent.plus(spent)

    async def today(self) -> Spent:
        return self.spent


@pytest.fixture
async def hosts() -> AsyncIterator[SeveralHosts]:
    hosts = SeveralHosts(("gpu",))
    yield hosts
    await hosts.close()


async def health(hosts: SeveralHosts) -> tuple[str, str]:
    report = await hosts.report("gpu")
    return ("", "") if report is None else (report.health, report.why)


async def test_nothing_is_asked_until_somebody_plays_and_a_battle_wakes_it(hosts: SeveralHosts) -> None:
    server, books = Sleeper(BackendOverloaded("503"), BackendOverloaded("503")), Books()
    hosts.open("gpu", server, intervals=QUICK, spending=books, models=("a",), scale_to_zero=True)
    await wait_until(lambda: health(hosts))
    assert server.asked == 0
    await hosts.put("gpu", one := job(1))
    await wait_until(hosts.ended(one))
    assert hosts.sink.answer(one).text == "Hello from a script."
    await hosts.drivers["gpu"][0].stop(timedelta(0))
    assert (books.spent.requests, books.spent.wakes, books.spent.boots) == (1, 1, 1)
    assert books.spent.boot_s > 0
    assert ("loading", None) in {(state, place) for state, place, _ in hosts.sink.answer(one).shown}


async def test_a_visit_wakes_it_and_no_more_often_in_an_hour_than_is_allowed(hosts: SeveralHosts) -> None:
    server = Sleeper()
    brief = replace(QUICK, rest_after=timedelta(milliseconds=30))
    hosts.open("gpu", server, intervals=brief, models=("a",), scale_to_zero=True, warm_per_hour=2)
    asked = []
    for number in range(3):
        before = server.asked
        await hosts.queues["gpu"].request_prewarm(["a"], time() + 60 + number)
        if number < 2:
            await wait_until(lambda before=before: server.asked > before)  # type: ignore[misc]
        await hosts.put("gpu", one := job(number))
        await wait_until(hosts.ended(one))
        asked.append(server.asked)
    assert asked[0] > 0


async def test_what_is_awake_and_unused_is_not_kept_awake_by_questions(hosts: SeveralHosts) -> None:
    server = Sleeper()
    hosts.open("gpu", server, intervals=QUICK, models=("a",), scale_to_zero=True)
    await hosts.put("gpu", one := job(1))
    await wait_until(hosts.ended(one))
    clock = Clock()

    async def quiet() -> bool:
        before, clock.now = clock.now, float(server.asked)
        return before == clock.now

    await wait_until(quiet)
    asked = server.asked
    reports = [await hosts.report("gpu") for _ in range(20)]
    assert server.asked == asked
    assert reports[-1] is not None


async def test_what_refuses_is_dead_at_once_and_not_waited_for(hosts: SeveralHosts) -> None:
    server = Sleeper(*(BadRequest("HTTP 401: no key") for _ in range(50)))
    patient = replace(QUICK, down_patience=timedelta(0))
    hosts.open("gpu", server, intervals=patient, models=("a",), scale_to_zero=True)
    await hosts.put("gpu", one := job(1))
    await wait_until(hosts.ended(one))
    finish = hosts.sink.answer(one).finish
    assert finish is not None
    assert finish.error == "unavailable"


async def test_once_its_budget_is_spent_nothing_wakes_it(hosts: SeveralHosts) -> None:
    server, books = Sleeper(), Books(Spent(awake_s=3600.0))
    hosts.open(
        "gpu",
        server,
        intervals=replace(QUICK, down_patience=timedelta(0)),
        spending=books,
        models=("a",),
        scale_to_zero=True,
        price_per_hour=2.0,
        budget_per_day=2.0,
    )
    await wait_until(lambda: _is(hosts, ("down", "budget_spent")))
    await hosts.put("gpu", one := job(1))
    await wait_until(hosts.ended(one))
    assert server.asked == 0
    assert await hosts.router.over_budget() == ("gpu",)
    assert await hosts.router.written(["a"]) == ()
    books.spent = Spent()  # another day
    await wait_until(lambda: _is(hosts, ("trying", "budget_spent")))
    await hosts.put("gpu", two := job(2))
    await wait_until(hosts.ended(two))
    assert hosts.sink.answer(two).text == "Hello from a script."
    assert server.asked > 0


async def _is(hosts: SeveralHosts, wanted: tuple[str, str]) -> bool:
    return await health(hosts) == wanted


def test_the_limit_of_a_start_is_long_at_first_and_goes_by_what_was_seen() -> None:
    boots = BootTimes()
    assert boots.limit_s == FIRST_LIMIT.total_seconds()
    boots.took(20.0)
    assert (boots.limit_s, boots.usual_s) == (LEAST_LIMIT.total_seconds(), 20.0)
    assert BootTimes(lambda: 17.0).usual_s == 17.0
    for seconds in (200.0, 30.0):
        boots.took(seconds)
    assert (boots.limit_s, boots.usual_s) == (400.0, 30.0)


async def test_a_meter_counts_time_awake_and_at_work_and_loses_nothing_while_the_books_are_away() -> None:
    class Away(Books):
        down = True

        async def add(self, spent: Spent) -> None:
            if self.down:
                raise ConnectionError("down")
            await super().add(spent)

    clock, books = Clock(), Away()
    meter = Meter(Host("gpu", "http://x", price_per_hour=3.6, budget_per_day=0.2), books, clock)
    meter.awake, meter.busy = (lambda: clock.now <= 150), (lambda: clock.now <= 100)
    for now in (50.0, 100.0, 150.0, 500.0):
        clock.now = now
        meter.read()
    meter.asked()
    meter.woken()
    assert not await meter.sync()
    books.down = False
    clock.now = 100.0
    assert not await meter.sync()
    assert books.spent == Spent(awake_s=150.0, busy_s=100.0, requests=1, wakes=1)
    assert books.spent.idle_share == pytest.approx(1 / 3)
    assert books.spent.cost(3.6) == pytest.approx(0.15)
    books.spent = books.spent.plus(Spent(awake_s=60.0))
    assert await meter.sync()


async def test_the_books_of_a_day_are_kept_apart_and_expire() -> None:
    redis = fakeredis.FakeAsyncRedis()
    now = 1_800_000_000.0
    books = HostSpending(redis, "gpu", lambda: now)
    await books.add(Spent(awake_s=1.5, requests=2))
    await books.add(Spent(awake_s=1.0))
    assert await books.today() == Spent(awake_s=2.5, requests=2)
    (key,) = await redis.keys()
    assert str(key).find("arena:host:{gpu}:spent:2027-01-15") >= 0
    assert await redis.ttl(key) > 0
    now += 86_400
    assert await books.today() == Spent()
    await redis.aclose()
