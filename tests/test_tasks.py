"""Tasks end when they are asked to, at whatever moment that is, and so does who waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from app.backends.base import GenerationOptions, GenerationRequest, Message
from app.redis.client import commands_client
from app.redis.lock import WorkerLock
from app.simulator.backend import SimulatedBackend
from app.simulator.engine.clock import run_virtual
from app.simulator.engine.config import SimulatorConfig
from app.simulator.engine.machine import Machine
from app.simulator.server.server import running_simulator
from app.tasks import Supervisor, cancel_and_wait, last_beat_within, until_beat
from app.web.legacy.streams import _until
from app.web.shared.streams import patient_json
from benchmarks.scheduling.beside import beside
from tests.helpers import wait_until

TURNS = 60
"""More turns of the event loop than any piece of work here takes."""


async def for_ever(turns_to_end: int = 0) -> None:
    """Work that needs some turns of the loop to end once it was cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        for _ in range(turns_to_end):
            await asyncio.sleep(0)


async def failing(when: str) -> None:
    try:
        if when == "before":
            raise ValueError("before")
        await asyncio.Event().wait()
    finally:
        if when == "at its end":
            raise ValueError("at its end")


async def begun(work: Awaitable[None]) -> asyncio.Future[None]:
    task = asyncio.ensure_future(work)
    await asyncio.sleep(0)
    return task


async def test_all_have_ended_when_it_returns() -> None:
    tasks = [await begun(for_ever(turns)) for turns in (0, 7, 3)]
    await cancel_and_wait(*tasks)
    assert [task.cancelled() for task in tasks] == [True] * 3


async def test_tasks_that_ended_before_are_left_alone() -> None:
    done = await begun(asyncio.sleep(0, None))
    await done
    await cancel_and_wait(done)
    await cancel_and_wait()
    assert not done.cancelled()


async def test_an_error_at_the_end_is_logged_and_not_raised() -> None:
    task = await begun(failing("at its end"))
    with capture_logs() as logs:
        await cancel_and_wait(task)
    assert [(line["event"], line["error"]) for line in logs] == [
        ("task_failed_when_cancelled", "ValueError('at its end')")
    ]


async def test_an_error_from_before_is_left_to_who_awaits_the_task() -> None:
    task = await begun(failing("before"))
    with capture_logs() as logs:
        await cancel_and_wait(task)
    assert logs == []
    with pytest.raises(ValueError, match="before"):
        await task


async def test_who_is_cancelled_while_waiting_leaves_when_the_tasks_have_ended() -> None:
    task = await begun(for_ever(5))
    waiting = await begun(cancel_and_wait(task))
    for _ in range(3):  # anyio cancels again at every turn
        waiting.cancel()
        await asyncio.sleep(0)
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert task.cancelled()


async def test_the_error_of_a_task_does_not_take_the_place_of_the_cancellation() -> None:
    task = await begun(failing("at its end"))
    waiting = await begun(cancel_and_wait(task))
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()


Work = Callable[[asyncio.Event], Awaitable[None]]
"""Starts something and ends it again, by itself; it says when it started."""


async def a_lock_is_renewed(started: asyncio.Event) -> None:
    started.set()
    redis = commands_client("redis://127.0.0.1:1")  # it is asked for nothing
    try:
        lock = WorkerLock(redis, "turn", timedelta(seconds=10), clock=lambda: -2.0)  # by its clock, it is held
        async with lock.renewed():
            await asyncio.sleep(0)
    finally:
        await redis.aclose()


async def a_slow_answer_is_sent(started: asyncio.Event) -> None:
    started.set()
    response = await patient_json(asyncio.sleep(0.001, {}), 0.0)
    async with aclosing(response.body_iterator) as body:  # type: ignore[attr-defined]
        await anext(body)


async def a_stream_is_told_until_the_process_ends(started: asyncio.Event) -> None:
    started.set()

    async def snapshots() -> AsyncGenerator[str]:
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    ending = asyncio.Event()
    async with aclosing(_until(snapshots(), ending)) as snapshots_until:  # type: ignore[arg-type]
        async for _ in snapshots_until:
            ending.set()


