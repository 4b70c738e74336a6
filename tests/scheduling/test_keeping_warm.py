"""A driver that keeps its host warm, one that lets it sleep, and what both tell of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from app.backends.base import BackendUnavailable, GenerationOptions, LoadedModel, OutOfCapacity
from app.backends.scripted import Script, ScriptedBackend
from app.errors import Unavailable
from app.metrics import families
from app.scheduling.report import HostEvent, HostReport
from app.scheduling.testing.in_memory import MemoryReports
from tests.helpers import known, wait_until
from tests.scheduling.conftest import SHORT_INTERVALS, job, loop_now
from tests.scheduling.several_hosts import SeveralHosts

FREQUENT_PROBES = replace(SHORT_INTERVALS, probe_every=timedelta(milliseconds=40))
SHORT_REST = replace(FREQUENT_PROBES, rest_after=timedelta(milliseconds=150))


@dataclass
class Spilling(ScriptedBackend):
    """A server on which models can slip off the card; a load puts them back, unless it is too small."""

    spilled: set[str] = field(default_factory=set)
    too_small: bool = False

    async def loaded(self) -> tuple[LoadedModel, ...]:
        await self._reach()
        return tuple(
            LoadedModel(name, 10, 5 if self.too_small or name in self.spilled else 10, 4096) for name in self.resident
        )

    async def unload(self, model: str) -> None:
        await super().unload(model)
        self.spilled.discard(model)


@dataclass
class Asleep(ScriptedBackend):
    """A server that notes every question."""

    asked: int = 0

    async def version(self) -> str:
        self.asked += 1
        return await super().version()

    async def loaded(self) -> tuple[LoadedModel, ...]:
        self.asked += 1
        return await super().loaded()

    async def installed(self):  # type: ignore[no-untyped-def]
        self.asked += 1
        return await super().installed()

    async def load(self, model: str, options: GenerationOptions) -> float:
        self.asked += 1
        return await super().load(model, options)


@pytest.fixture
async def hosts() -> AsyncIterator[SeveralHosts]:
    hosts = SeveralHosts(("gpu",))
    yield hosts
    await hosts.close()


def a_and_b() -> tuple[str, ...]:
    return ("a", "b")


async def planned(hosts: SeveralHosts, *models: str) -> bool:
    report = await hosts.report("gpu")
    return report is not None and report.planned == models


async def events(hosts: SeveralHosts) -> list[tuple[str, str]]:
    report = await hosts.report("gpu")
    return [] if report is None else [(event.kind, event.model) for event in report.events]


async def test_the_configured_models_are_loaded_while_nobody_waits(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b", "c"))
    hosts.open("gpu", backend, keep=a_and_b)
    await wait_until(lambda: backend.resident == ["a", "b"])
    await wait_until(lambda: planned(hosts, "a", "b"))
    assert backend.called("stream") == []
    loads = {series[:4] for series in hosts.counters.counted if series[0] == families.LOAD.name}
    assert loads == {(families.LOAD.name, "gpu", model, "yes") for model in ("a", "b")}


async def test_only_as_many_are_loaded_as_fit(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b", "c"))
    hosts.open("gpu", backend, keep=lambda: ("a", "b", "c"), intervals=FREQUENT_PROBES, max_loaded=2)
    await wait_until(lambda: planned(hosts, "a", "b"))
    await wait_until(lambda: backend.resident == ["a", "b"])
    assert backend.called("unload") == []


async def test_only_as_many_are_loaded_as_fit_on_a_host_that_was_down_at_the_start(
    hosts: SeveralHosts,
) -> None:
    backend = ScriptedBackend(models=("a", "b"), down=BackendUnavailable("starting"))
    hosts.open("gpu", backend, keep=a_and_b, intervals=FREQUENT_PROBES, memory_bytes=3 * 1024**3)
    await wait_until(lambda: _events_are(hosts, [("host_down", "")]))
    backend.down = None
    await wait_until(lambda: backend.resident == ["a"])
    await wait_until(lambda: planned(hosts, "a"))
    assert backend.called("load") == ["a"]


async def test_without_a_prewarmer_nothing_is_loaded_ahead(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"))
    hosts.open("gpu", backend, intervals=FREQUENT_PROBES)
    await wait_until(lambda: backend.asked > 8)
    assert backend.called("load") == []
    await wait_until(lambda: planned(hosts))


async def test_who_waits_comes_before_a_prewarm_request(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend({"c": [Script.of("fine")]}, models=("a", "b", "c"))
    one = job(1, "c")
    await hosts.put("gpu", one)
    hosts.open("gpu", backend, keep=a_and_b)
    await wait_until(lambda: len(backend.called("load")) == 3)
    assert backend.called("load") == ["c", "a", "b"]


async def test_a_model_that_others_unload_is_loaded_again(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b"), resident=["a", "b"])
    hosts.open("gpu", backend, keep=a_and_b, intervals=FREQUENT_PROBES)
    await wait_until(lambda: planned(hosts, "a", "b"))
    backend.resident.remove("a")
    await wait_until(lambda: sorted(backend.resident) == ["a", "b"])
    assert backend.called("load") == ["a"]
    await wait_until(lambda: events(hosts))
    assert await events(hosts) == [("unloaded_by_others", "a")]


async def test_a_model_that_others_unload_again_and_again_is_not_fought_for(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b"), resident=["a", "b"])
    hosts.open("gpu", backend, keep=a_and_b, intervals=FREQUENT_PROBES)
    await wait_until(lambda: planned(hosts, "a", "b"))
    for _ in range(2):
        await wait_until(lambda: "a" in backend.resident)
        backend.resident.remove("a")
        await wait_until(lambda: len(backend.called("load")) == 1)
    await wait_until(lambda: _events_are(hosts, [("unloaded_by_others", "a")] * 2))
    assert backend.called("load") == ["a"], "the second time it has to wait"


async def test_a_model_that_was_evicted_for_another_is_not_loaded_again(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b", "c"), resident=["a", "b"])
    hosts.open("gpu", backend, keep=a_and_b, intervals=FREQUENT_PROBES, max_loaded=2)
    await wait_until(lambda: planned(hosts, "a", "b"))
    one = job(1, "c")
    await hosts.put("gpu", one)
    await wait_until(hosts.ended(one))
    asked = backend.asked
    await wait_until(lambda: backend.asked > asked + 4)
    assert len(backend.called("unload")) == 1
    assert backend.called("load") == ["c"]
    assert await events(hosts) == []


async def test_a_report_says_what_was_unloaded_and_why(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b", "c"), resident=["a", "b"])
    hosts.open("gpu", backend, max_loaded=2)
    await hosts.put("gpu", one := job(1, "c"))
    await wait_until(hosts.ended(one))

    async def unloads() -> list[tuple[str, str, str]]:
        report = await hosts.report("gpu")
        return [] if report is None else [(unload.model, unload.reason, unload.why) for unload in report.unloads]

    await wait_until(unloads)
    assert await unloads() == [("a", "makes_room", "to make room for c, for which somebody waits")]


async def test_a_model_that_slipped_off_the_card_is_loaded_anew_once(hosts: SeveralHosts) -> None:
    backend = Spilling(models=("a", "b"), resident=["a", "b"])
    hosts.open("gpu", backend, keep=a_and_b, intervals=FREQUENT_PROBES)
    await wait_until(lambda: planned(hosts, "a", "b"))
    backend.spilled.add("a")
    await wait_until(lambda: backend.called("load") == ["a"])
    assert backend.called("unload") == ["a"]
    await wait_until(lambda: _events_are(hosts, [("offloaded", "a")]))
    assert await planned(hosts, "a", "b") or await planned(hosts, "b", "a")


async def test_a_card_that_is_too_small_is_accepted_and_not_loaded_for_ever(hosts: SeveralHosts) -> None:
    backend = Spilling(models=("a",), too_small=True)
    hosts.open("gpu", backend, keep=lambda: ("a",), intervals=FREQUENT_PROBES)
    await wait_until(lambda: _events_are(hosts, [("offloaded", "a")]))
    one = job(1)
    await hosts.put("gpu", one)
    await wait_until(hosts.ended(one))
    assert backend.called("load") == ["a", "a"]
    report = await hosts.report("gpu")
    assert report is not None
    assert [(resident.model, resident.flags) for resident in report.residents] == [("a", ("offloaded",))]


async def test_a_spilled_model_is_not_taken_away_while_it_writes(hosts: SeveralHosts) -> None:
    backend = Spilling({"a": [Script.of("so", timedelta(seconds=0.3), " on")]}, models=("a", "b"), resident=["a"])
    hosts.open("gpu", backend, keep=lambda: ("a",), intervals=FREQUENT_PROBES)
    one = job(1)
    await hosts.put("gpu", one)
    await wait_until(lambda: backend.writing)
    backend.spilled.add("a")
    await wait_until(hosts.ended(one))
    assert hosts.sink.answer(one).text == "so on"
    await wait_until(lambda: backend.called("unload"))
    kinds = [call.kind for call in backend.calls]
    assert kinds.index("closed") < kinds.index("unload")


async def test_a_model_that_can_not_be_loaded_is_said_and_waits(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b"), load_failures={"a": [OutOfCapacity("too large")] * 9})
    hosts.open("gpu", backend, keep=a_and_b, intervals=FREQUENT_PROBES)
    await wait_until(lambda: backend.resident == ["b"])
    await wait_until(lambda: _events_are(hosts, [("load_failed", "a")]))
    assert backend.called("load") == ["a", "b"]
    assert await hosts.health("gpu") == "up"


async def test_what_is_announced_is_loaded_though_nothing_is_kept(hosts: SeveralHosts) -> None:
    backend = ScriptedBackend(models=("a", "b"))
    hosts.open("gpu", backend)
    await hosts.router.warm(["b"])
    await wait_until(lambda: backend.resident == ["b"])
    assert backend.called("load") == ["b"]


async def test_a_host_that_scales_to_zero_is_asked_nothing_while_nobody_plays(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"))
    driver = hosts.open("gpu", backend, keep=a_and_b, intervals=SHORT_REST, scale_to_zero=True)
    await wait_until(lambda: driver.driving)
    await wait_until(lambda: hosts.report("gpu"))
    await asyncio.sleep(0.3)
    assert backend.asked == 0


async def test_a_visit_wakes_it_and_it_rests_again_when_nobody_plays(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"))
    hosts.open("gpu", backend, keep=a_and_b, intervals=SHORT_REST, scale_to_zero=True)
    await wait_until(lambda: hosts.report("gpu"))
    await hosts.router.warm(["b"])
    await wait_until(lambda: backend.resident == ["b"])
    await wait_until(lambda: resting(backend))
    assert backend.called("load") == ["b"], "what is configured is not loaded"


async def test_a_visit_warms_a_model_that_was_lost_while_it_rested(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"))
    hosts.open("gpu", backend, intervals=SHORT_REST, scale_to_zero=True)
    one = job(1)
    await hosts.put("gpu", one)
    await wait_until(hosts.ended(one))
    await wait_until(lambda: resting(backend))
    backend.resident.clear()
    await hosts.router.warm(["a"])
    await wait_until(lambda: backend.called("load") == ["a", "a"])
    assert await events(hosts) == [], "to lose its models is what it is for"


async def test_who_comes_after_it_lost_its_models_waits_for_a_load_of_ours(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"))
    hosts.open("gpu", backend, intervals=SHORT_REST, scale_to_zero=True)
    for number in (1, 2):
        one = job(number)
        await hosts.put("gpu", one)
        await wait_until(hosts.ended(one))
        await wait_until(lambda: resting(backend))
        backend.resident.clear()
    assert backend.called("load") == ["a", "a"]
    assert [call.kind for call in backend.calls] == ["load", "stream", "closed"] * 2


async def test_who_plays_waits_for_it_to_wake(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"), down=BackendUnavailable("starting"))
    hosts.open("gpu", backend, intervals=replace(SHORT_REST, down_patience=timedelta(0)), scale_to_zero=True)
    one = job(1)
    await hosts.put("gpu", one)
    await wait_until(lambda: backend.asked > 5)
    backend.down = None
    await wait_until(hosts.ended(one))
    assert hosts.sink.answer(one).text == "Hello from a script."
    assert await events(hosts) == [], "to start takes time"


async def test_one_that_does_not_wake_in_time_is_down(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"), down=BackendUnavailable("starting"))
    pace = replace(SHORT_REST, down_patience=timedelta(0), wakes_within=timedelta(milliseconds=100))
    hosts.open("gpu", backend, intervals=pace, scale_to_zero=True)
    one = job(1)
    await hosts.put("gpu", one)
    await wait_until(hosts.ended(one))
    finish = hosts.sink.answer(one).finish
    assert finish is not None
    assert finish.error == "unavailable"
    await wait_until(lambda: _events_are(hosts, [("host_down", "")]))


async def test_one_that_went_down_is_tried_again_by_who_comes_after_it_rested(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"), down=BackendUnavailable("starting"))
    pace = replace(SHORT_REST, down_patience=timedelta(0), wakes_within=timedelta(milliseconds=100))
    hosts.open("gpu", backend, intervals=pace, scale_to_zero=True)
    await hosts.put("gpu", job(1))
    await wait_until(hosts.ended(job(1)))
    await wait_until(lambda: resting(backend))
    backend.down = None
    await wait_until(lambda: _is_let_in(hosts, "a"))
    await hosts.router.warm(["b"])
    await wait_until(lambda: backend.resident == ["b"])
    await hosts.router.enqueue([job(2)])
    await wait_until(hosts.ended(job(2)))
    assert hosts.sink.answer(job(2)).text == "Hello from a script."


async def test_it_is_warmed_only_so_many_times_an_hour(hosts: SeveralHosts) -> None:
    backend = Asleep(models=("a", "b"))
    hosts.open("gpu", backend, intervals=SHORT_REST, scale_to_zero=True, warm_per_hour=1)
    await hosts.router.warm(["a", "b"])
    await wait_until(lambda: len(backend.resident) == 1)
    await wait_until(lambda: resting(backend))
    assert len(backend.called("load")) == 1
    one = job(1, "b")
    await hosts.put("gpu", one)
    await wait_until(hosts.ended(one))


async def test_who_drives_next_inherits_what_happened(hosts: SeveralHosts) -> None:
    past = HostEvent(1795226300.0, "host_down", detail="unavailable")
    await hosts.reports.put(HostReport("gpu", 1795226300.0, loading="a", events=(past,)))
    backend = ScriptedBackend(models=("a", "b"), resident=["a"])
    hosts.open("gpu", backend, intervals=FREQUENT_PROBES)
    await wait_until(lambda: _resident_is(hosts, "a"))
    backend.resident.clear()
    await wait_until(lambda: _events_are(hosts, [("host_down", ""), ("unloaded_by_others", "a")]))
    report = known(await hosts.report("gpu"))
    assert report.events[0] == past
    assert report.loading is None, "nobody loads what the last driver was loading"


async def test_what_happened_at_another_address_is_not_inherited(hosts: SeveralHosts) -> None:
    past = HostEvent(1795226300.0, "host_down", detail="unavailable")
    await hosts.reports.put(HostReport("gpu", 1795226300.0, events=(past,), address="http://elsewhere:11434"))
    backend = ScriptedBackend(models=("a", "b"), resident=["a"])
    hosts.open("gpu", backend, intervals=FREQUENT_PROBES)
    await wait_until(lambda: _resident_is(hosts, "a"))
    report = known(await hosts.report("gpu"))
    assert report.events == ()
    assert report.address.startswith("http://gpu")


async def test_a_report_tells_who_waits_what_runs_and_what_is_there(hosts: SeveralHosts) -> None:
    long = Script.of("so", timedelta(seconds=30), "on")
    hosts.open("gpu", ScriptedBackend({"a": [long]}, models=("a", "b"), resident=["a"]), keep=lambda: ("a",))
    jobs = [job(n) for n in range(3)]
    await hosts.put("gpu", *jobs)
    await wait_until(lambda: _waiting_are(hosts, 2))
    report = await hosts.report("gpu")
    assert report is not None
    assert (report.health, report.version, report.max_models) == ("up", "scripted", 3)
    assert (report.running, report.running_by_model) == (1, {"a": 1})
    assert report.waiting_by_model == {"a": 2}
    assert [(resident.model, resident.ours, resident.flags) for resident in report.residents] == [("a", True, ())]
    assert report.planned == ("a",)
    assert abs(report.at - loop_now()) < 5


async def test_a_report_that_nothing_changes_is_a_sign_of_life_all_the_same(hosts: SeveralHosts) -> None:
    hosts.open("gpu", ScriptedBackend(models=("a",)))
    await wait_until(lambda: hosts.report("gpu"))
    first = await hosts.report("gpu")
    assert first is not None
    await wait_until(lambda: _reported_after(hosts, first.at + 1.0), timeout=6)


async def test_reports_that_can_not_be_put_or_read_hold_up_nothing(hosts: SeveralHosts) -> None:
    class Away(MemoryReports):
        async def put(self, report: HostReport) -> None:
            raise ConnectionError("Redis is unavailable")

        async def read(self) -> dict[str, HostReport]:
            raise ConnectionError("Redis is unavailable")

    hosts.reports = Away()
    hosts.open("gpu", ScriptedBackend(models=("a",)))
    one = job(1)
    await hosts.put("gpu", one)
    await wait_until(hosts.ended(one))
    assert hosts.sink.answer(one).text == "Hello from a script."


async def resting(backend: Asleep) -> bool:
    """Whether nothing is asked for much longer than between two probes."""
    asked = backend.asked
    await asyncio.sleep(4 * SHORT_REST.probe_every.total_seconds())
    return backend.asked == asked


async def _is_let_in(hosts: SeveralHosts, model: str) -> bool:
    try:
        await hosts.router.room([model])
    except Unavailable:
        return False
    return True


async def _events_are(hosts: SeveralHosts, wanted: list[tuple[str, str]]) -> bool:
    return await events(hosts) == wanted


async def _resident_is(hosts: SeveralHosts, model: str) -> bool:
    report = await hosts.report("gpu")
    return report is not None and [resident.model for resident in report.residents] == [model]


async def _waiting_are(hosts: SeveralHosts, number: int) -> bool:
    report = await hosts.report("gpu")
    return report is not None and report.waiting == number


async def _reported_after(hosts: SeveralHosts, at: float) -> bool:
    report = await hosts.report("gpu")
    return report is not None and report.at > at
