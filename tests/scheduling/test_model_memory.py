"""Loads and unloads for operators: what they ask, what the driver does, what they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from app.backends.base import OutOfCapacity
from app.backends.scripted import GeneratingBackend, Script, ScriptedBackend
from app.errors import Conflict, Unavailable
from app.scheduling.dispatch.model_memory import MemoryOutcome, ModelMemory
from app.scheduling.memory_request import MemoryRequest
from tests.helpers import wait_until
from tests.scheduling.conftest import LOOP_TIME, job, loop_now
from tests.scheduling.several_hosts import SeveralHosts


@pytest.fixture
async def hosts() -> AsyncIterator[SeveralHosts]:
    hosts = SeveralHosts()
    yield hosts
    await hosts.close()


def memory_of(hosts: SeveralHosts, managed: Callable[[str], bool] = lambda _: True) -> ModelMemory:
    async def ask(host: str, model: str, request: MemoryRequest) -> None:
        await hosts.queues[host].request_memory(model, request)

    return ModelMemory(managed, hosts.router, ask, hosts.reports, LOOP_TIME)


async def driven(hosts: SeveralHosts, **backends: ScriptedBackend) -> ModelMemory:
    for name, backend in backends.items():
        hosts.open(name, backend)
    for name in backends:
        await wait_until(lambda name=name: hosts.report(name))  # type: ignore[misc]
    return memory_of(hosts)


async def test_a_load_is_answered_when_the_model_is_there_and_a_second_one_changes_nothing(
    hosts: SeveralHosts,
) -> None:
    backend = ScriptedBackend(models=("a", "b"), load_time=timedelta(seconds=3))
    memory = await driven(hosts, one=backend)
    assert await memory.load("a:latest") == MemoryOutcome(("one",), loaded=True)
    assert backend.resident == ["a"]
    assert await memory.load("a") == MemoryOutcome(("one",), loaded=True, changed=False)
    assert backend.called("load") == ["a"]


async def test_an_unloaded_model_is_gone_and_stays_away_until_an_answer_needs_it(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend({"a": [Script.of("fine")]}, models=("a", "b"), resident=["a", "b"])
    hosts.open("one", backend, keep=lambda: ("a", "b"))
    await wait_until(lambda: _planned(hosts, "a", "b"))
    assert await memory_of(hosts).unload("a") == MemoryOutcome(("one",), loaded=False)
    assert backend.resident == ["b"]
    report = await hosts.report("one")
    assert report is not None
    assert [(one.model, one.reason) for one in report.unloads] == [("a", "requested")]
    began = loop_now()
    await wait_until(lambda: loop_now() > began + 60)
    assert backend.resident == ["b"]
    one = job(1, "a")
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    assert sorted(backend.resident) == ["a", "b"]
    await wait_until(lambda: _holds(hosts, "one", "a"))
    assert await memory_of(hosts).unload("a") == MemoryOutcome(("one",), loaded=False)


async def test_what_is_not_there_needs_no_unload(hosts: SeveralHosts) -> None:
    memory = await driven(hosts, one=ScriptedBackend(models=("a", "b")))
    assert await memory.unload("a") == MemoryOutcome((), loaded=False, changed=False)


async def test_a_model_is_unloaded_on_every_host_and_loaded_on_one(hosts: SeveralHosts) -> None:
    one = ScriptedBackend(models=("a", "b"), resident=["a"])
    two = ScriptedBackend(models=("a", "b"), resident=["a"])
    memory = await driven(hosts, one=one, two=two)
    await wait_until(lambda: _holds(hosts, "two", "a"))
    assert await memory.unload("a") == MemoryOutcome(("one", "two"), loaded=False)
    assert (await memory.load("a")).loaded
    assert len([*one.resident, *two.resident]) == 1


async def test_a_model_in_use_is_not_unloaded(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend({"a": [Script.of("so", timedelta(seconds=30), "on")]}, models=("a", "b"), resident=["a"])
    memory = await driven(hosts, one=backend)
    one = job(1, "a")
    await hosts.put("one", one)
    await wait_until(lambda: _runs(hosts, "a"))
    with pytest.raises(Conflict, match="being asked") as refused:
        await memory.unload("a")
    assert refused.value.code == "model_in_use"
    await wait_until(hosts.ended(one))
    assert backend.called("unload") == []


async def test_a_load_waits_for_answers_and_says_so(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend({"a": [Script.of("so", timedelta(seconds=90), "on")]}, models=("a", "b"), resident=["a"])
    hosts.open("one", backend, max_loaded=1)
    one = job(1, "a")
    await hosts.put("one", one)
    await wait_until(lambda: _runs(hosts, "a"))
    assert await memory_of(hosts).load("b") == MemoryOutcome(("one",), loaded=False, pending=True)
    assert backend.resident == ["a"]
    await wait_until(lambda: backend.resident == ["b"])
    assert hosts.ended(one)()


async def test_a_load_that_fails_is_not_tried_again(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b"), load_failures={"a": [OutOfCapacity("no memory")]})
    memory = await driven(hosts, one=backend)
    with pytest.raises(Unavailable, match="no memory") as refused:
        await memory.load("a")
    assert refused.value.code == "load_failed"
    began = loop_now()
    await wait_until(lambda: loop_now() > began + 10)
    assert backend.called("load") == ["a"]
    assert (await memory.load("a")).loaded, "whoever asks again is not refused for what failed before"


async def test_an_answer_takes_the_place_of_what_was_loaded_for_an_operator(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend({"a": [Script.of("fine")]}, models=("a", "b"))
    hosts.open("one", backend, max_loaded=1)
    await wait_until(lambda: hosts.report("one"))
    assert (await memory_of(hosts).load("b")).loaded
    one = job(1, "a")
    await hosts.put("one", one)
    await wait_until(hosts.ended(one))
    began = loop_now()
    await wait_until(lambda: loop_now() > began + 10)
    assert backend.resident == ["a"], "the load is not repeated"


async def test_where_the_memory_is_not_ours_nothing_is_asked(hosts: SeveralHosts) -> None:
    hosts.open("one", GeneratingBackend())
    await wait_until(lambda: hosts.report("one"))
    memory = memory_of(hosts, lambda _: False)
    for change in (memory.load, memory.unload):
        with pytest.raises(Conflict, match="one, two holds its models by itself") as refused:
            await change("a")
        assert refused.value.code == "memory_not_managed"
    assert await hosts.queues["one"].memory_requests() == {}


async def _planned(hosts: SeveralHosts, *models: str) -> bool:
    report = await hosts.report("one")
    return report is not None and report.planned == models


async def _holds(hosts: SeveralHosts, host: str, model: str) -> bool:
    report = await hosts.report(host)
    return report is not None and model in {one.model for one in report.residents}


async def _runs(hosts: SeveralHosts, model: str) -> bool:
    report = await hosts.report("one")
    return report is not None and report.running_by_model.get(model, 0) > 0
