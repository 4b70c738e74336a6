"""A bug that meets one job ends that answer as failed, and holds up no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from redis.exceptions import ConnectionError

import app.scheduling.driver.driver
import app.scheduling.planning.trial
from app.backends.base import BackendUnavailable, GenerationRequest, Message
from app.backends.scripted import ScriptedBackend
from app.scheduling.driver.retries import LONGEST_PAUSE_S, MOST_CRASHES, Retries
from app.scheduling.job import Job
from app.scheduling.planning.planner import Action, View, plan
from app.scheduling.ports import Finish
from app.scheduling.testing.in_memory import MemoryAttempt, MemorySink
from tests.helpers import wait_until
from tests.scheduling.conftest import Clock, SharedHost, job
from tests.scheduling.several_hosts import SeveralHosts


class Sink(MemorySink):
    """A sink that fails for the answers of ``bad``: in ``begin`` the first ``times`` times, or in ``ended``."""

    def __init__(
        self, bad: Job, *, begin: Exception | None = None, ended: Exception | None = None, times: int = 99
    ) -> None:
        super().__init__()
        self.bad, self.times = bad, times
        self._begin, self._ended = begin, ended
        self.begun = self.asked = 0

    async def begin(self, job: Job, token: int, host: str) -> MemoryAttempt | None:
        if job.id == self.bad.id and self._begin is not None:
            self.begun += 1
            if self.begun <= self.times:
                raise self._begin
        return await super().begin(job, token, host)

    async def ended(self, job: Job) -> None:
        if job.id == self.bad.id and self._ended is not None:
            self.asked += 1
            raise self._ended
        await super().ended(job)


def outcome(finish: Finish | None) -> tuple[str, str | None]:
    assert finish is not None
    return finish.reason, finish.error


async def gone(shared: SharedHost) -> bool:
    return not await shared.queue.read()


async def test_a_job_that_can_never_be_begun_fails_and_others_are_written() -> None:
    bad, good = job(1), job(2)
    sink = Sink(bad, begin=ValueError("a bug"))
    shared = SharedHost(sink=sink)
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(bad, good)
    await wait_until(shared.ended(bad), 10)
    assert outcome(sink.answer(bad).finish) == ("error", "unavailable")
    assert outcome(sink.answer(good).finish) == ("stop", None)
    assert sink.begun == MOST_CRASHES
    await wait_until(lambda: gone(shared))
    await shared.close()


async def test_a_crash_that_passes_costs_nothing() -> None:
    one = job(1)
    sink = Sink(one, begin=ValueError("a bug"), times=MOST_CRASHES - 1)
    shared = SharedHost(sink=sink)
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one), 10)
    assert outcome(sink.answer(one).finish) == ("stop", None)
    await shared.close()


async def test_a_store_that_is_away_is_waited_for_however_often_it_is_asked() -> None:
    one = job(1)
    sink = Sink(one, begin=ConnectionError("away"), times=MOST_CRASHES + 1)
    shared = SharedHost(sink=sink)
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(one)
    await wait_until(shared.ended(one), 20)
    assert outcome(sink.answer(one).finish) == ("stop", None)
    await shared.close()


async def test_a_battle_that_can_never_be_settled_keeps_its_answer_and_leaves_the_queue() -> None:
    bad = job(1)
    sink = Sink(bad, ended=ValueError("a bug"))
    shared = SharedHost(sink=sink)
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(bad)
    await wait_until(lambda: gone(shared), 10)
    assert outcome(sink.answer(bad).finish) == ("stop", None)
    assert sink.asked == MOST_CRASHES + 1
    await shared.close()


async def test_a_job_that_no_plan_can_be_made_with_fails_and_others_are_written(
    shared: SharedHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(view: View) -> Sequence[Action]:
        if any(waiting.model == "poison" for waiting in view.waiting):
            raise ZeroDivisionError
        return plan(view)

    for module in (app.scheduling.driver.driver, app.scheduling.planning.trial):
        monkeypatch.setattr(module, "plan", broken)
    bad, good = job(1, "poison"), job(2)
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(bad, good)
    await wait_until(shared.ended(bad))
    await wait_until(shared.ended(good))
    assert outcome(shared.sink.answer(bad).finish) == ("error", "unavailable")
    assert outcome(shared.sink.answer(good).finish) == ("stop", None)


async def test_a_job_that_can_not_be_moved_for_a_bug_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = SeveralHosts()
    hosts.open("one", ScriptedBackend(resident=["a"], down=BackendUnavailable("refused")))
    hosts.open("two", ScriptedBackend(resident=["a"]))
    move = hosts.router.move

    async def broken(one: Job, origin: str, *, begun: bool = True) -> str | None:
        if one.id == bad.id:
            raise ValueError("a bug")
        return await move(one, origin, begun=begun)

    monkeypatch.setattr(hosts.router, "move", broken)
    bad, good = job(1), job(2)
    await hosts.put("one", bad, good)
    await wait_until(hosts.ended(bad, good), 10)
    assert outcome(hosts.sink.answer(bad).finish) == ("error", "unavailable")
    assert outcome(hosts.sink.answer(good).finish) == ("stop", None)
    await hosts.close()


async def test_a_request_that_can_not_be_made_is_a_crash_of_its_job_only() -> None:
    def requests(one: Job) -> GenerationRequest:
        if one.id == bad.id:
            raise KeyError("a bug")
        return GenerationRequest(one.model, (Message("user", "Hi"),))

    bad, good = job(1), job(2)
    shared = SharedHost(sink=MemorySink(requests))
    shared.open(ScriptedBackend(resident=["a"]))
    await shared.put(bad, good)
    await wait_until(shared.ended(bad), 10)
    assert outcome(shared.sink.answer(bad).finish) == ("error", "unavailable")
    await wait_until(shared.ended(good))
    await shared.close()


def test_pauses_double_up_to_half_a_minute(clock: Clock) -> None:
    retries = Retries(clock)
    waits = []
    for _ in range(9):
        retries.pause("b:1")
        began = clock.now
        while retries.is_paused("b:1"):
            clock.now += 0.25
        waits.append(clock.now - began)
    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits[-1] == LONGEST_PAUSE_S
    retries.keep(())
    retries.pause("b:1")
    clock.now += 0.5
    assert not retries.is_paused("b:1")