async def a_machine_is_simulated(started: asyncio.Event) -> None:
    started.set()
    async with Machine.running(SimulatorConfig()):
        await asyncio.sleep(0)


async def an_answer_is_simulated(started: asyncio.Event) -> None:
    request = GenerationRequest("mistral:7b", (Message("user", "Why?"),), GenerationOptions(num_predict=5))
    async with (
        SimulatedBackend.running(SimulatorConfig(load_s=0, speed=1000)) as backend,
        aclosing(backend.stream(request)) as chunks,
    ):
        await anext(chunks)
        started.set()


async def a_simulator_is_served(started: asyncio.Event) -> None:
    started.set()
    async with running_simulator(SimulatorConfig(port=0)) as simulator:
        simulator.faults.set({"connection_refused": True})
        simulator.faults.set({"connection_refused": None})


async def something_happens_beside(started: asyncio.Event) -> None:
    started.set()
    async with beside(for_ever()):
        await asyncio.sleep(0)


async def a_supervisor_keeps_a_task(started: asyncio.Event) -> None:
    started.set()
    async with Supervisor() as supervisor:
        supervisor.keep("for ever", for_ever)
        await asyncio.sleep(0)


WORK: tuple[Work, ...] = (
    a_lock_is_renewed,
    a_slow_answer_is_sent,
    a_stream_is_told_until_the_process_ends,
    a_machine_is_simulated,
    an_answer_is_simulated,
    a_simulator_is_served,
    something_happens_beside,
    a_supervisor_keeps_a_task,
)


@pytest.mark.parametrize("times", [1, TURNS], ids=["once", "at every turn"])
@pytest.mark.parametrize("work", WORK)
async def test_a_cancellation_is_never_swallowed(work: Work, times: int) -> None:
    """The work is cancelled in the first turn of the event loop after it started; anew in the second; and so on."""
    before = asyncio.all_tasks()
    for turns in range(TURNS):
        started = asyncio.Event()
        task = asyncio.ensure_future(work(started))
        await started.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        if task.done():
            break
        for _ in range(times):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.wait({task})
        assert task.cancelled(), f"it went on after it was cancelled at turn {turns}"
        await wait_until(lambda: asyncio.all_tasks() == before)
    await task
    assert turns > 2


def test_tasks_that_wait_for_a_beat_wake_in_one_turn() -> None:
    woken: list[float] = []

    async def periodic(begun_after: float) -> None:
        await asyncio.sleep(begun_after)
        for _ in range(3):
            await asyncio.sleep(until_beat(1.0))
            woken.append(asyncio.get_running_loop().time())

    async def both() -> None:
        await asyncio.gather(periodic(0.3), periodic(0.75))

    run_virtual(both())
    assert woken == pytest.approx([1.0, 1.0, 2.0, 2.0, 3.0, 3.0])


@pytest.mark.parametrize("begun_after", [0.0, 0.3, 0.7, 2.0999999])
def test_a_beat_that_is_just_over_is_not_waited_for_again(begun_after: float) -> None:
    async def waited() -> float:
        await asyncio.sleep(begun_after)
        return until_beat(0.1)

    assert 0.001 < run_virtual(waited()) <= 0.101


@pytest.mark.parametrize(
    ("begun_after", "limit_s", "waited_s"),
    [(0.0, 3.3, 3.0), (0.25, 3.3, 2.75), (0.25, 0.75, 0.75), (0.25, 0.5, 0.5), (0.999, 3.3, 3.001)],
)
def test_the_last_beat_within_a_limit_is_never_later_than_it(
    begun_after: float, limit_s: float, waited_s: float
) -> None:
    async def waited() -> float:
        await asyncio.sleep(begun_after)
        return last_beat_within(limit_s)

    assert run_virtual(waited()) == pytest.approx(waited_s)
