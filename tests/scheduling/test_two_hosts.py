"""What becomes of answers when one of several hosts can't write them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendUnavailable,
    BadRequest,
    ModelNotFound,
    OutOfCapacity,
    Stalled,
)
from app.backends.scripted import Script, ScriptedBackend
from app.metrics import families
from app.scheduling.job import Job
from tests.helpers import wait_until
from tests.scheduling.conftest import SHORT_INTERVALS, job, loop_monotonic, loop_now
from tests.scheduling.several_hosts import MODELS, OneBattleSink, SeveralHosts

REFUSED = BackendUnavailable("refused")
PATIENT = replace(SHORT_INTERVALS, down_patience=timedelta(seconds=30))


@pytest.fixture
async def hosts() -> AsyncIterator[SeveralHosts]:
    hosts = SeveralHosts()
    yield hosts
    await hosts.close()


def working(text: str = "fine") -> ScriptedBackend:
    return ScriptedBackend({model: [Script.of(text)] for model in MODELS}, resident=list(MODELS))


def failing(error: BackendError, *before: str) -> ScriptedBackend:
    return ScriptedBackend({model: [Script.of(*before, error)] for model in MODELS}, resident=list(MODELS))


def dead() -> ScriptedBackend:
    return ScriptedBackend(models=MODELS, down=REFUSED)


def reason(hosts: SeveralHosts, one: Job) -> tuple[str, str | None]:
    finish = hosts.sink.answer(one).finish
    assert finish is not None
    return finish.reason, finish.error


async def test_a_host_that_is_down_gives_what_waits_there_to_the_other(hosts: SeveralHosts) -> None:
    hosts.open("one", dead())
    hosts.open("two", working())
    jobs = [job(n, MODELS[n % 2]) for n in range(6)]
    await hosts.put("one", *jobs)
    await wait_until(hosts.ended(*jobs))
    assert {reason(hosts, one) for one in jobs} == {("stop", None)}
    assert {tuple(hosts.writers(one)) for one in jobs} == {("two",)}, "nothing was begun on the dead host"
    assert hosts.counters.counted[(families.FAILOVERS.name, "one", "two")] == 6


async def test_an_answer_that_fails_before_its_first_token_goes_to_the_other_host(
    hosts: SeveralHosts,
) -> None:
    hosts.open("one", failing(REFUSED))
    hosts.open("two", working())
    one = job(1)
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert hosts.writers(one) == ["one", "two"]
    assert hosts.sink.answer(one).text == "fine"
    first, second = hosts.sink.answer(one).attempts
    assert first.over.is_set()
    assert second.token > first.token
    assert hosts.sink.answer(one).reconciled == 1


async def test_a_moved_answer_is_in_exactly_one_queue_until_it_is_over_and_then_in_none(hosts: SeveralHosts) -> None:
    hosts.open("one", failing(REFUSED))
    hosts.open("two", ScriptedBackend({"a": [Script.of("so", timedelta(seconds=0.2), " on")]}, resident=["a"]))
    one = job(1)
    await hosts.put("one", one)
    await wait_until(lambda: hosts.sink.answer(one).text == "so")
    assert await hosts.where(one) == ["two"]
    await wait_until(hosts.ended(one))
    await wait_until(lambda: hosts.assignments._hosts == {})
    assert await hosts.where(one) == []


async def test_after_its_first_token_an_answer_fails_and_is_continued_by_nobody(hosts: SeveralHosts) -> None:
    two = working()
    hosts.open("one", failing(Stalled("silent"), "half"))
    hosts.open("two", two)
    one = job(1)
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert reason(hosts, one) == ("error", "timeout")
    assert hosts.sink.answer(one).text == "half"
    assert hosts.writers(one) == ["one"]
    assert two.calls == []


async def test_what_is_refused_as_it_is_would_be_refused_by_the_other_host_as_well(hosts: SeveralHosts) -> None:
    two = working()
    hosts.open("one", failing(BadRequest("400")))
    hosts.open("two", two)
    one = job(1)
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert reason(hosts, one) == ("error", "unavailable")
    assert two.calls == []
    await wait_until(lambda: _is(hosts, "one", "up"))


@pytest.mark.parametrize("error", [OutOfCapacity("too large"), ModelNotFound("no such model"), REFUSED])
async def test_a_model_that_can_not_be_loaded_here_is_written_there(hosts: SeveralHosts, error: BackendError) -> None:
    one_server = ScriptedBackend(models=MODELS, load_failures={"a": [error] * 9})
    hosts.open("one", one_server)
    hosts.open("two", working())
    jobs = [job(n) for n in range(3)]
    await hosts.put("one", *jobs)
    await wait_until(hosts.ended(*jobs))
    assert {tuple(hosts.writers(one)) for one in jobs} == {("two",)}
    assert one_server.called("stream") == []


async def test_an_answer_that_every_host_failed_fails(hosts: SeveralHosts) -> None:
    hosts.open("one", failing(REFUSED))
    hosts.open("two", failing(REFUSED))
    one = job(1)
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert hosts.writers(one) == ["one", "two"]
    assert reason(hosts, one) == ("error", "unavailable")


async def test_where_no_host_is_left_answers_fail_only_after_a_restart_could_have_helped(hosts: SeveralHosts) -> None:
    hosts.open("one", dead())
    hosts.open("two", dead())
    began = loop_monotonic()
    one = job(1)
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert loop_monotonic() - began >= 0.8
    assert reason(hosts, one) == ("error", "unavailable")


async def test_an_answer_waits_for_a_host_that_is_restarted(hosts: SeveralHosts) -> None:
    one_server = dead()
    hosts.open("one", one_server, intervals=PATIENT)
    hosts.open("two", dead(), intervals=PATIENT)
    await wait_until(lambda: _are(hosts, "down"))
    one = job(1)
    await hosts.put("one", one)
    await asyncio.sleep(0.1)
    assert hosts.sink.answer(one).attempts == []
    one_server.down = None
    await wait_until(hosts.ended(one))
    assert reason(hosts, one) == ("stop", None)


async def test_a_host_that_comes_back_is_tried_with_one_answer_and_is_up_when_that_succeeds() -> None:
    hosts = SeveralHosts(("one",))
    one_server = ScriptedBackend(
        {"a": [Script.of("so", timedelta(seconds=0.3), " on"), Script.of("fine")]}, resident=["a"], down=REFUSED
    )
    hosts.open("one", one_server, intervals=PATIENT, num_parallel=4)
    jobs = [job(n) for n in range(3)]
    await hosts.put("one", *jobs)
    await wait_until(lambda: _is(hosts, "one", "down"))
    one_server.down = None
    await wait_until(lambda: one_server.writing)
    await wait_until(lambda: _is(hosts, "one", "trying"))
    assert one_server.called("stream") == ["a"], "one at a time, though there are four slots"
    await wait_until(hosts.ended(*jobs))
    await wait_until(lambda: _is(hosts, "one", "up"))
    report = await hosts.report("one")
    assert report is not None
    assert [event.kind for event in report.events] == ["host_down", "host_up"]
    await hosts.close()


async def test_a_host_that_fails_on_trial_is_down_again_and_its_answer_goes_to_the_other(
    hosts: SeveralHosts,
) -> None:
    one_server = failing(REFUSED)
    one_server.down = REFUSED
    hosts.open("one", one_server, intervals=PATIENT)
    await wait_until(lambda: _is(hosts, "one", "down"))
    one_server.down = None
    await wait_until(lambda: _is(hosts, "one", "trying"))
    hosts.open("two", working())
    one = job(1)
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert hosts.writers(one) == ["one", "two"]


async def test_three_failed_answers_in_a_row_take_a_host_out_though_it_answers_probes(hosts: SeveralHosts) -> None:
    hosts.open("one", failing(Stalled("silent"), "half"))
    hosts.open("two", working())
    jobs = [job(n, at=float(n)) for n in range(8)]
    await hosts.put("one", *jobs)
    await wait_until(hosts.ended(*jobs))
    assert [reason(hosts, one)[0] for one in jobs] == ["error"] * 3 + ["stop"] * 5


async def test_a_host_that_answers_probes_and_fails_answers_is_not_fed_one_after_the_other() -> None:
    hosts = SeveralHosts(("one",))
    hosts.open("one", failing(Stalled("silent"), "half"), intervals=replace(PATIENT, down_probe=timedelta(seconds=30)))
    jobs = [job(n, at=loop_now() + n / 1000) for n in range(8)]
    await hosts.put("one", *jobs)
    await wait_until(lambda: _is(hosts, "one", "down"))
    await asyncio.sleep(0.3)
    assert [len(hosts.writers(one)) for one in jobs] == [1] * 3 + [0] * 5
    await hosts.close()


async def test_a_host_whose_process_is_gone_takes_no_new_answers(hosts: SeveralHosts) -> None:
    one_server = working()
    hosts.open("one", one_server)
    hosts.open("two", working())
    await wait_until(lambda: _are(hosts, "up"))
    one_server.down = REFUSED
    first = job(0)
    await hosts.put("one", first)
    await wait_until(lambda: _is(hosts, "one", "down"))
    await asyncio.sleep(0.3)  # what the router saw of the hosts is taken for granted for a moment
    jobs = [job(n) for n in range(1, 9)]
    await hosts.router.enqueue(jobs)
    await wait_until(hosts.ended(first, *jobs))
    assert {tuple(hosts.writers(one)) for one in jobs} == {("two",)}


async def test_a_fallback_takes_over_and_its_answers_bear_its_name() -> None:
    hosts = SeveralHosts(("own", "cloud"), fallbacks=("cloud",))
    hosts.open("own", dead())
    hosts.open("cloud", working())
    one = job(1)
    await hosts.router.enqueue([one])
    await wait_until(hosts.ended(one))
    assert hosts.writers(one) == ["cloud"]
    assert hosts.counters.counted[(families.FALLBACK.name, "cloud")] == 1
    await hosts.close()


async def test_an_answer_assigned_to_another_host_before_its_worker_died_is_written_once(
    hosts: SeveralHosts,
) -> None:
    one = job(1)
    await hosts.queues["one"].enqueue([one], 50)
    await hosts.assignments.move(one.id, "one", "two")
    hosts.open("one", working())
    hosts.open("two", working())
    await wait_until(hosts.ended(one))
    assert hosts.writers(one) == ["two"]
    assert await hosts.where(one) == []


async def test_an_answer_that_began_while_the_host_was_being_cleared_is_not_taken_away() -> None:
    hosts = SeveralHosts()
    one_server = ScriptedBackend(
        {"a": [Script.of("so", timedelta(seconds=0.4), " on")]}, resident=["a"], down=REFUSED
    )  # fmt: skip
    moving, go_on = asyncio.Event(), asyncio.Event()
    move = hosts.router.move

    async def slow(one: Job, origin: str, *, begun: bool = True) -> str | None:
        if not moving.is_set():
            moving.set()
            await go_on.wait()
        return await move(one, origin, begun=begun)

    hosts.router.move = slow  # type: ignore[assignment,method-assign]
    hosts.open("one", one_server, intervals=PATIENT)
    first, second = job(1, at=1.0), job(2, at=2.0)
    await hosts.put("one", first, second)
    await wait_until(moving.is_set)
    one_server.down = None
    await wait_until(lambda: any(hosts.sink.answer(one).text == "so" for one in (first, second)))
    hosts.open("two", working())
    await wait_until(lambda: _is(hosts, "two", "up"))
    await asyncio.sleep(0.3)  # what the router saw of the hosts is taken for granted for a moment
    go_on.set()
    await wait_until(hosts.ended(first, second))
    assert all(len(hosts.writers(one)) == 1 for one in (first, second))
    await hosts.close()


async def _is(hosts: SeveralHosts, host: str, health: str) -> bool:
    return await hosts.health(host) == health


async def _are(hosts: SeveralHosts, health: str) -> bool:
    return [await hosts.health(host) for host in hosts.names] == [health] * len(hosts.names)


async def test_an_answer_goes_back_to_a_host_that_was_only_down() -> None:
    hosts = SeveralHosts()
    one_server = ScriptedBackend(resident=["a"], down=REFUSED)
    two_server = ScriptedBackend({"a": [Script.of("so", timedelta(seconds=0.6), " on")]}, resident=["a"])
    hosts.open("one", one_server)
    hosts.open("two", two_server)
    jobs = [job(n) for n in range(3)]
    await hosts.put("one", *jobs)
    await wait_until(lambda: hosts.sink.answer(jobs[0]).text == "so")
    one_server.down = None
    await wait_until(lambda: _is(hosts, "one", "trying"))
    two_server.down = REFUSED
    await wait_until(hosts.ended(*jobs), timeout=8)
    assert {reason(hosts, one) for one in jobs[1:]} == {("stop", None)}
    await hosts.close()


@pytest.mark.parametrize(("answers", "failed"), [(2, 0), (3, 1), (4, 2)])
async def test_an_answer_cut_off_is_written_elsewhere_only_if_its_battle_would_end_without_it(
    answers: int, failed: int
) -> None:
    jobs = [Job("battle", n, "a", enqueued_at=loop_now()) for n in range(answers)]
    hosts = SeveralHosts(sink=OneBattleSink(jobs, standing=2))
    cut = Script.of("half", timedelta(milliseconds=100), BackendBroken("connection reset"))
    hosts.open("one", ScriptedBackend({"a": [cut] * 2}, resident=["a"]), num_parallel=2)
    await wait_until(lambda: _is(hosts, "one", "up"))
    await hosts.put("one", *jobs[:2])
    await wait_until(lambda: all(hosts.sink.answer(one).text == "half" for one in jobs[:2]))
    hosts.open("two", working())
    await wait_until(hosts.ended(*jobs[:2]), timeout=8)
    ends = [reason(hosts, one) for one in jobs[:2]]
    assert ends.count(("error", "cut_off")) == failed
    assert ends.count(("stop", None)) == 2 - failed
    texts = {hosts.sink.answer(one).text for one in jobs[:2] if reason(hosts, one) == ("stop", None)}
    assert not any(text.startswith("half") for text in texts), "nothing of two hosts is ever mixed"
    await hosts.close()


async def fail_until_it_shows(hosts: SeveralHosts) -> None:
    """Send answers to the host one until its driver tells that it fails them."""

    async def shows() -> bool:
        report = await hosts.report("one")
        return report is not None and report.fails_answers

    number = 100
    while not await shows():
        number += 1
        assert number < 200, await hosts.report("one")
        await hosts.put("one", one := job(number))
        await wait_until(hosts.ended(one))


async def test_a_host_that_fails_every_answer_is_out_of_the_draw_though_its_probes_are_green() -> None:
    hosts = SeveralHosts(names=("one",))
    backend = failing(REFUSED)
    driver = hosts.open("one", backend, intervals=replace(SHORT_INTERVALS, down_patience=timedelta(0)))
    await fail_until_it_shows(hosts)

    async def nothing_can_be_drawn() -> bool:
        return await hosts.router.written(MODELS) == ()

    await wait_until(nothing_can_be_drawn)
    assert await backend.version()
    assert await driver._state.health.check(), "it answers its probes"
    assert await hosts.health("one") == "down"
    report = await hosts.report("one")
    assert report is not None
    assert report.failure == "unavailable: refused"
    await hosts.close()


async def test_what_a_host_that_fails_every_answer_would_write_goes_to_the_other(hosts: SeveralHosts) -> None:
    hosts.open("one", failing(REFUSED))
    hosts.open("two", working())
    await fail_until_it_shows(hosts)
    assert await hosts.router.written(MODELS) == MODELS
    later = [job(number) for number in range(4)]

    async def known() -> bool:
        candidates = await hosts.router.candidates()
        return not candidates["one"].usable

    await wait_until(known)
    await hosts.router.enqueue(later)
    await wait_until(hosts.ended(*later))
    assert [hosts.writers(one) for one in later] == [["two"]] * 4


async def test_a_load_does_not_excuse_answers_that_fail() -> None:
    hosts = SeveralHosts(names=("one",))
    backend = failing(REFUSED)
    backend.resident.clear()
    driver = hosts.open("one", backend, intervals=replace(SHORT_INTERVALS, down_patience=timedelta(0)))
    await fail_until_it_shows(hosts)
    assert backend.called("load")
    assert driver._state.breaker.health == "down"
    await hosts.close()


async def test_an_answer_of_a_host_with_a_price_is_marked_with_what_it_cost() -> None:
    hosts = SeveralHosts(fallbacks=("two",))
    hosts.open("one")
    hosts.open("two", price_per_hour=36.0)
    free, paid = job(1), job(2)
    await hosts.put("one", free)
    await hosts.put("two", paid)
    await wait_until(hosts.ended(free, paid))
    finishes = [hosts.sink.answer(one).finish for one in (free, paid)]
    costs = [finish.timing.cost for finish in finishes if finish is not None]
    await hosts.close()
    assert costs[0] is None
    assert costs[1] is not None
    assert 0 <= costs[1] < 0.1
