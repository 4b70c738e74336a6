"""A host whose server only generates: it can't be asked what it has, and nothing is loaded or unloaded there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from app.backends.base import BackendUnavailable
from app.backends.scripted import GeneratingBackend, Script, ScriptedBackend
from tests.helpers import wait_until
from tests.scheduling.conftest import SHORT_INTERVALS, SharedHost, job
from tests.scheduling.several_hosts import SeveralHosts

MODELS = ("a", "b", "c", "d", "e")


async def test_its_models_count_as_resident_and_nothing_is_loaded_or_unloaded() -> None:
    server = GeneratingBackend()
    hosts = SeveralHosts(("gpu",))
    hosts.open("gpu", server, keep=lambda: MODELS, models=MODELS, max_loaded=1)
    jobs = [job(number, model) for number, model in enumerate(MODELS)]
    await hosts.put("gpu", *jobs)
    await wait_until(hosts.ended(*jobs))
    assert {hosts.sink.answer(one).text for one in jobs} == {"Hello from a script."}
    assert sorted(server.scripted.called("stream")) == list(MODELS)
    assert server.scripted.called("load") == server.scripted.called("unload") == []
    report = await hosts.report("gpu")
    assert report is not None
    assert {resident.model for resident in report.residents} == set(MODELS)
    assert (report.health, report.version, report.loading, report.events, report.unloads) == ("up", "", None, (), ())
    loads = [series for series in hosts.counters.counted if "load" in series[0]]
    assert loads == []
    await hosts.close()


async def test_a_prewarm_request_has_nothing_to_load_there() -> None:
    server = GeneratingBackend()
    hosts = SeveralHosts(("gpu",))
    driver = hosts.open("gpu", server, models=("a", "b"))
    await hosts.router.warm(["a"])
    await hosts.put("gpu", one := job(1, "b"))
    await wait_until(hosts.ended(one))
    assert driver.driving
    assert [(call.kind, call.model) for call in server.scripted.calls] == [("stream", "b"), ("closed", "b")]
    await hosts.close()


async def test_a_model_that_nobody_configured_is_written_at_once(shared: SharedHost) -> None:
    server = GeneratingBackend()
    shared.open(server)
    await shared.put(one := job(1, "unheard-of"))
    await wait_until(shared.ended(one))
    assert shared.text(one) == "Hello from a script."
    assert server.scripted.called("load") == []


async def test_no_model_writes_more_at_once_than_it_has_slots(shared: SharedHost) -> None:
    server = GeneratingBackend(ScriptedBackend(default=Script.of("so", timedelta(seconds=30))))
    shared.open(server, slots=2)
    await shared.put(*(job(number) for number in range(3)), job(3, "b"))
    await wait_until(lambda: sorted(server.scripted.writing) == ["a", "a", "b"])
    await asyncio.sleep(1)  # virtual: time enough for many plans
    assert sorted(server.scripted.writing) == ["a", "a", "b"]


async def test_one_that_fails_is_down_and_comes_back_by_an_answer_that_it_writes() -> None:
    server = GeneratingBackend(ScriptedBackend(down=BackendUnavailable("refused")))
    hosts = SeveralHosts(("gpu",))
    hosts.open("gpu", server, intervals=replace(SHORT_INTERVALS, down_patience=timedelta(seconds=30)), models=("a",))
    failing = [job(number) for number in range(3)]
    await hosts.put("gpu", *failing)
    await wait_until(hosts.ended(*failing))
    server.scripted.down = None
    await hosts.put("gpu", after := job(9))
    await wait_until(hosts.ended(after))
    assert hosts.sink.answer(after).text == "Hello from a script."
    await hosts.close()
