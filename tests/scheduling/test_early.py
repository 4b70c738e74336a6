"""Requests that are sent before their answers are begun: held back, taken by the attempt, or closed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from app.backends.base import Chunk, GenerationRequest, Message, OutOfCapacity
from app.backends.scripted import Script, ScriptedBackend
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.early import TAKEN_WITHIN_S
from app.scheduling.head_start import LocalHeadStart
from app.scheduling.job import Job
from tests.helpers import wait_until
from tests.scheduling.conftest import SharedHost, job, loop_monotonic

SLOW = Script.of(timedelta(milliseconds=100), "one", timedelta(milliseconds=100), " two")
ENDLESS = Script.of("so", timedelta(seconds=300), "on")


def asked(one: Job) -> GenerationRequest:
    """What the memory's sink asks for a job."""
    return GenerationRequest(one.model, (Message("user", one.battle),))


async def driving(shared: SharedHost, backend: ScriptedBackend) -> Driver:
    driver = shared.open(backend, max_loaded=1)
    await wait_until(lambda: driver.driving and driver._prober.ready)
    return driver


def kinds(backend: ScriptedBackend) -> list[str]:
    return [call.kind for call in backend.calls]


async def test_a_request_that_was_sent_early_is_the_answers_own(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [SLOW]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.15)
    assert kinds(backend) == ["stream"]
    assert shared.text(one) == ""  # the first token has come, and is held back
    assert not shared.sink.answer(one).attempts
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert shared.text(one) == "one two"
    assert kinds(backend) == ["stream", "closed"]


async def test_its_times_are_those_of_the_model_server(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [SLOW]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1, at=0.0)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.15)
    late = job(1)
    await shared.put(late)
    await wait_until(shared.ended(late))
    finish = shared.sink.answer(late).finish
    assert finish is not None
    assert finish.timing.ttft_s == pytest.approx(0.1, abs=0.01)
    assert finish.timing.queue_s == pytest.approx(0.0, abs=0.001)
    assert finish.timing.total_s == pytest.approx(0.25, abs=0.02)  # the script goes on when it is read on


async def test_what_is_dropped_closes_its_socket_and_frees_its_slot(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [ENDLESS, SLOW]}, resident=["a"])
    driver, one, other = await driving(shared, backend), job(1), job(2)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.05)
    await shared.put(other)
    await asyncio.sleep(0.5)
    assert kinds(backend) == ["stream"]  # the slot is occupied
    driver.drop_early(one.id)
    await wait_until(shared.ended(other))
    assert kinds(backend) == ["stream", "closed", "stream", "closed"]
    assert not shared.sink.answer(one).attempts


async def test_what_nobody_takes_is_closed_after_a_while(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [ENDLESS]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(TAKEN_WITHIN_S - 0.1)
    assert kinds(backend) == ["stream"]
    await asyncio.sleep(0.2)
    assert kinds(backend) == ["stream", "closed"]
    assert driver._executor.idle


async def test_a_lease_that_is_lost_between_closes_it_and_another_driver_writes_the_answer(shared: SharedHost) -> None:
    backend, second = ScriptedBackend({"a": [ENDLESS]}, resident=["a"]), ScriptedBackend({"a": [SLOW]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.05)
    shared.leases.owner, shared.leases.until = object(), loop_monotonic() + 1.0
    await wait_until(lambda: kinds(backend) == ["stream", "closed"])
    await driver.stop(timedelta(0))
    shared.open(second)
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert shared.text(one) == "one two"
    assert len(shared.sink.answer(one).attempts) == 1
    assert backend.called("stream") == ["a"]


async def test_a_driver_without_the_lease_sends_nothing(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [SLOW]}, resident=["a"])
    shared.leases.owner, shared.leases.until = object(), loop_monotonic() + 60
    driver, one = shared.open(backend), job(1)
    await asyncio.sleep(0.5)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.05)
    assert kinds(backend) == []


async def test_an_answer_that_is_refused_at_its_beginning_closes_it(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [ENDLESS]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.05)
    shared.sink.stop(one)
    await shared.put(one)
    await wait_until(lambda: kinds(backend) == ["stream", "closed"])
    assert shared.text(one) == ""


@pytest.mark.parametrize("reason", ["not in memory", "no slot is free", "its job is there already"])
async def test_nothing_is_sent_that_would_not_be_started_now(shared: SharedHost, reason: str) -> None:
    backend = ScriptedBackend({"a": [ENDLESS], "b": [ENDLESS]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    await shared.put(job(2))
    await wait_until(lambda: backend.writing == ["a"])
    early = {"not in memory": job(3, "b"), "no slot is free": one, "its job is there already": job(2)}[reason]
    driver.begin_early(early, asked(early))
    await asyncio.sleep(0.1)
    assert backend.called("stream") == ["a"]


async def test_another_request_than_the_answers_is_not_taken_for_it(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [ENDLESS, SLOW]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, GenerationRequest("a", (Message("user", "something else"),)))
    await asyncio.sleep(0.05)
    await shared.put(one)
    await wait_until(shared.ended(one))
    assert shared.text(one) == "one two"
    assert kinds(backend).count("closed") == 2


async def test_an_early_failure_is_the_answers(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [Script((OutOfCapacity("full"),))]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.05)
    await shared.put(one)
    await wait_until(shared.ended(one))
    finish = shared.sink.answer(one).finish
    assert finish is not None
    assert (finish.reason, finish.cause) == ("error", OutOfCapacity.code)
    assert backend.called("stream") == ["a"]


async def test_a_driver_that_ends_closes_what_was_sent_early(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [ENDLESS]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await asyncio.sleep(0.05)
    await driver.stop(timedelta(0))
    assert kinds(backend) == ["stream", "closed"]


async def test_only_the_host_that_would_write_a_model_gets_a_head_start(shared: SharedHost) -> None:
    backend = ScriptedBackend({"a": [ENDLESS]}, resident=["a"])
    driver = await driving(shared, backend)
    start = LocalHeadStart({"a": "gpu", "b": "elsewhere"}.get)
    start.drivers = {"gpu": driver}
    for one in (job(1, "a"), job(2, "b"), job(3, "c")):
        start.begin(one, asked(one))
    await asyncio.sleep(0.05)
    assert backend.called("stream") == ["a"]
    start.drop([job(1).id, "unknown:0"])
    await wait_until(lambda: backend.called("closed") == ["a"])


async def test_who_cuts_an_answer_that_waits_for_its_early_first_token_closes_the_socket(shared: SharedHost) -> None:
    class Mute(ScriptedBackend):
        async def _play(self, step: object) -> Chunk | None:
            await asyncio.Event().wait()
            return None

    backend = Mute({"a": [SLOW]}, resident=["a"])
    driver, one = await driving(shared, backend), job(1)
    driver.begin_early(one, asked(one))
    await shared.put(one)
    await wait_until(lambda: bool(shared.sink.answer(one).attempts))
    await shared.queue.remove([one.id])
    await wait_until(lambda: kinds(backend) == ["stream", "closed"])
    assert shared.text(one) == ""
    assert len(shared.sink.answer(one).attempts) == 1
