"""How what happened on a host without us is told apart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from app.backends.base import BackendUnavailable, GenerationOptions, LoadedModel
from app.backends.scripted import ScriptedBackend
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.loader import Loader
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.driver.residency import Residency
from app.scheduling.planning.budget import Budget
from app.scheduling.planning.planner import Unload
from app.timing.history import History
from tests.helpers import known
from tests.scheduling.conftest import OPTIONS, Clock

GB = 10**9


def on_card(name: str, *, vram: float = 1.0, context: int | None = 4096, expires: float | None = None) -> LoadedModel:
    """A model of 8 GB in the server's list, ``vram`` of it on the card."""
    return LoadedModel(name, 8 * GB, int(8 * GB * vram), context, expires)


@dataclass
class Listing(ScriptedBackend):
    """A server whose list of loaded models is given, and what each load or unload makes of it."""

    entries: tuple[LoadedModel, ...] = ()
    after_loads: list[tuple[LoadedModel, ...]] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    async def loaded(self) -> tuple[LoadedModel, ...]:
        await self._reach()
        return self.entries

    async def load(self, model: str, options: GenerationOptions) -> float:
        await super().load(model, options)
        self.loads.append(model)
        if self.after_loads:
            self.entries = self.after_loads.pop(0)
        return 1.0

    async def unload(self, model: str) -> None:
        await super().unload(model)
        self.entries = tuple(entry for entry in self.entries if entry.name != model)


@dataclass
class Memory:
    """A server's list, and what the driver makes of it."""

    server: Listing
    residency: Residency
    events: HostEvents
    limits: MemoryBudget
    loader: Loader

    async def sees(self, *entries: LoadedModel) -> None:
        self.server.entries = entries
        assert await self.residency.refresh()

    @property
    def noted(self) -> list[tuple[str, str]]:
        return [(event.kind, event.model) for event in self.events.newest]


@pytest.fixture
def memory(clock: Clock) -> Memory:
    return memory_of(Budget(), clock)


def memory_of(budget: Budget, clock: Clock) -> Memory:
    server, events, limits = Listing(), HostEvents("gpu", now=clock), MemoryBudget(budget, clock)
    residency = Residency("gpu", server, lambda _: OPTIONS, inventory=server, memory=limits, events=events, now=clock)
    loader = Loader("gpu", server, residency, lambda _: OPTIONS, History(), events, now=clock)
    return Memory(server, residency, events, limits, loader)


async def test_what_is_there_at_the_start_is_no_event(memory: Memory) -> None:
    await memory.sees(on_card("a"), on_card("theirs", context=32768))
    assert memory.noted == []
    assert [resident.model for resident in memory.residency.residents] == ["a", "theirs with context 32768"]


async def test_a_model_that_left_before_its_time_was_unloaded_by_others(memory: Memory) -> None:
    await memory.sees(on_card("a", expires=10_000.0))
    await memory.sees()
    assert memory.noted == [("unloaded_by_others", "a")]


async def test_a_model_that_left_at_its_announced_end_expired(memory: Memory, clock: Clock) -> None:
    await memory.sees(on_card("a", expires=100.0))
    clock.now = 98.0
    await memory.sees()
    assert memory.noted == [("expired", "a")]


async def test_a_model_of_a_server_that_tells_no_end_was_unloaded_by_others(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    await memory.sees()
    assert memory.noted == [("unloaded_by_others", "a")]


async def test_a_model_that_left_while_another_was_loaded_was_pushed_out(memory: Memory) -> None:
    await memory.sees(on_card("a"), on_card("b"))
    memory.server.after_loads = [(on_card("b"), on_card("c"))]
    await memory.loader.load("c")
    assert memory.noted == [("pushed_out", "a")]
    assert memory.limits.models == 2
    assert memory.limits.budget.overfull_bytes == 24 * GB


async def test_two_that_are_pushed_out_by_one_load_teach_one_total(memory: Memory) -> None:
    await memory.sees(on_card("a"), on_card("b"), on_card("d"))
    memory.server.after_loads = [(on_card("d"), on_card("c"))]
    await memory.loader.load("c")
    assert memory.noted == [("pushed_out", "a"), ("pushed_out", "b")]
    assert memory.limits.budget.overfull_bytes == 32 * GB, "all four together did not fit; less was never tried"


async def test_a_model_whose_end_became_now_when_the_server_made_room_did_not_expire(
    memory: Memory, clock: Clock
) -> None:
    clock.now = 50.0
    await memory.sees(on_card("a", expires=10_000.0))
    memory.residency.begin_load("c")
    await memory.sees(on_card("a", expires=50.0))
    await memory.sees(on_card("c"))
    memory.residency.end_load()
    assert memory.noted == [("pushed_out", "a")]


async def test_a_model_that_expired_while_another_was_loaded_was_not_pushed_out(memory: Memory, clock: Clock) -> None:
    await memory.sees(on_card("a", expires=100.0), on_card("b"))
    clock.now = 101.0
    memory.server.after_loads = [(on_card("b"), on_card("c"))]
    await memory.loader.load("c")
    assert memory.noted == [("expired", "a")]
    assert memory.limits.models == 3, "which says nothing about what fits"


async def test_a_model_that_we_sent_away_is_no_event(memory: Memory) -> None:
    await memory.sees(on_card("a"), on_card("b"))
    assert await memory.loader.unload(Unload("a"))
    assert memory.noted == []
    assert [resident.model for resident in memory.residency.residents] == ["b"]


async def test_a_model_with_another_context_is_a_stranger_and_said_once(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    for _ in range(3):
        await memory.sees(on_card("a"), on_card("a", context=32768))
    assert memory.noted == [("foreign_model", "a with context 32768")]
    assert memory.residency.foreign == {"a with context 32768"}
    assert memory.residency.server_name("a with context 32768") == "a"
    assert memory.residency.degraded == frozenset()


async def test_ours_that_others_loaded_anew_with_their_context_is_gone(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    await memory.sees(on_card("a", context=32768))
    assert sorted(memory.noted) == [("foreign_model", "a with context 32768"), ("unloaded_by_others", "a")]
    assert not memory.residency.has("a")


async def test_a_stranger_that_leaves_is_no_event(memory: Memory) -> None:
    await memory.sees(on_card("a"), on_card("theirs", context=32768))
    await memory.sees(on_card("a"))
    assert memory.noted == []


async def test_a_server_that_does_not_tell_contexts_has_no_strangers(memory: Memory) -> None:
    await memory.sees(on_card("a", context=None))
    assert memory.residency.foreign == frozenset()
    assert memory.residency.has("a")


async def test_a_model_that_slipped_off_the_card_is_told_once_and_is_to_be_loaded_anew(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    for _ in range(3):
        await memory.sees(on_card("a", vram=0.75))
    assert memory.noted == [("offloaded", "a")]
    assert memory.events.newest[0].detail == "25% of it is on the CPU"
    assert memory.residency.degraded == {"a"}


async def test_one_that_is_back_on_the_card_is_as_it_should_be(memory: Memory) -> None:
    await memory.sees(on_card("a", vram=0.75))
    await memory.sees(on_card("a"))
    assert memory.residency.degraded == frozenset()
    await memory.sees(on_card("a", vram=0.75))
    assert memory.noted == [("offloaded", "a")], "the next time is told again"


async def test_no_memory_of_a_card_for_any_model_means_a_host_without_one(memory: Memory) -> None:
    memory.residency.recall(("a", "b"))
    await memory.sees()
    await memory.sees(on_card("a", vram=0), on_card("b", vram=0))
    assert memory.noted == []
    assert memory.residency.degraded == frozenset()
    assert not memory.residency.on_card("a")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_model_wholly_on_the_cpu_beside_one_on_the_card_is_offloaded(
    memory: Memory, order: tuple[int, int]
) -> None:
    memory.residency.recall(("a", "b"))
    both = (on_card("a"), on_card("b", vram=0))
    await memory.sees()
    await memory.sees(*(both[n] for n in order))
    assert memory.noted == [("offloaded", "b")]
    assert memory.residency.degraded == {"b"}


async def test_a_host_that_falls_back_to_the_cpu_is_told_though_no_model_is_on_the_card_any_more(
    memory: Memory,
) -> None:
    await memory.sees(on_card("a"))
    await memory.sees(on_card("a", vram=0))
    assert memory.noted == [("offloaded", "a")]
    assert memory.residency.degraded == {"a"}


async def test_what_spilled_is_not_taken_for_a_total_that_fits(memory: Memory) -> None:
    memory.residency.recall(("a", "b"))
    await memory.sees(on_card("a"))
    assert memory.limits.budget.proven_bytes == 8 * GB
    await memory.sees(on_card("a"), on_card("b", vram=0.5))
    assert memory.limits.budget.proven_bytes == 8 * GB
    await memory.sees(on_card("a"), on_card("b"))
    assert memory.limits.budget.proven_bytes == 16 * GB


async def test_a_server_that_does_not_answer_changes_nothing(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    memory.server.down = BackendUnavailable("refused")
    assert not await memory.residency.refresh()
    assert memory.residency.has("a")
    assert memory.noted == []


async def test_a_load_that_spills_is_sent_away_and_tried_once_more(memory: Memory) -> None:
    memory.server.after_loads = [(on_card("a", vram=0.5),), (on_card("a"),)]
    await memory.loader.load("a")
    assert [(call.kind, call.model) for call in memory.server.calls] == [("load", "a"), ("unload", "a"), ("load", "a")]
    assert memory.noted == []
    assert memory.residency.degraded == frozenset()


async def test_a_load_that_spills_twice_is_accepted_told_and_left_alone(memory: Memory) -> None:
    spilled = on_card("a", vram=0.5)
    await memory.sees()
    memory.server.after_loads = [(spilled,), (spilled,)]
    await memory.loader.load("a")
    for _ in range(3):
        await memory.sees(spilled)
    assert memory.noted == [("offloaded", "a")]
    assert memory.residency.degraded == frozenset(), "or it would be loaded for ever"
    assert memory.residency.listed["a"].flaws == ("offloaded",), "but it is still to be seen"
    assert memory.server.called("load") == ["a", "a"]


async def test_a_context_that_shrinks_twice_is_accepted_and_still_ours(memory: Memory) -> None:
    shrunk = on_card("a", context=2048)
    await memory.sees()
    memory.server.after_loads = [(shrunk,), (shrunk,)]
    await memory.loader.load("a")
    await memory.sees(shrunk)
    assert memory.noted == [("context_shrunk", "a")]
    assert memory.residency.has("a")
    assert memory.residency.foreign == frozenset()
    assert memory.residency.degraded == frozenset()
    assert memory.server.called("unload") == [], "the server loads it anew by itself"


async def test_what_was_accepted_is_judged_anew_when_it_comes_back(memory: Memory) -> None:
    spilled = on_card("a", vram=0.5)
    memory.server.after_loads = [(spilled,), (spilled,)]
    await memory.loader.load("a")
    await memory.sees()
    await memory.sees(spilled)
    assert memory.residency.degraded == {"a"}


async def test_a_load_that_the_server_does_not_list_counts_as_in_memory_after_the_second_try(memory: Memory) -> None:
    await memory.loader.load("a")
    assert memory.server.called("load") == ["a", "a"]
    assert memory.residency.has("a")


async def test_a_model_that_stays_though_it_was_told_to_go_is_told_so(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    memory.server.down = BackendUnavailable("refused")
    assert not await memory.loader.unload(Unload("a"))
    assert memory.residency.has("a")
    assert memory.residency.leaving == set()


async def test_sizes_are_guessed_from_files_until_they_are_seen(memory: Memory) -> None:
    memory.server.models = ("a", "b")
    await memory.sees(on_card("a"))
    await memory.residency.predict_sizes()
    assert memory.residency.sizes["a"] == 8 * GB
    assert memory.residency.sizes["b"] > memory.server.size_bytes


async def test_an_answer_makes_its_model_the_most_recently_used(memory: Memory, clock: Clock) -> None:
    await memory.sees(on_card("a"), on_card("b"))
    clock.now = 50.0
    memory.residency.used("a")
    await memory.sees(on_card("a"), on_card("b"))
    assert {resident.model: (resident.since, resident.used) for resident in memory.residency.residents} == {
        "a": (0.0, 50.0),
        "b": (0.0, 0.0),
    }


@pytest.mark.parametrize("ahead_s", [-300.0, 300.0])
async def test_when_a_model_expires_goes_by_the_servers_own_clock(memory: Memory, clock: Clock, ahead_s: float) -> None:
    kept = replace(on_card("a", expires=100.0 + ahead_s), listed_at=clock() + ahead_s)
    await memory.sees(kept)
    assert known(memory.residency.listed["a"].entry.expires_at) == pytest.approx(100.0)
    await memory.sees()
    await memory.sees(kept)
    clock.now = 98.0
    await memory.sees()
    assert memory.noted == [("unloaded_by_others", "a"), ("expired", "a")]


async def test_a_second_between_two_clocks_is_none(memory: Memory, clock: Clock) -> None:
    await memory.sees(replace(on_card("a", expires=100.0), listed_at=clock() + 1.4))
    assert memory.residency.listed["a"].entry.expires_at == 100.0


async def test_a_model_that_others_loaded_is_theirs_though_its_context_is_ours(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    await memory.sees(on_card("a"), on_card("theirs"))
    assert memory.residency.foreign == {"theirs"}
    assert memory.noted == [("foreign_model", "theirs")]
    await memory.sees(on_card("a"))
    assert memory.noted == [("foreign_model", "theirs")]  # it is none of ours that left
    memory.residency.used("theirs")
    await memory.sees(on_card("a"), on_card("theirs"))
    assert memory.residency.foreign == frozenset()


async def test_after_a_takeover_ours_is_what_the_driver_before_had_loaded(memory: Memory) -> None:
    memory.residency.recall(("a",))
    await memory.sees(on_card("a"), on_card("theirs"))
    assert memory.residency.foreign == {"theirs"}


async def test_a_model_that_comes_back_without_our_load_is_kept_as_long_as_ours(memory: Memory, clock: Clock) -> None:
    clock.now = 1000.0
    await memory.sees(on_card("a", expires=90_000.0))
    await memory.sees(on_card("a", expires=90_010.0))
    assert memory.residency.unrequested == set()
    await memory.sees(on_card("a", expires=1300.0))  # its process was replaced: the server's own five minutes
    assert memory.residency.unrequested == {"a"}
    assert memory.noted == [("replaced", "a")]  # a stranger evicted it between two looks, or it crashed unseen
    await memory.loader.keep("a")
    assert memory.server.loads == ["a"]


async def test_a_model_that_is_about_to_leave_is_not_held_back(memory: Memory, clock: Clock) -> None:
    clock.now = 1000.0
    await memory.sees(on_card("a", expires=90_000.0))
    await memory.sees(on_card("a", expires=1000.0))
    assert memory.residency.unrequested == set()


async def test_a_process_that_ended_under_an_answer_is_told_once_the_server_answers(memory: Memory) -> None:
    await memory.sees(on_card("a"))
    memory.residency.broke("a", silent=False)
    memory.residency.broke("gone", silent=False)
    assert memory.noted == []
    memory.residency.note_broken()
    memory.residency.note_broken()
    assert memory.noted == [("crashed", "a")]


@pytest.mark.parametrize("before_it_is_told", [True, False])
async def test_a_crash_explains_that_a_model_comes_anew_but_only_once(
    memory: Memory, clock: Clock, before_it_is_told: bool
) -> None:
    clock.now = 1000.0
    await memory.sees(on_card("a", expires=90_000.0))
    memory.residency.broke("a", silent=False)
    if not before_it_is_told:
        memory.residency.note_broken()
    await memory.sees(on_card("a", expires=1300.0))
    memory.residency.note_broken()
    assert memory.noted == [("crashed", "a")]
    await memory.sees(on_card("a", expires=90_000.0))
    await memory.sees(on_card("a", expires=1300.0))
    assert memory.noted == [("crashed", "a"), ("replaced", "a")]


async def test_a_model_that_can_not_fit_into_the_configured_memory_is_loaded_once(clock: Clock) -> None:
    memory = memory_of(Budget(8 * GB - 1), clock)
    memory.server.after_loads = [(on_card("a", vram=0.5),)] * 2
    await memory.loader.load("a")
    assert memory.server.loads == ["a"]
    assert memory.noted == [("offloaded", "a")]
    assert memory.residency.degraded == frozenset()
    await memory.sees()
    await memory.loader.load("a")
    assert memory.server.loads == ["a", "a"]
    assert memory.noted.count(("offloaded", "a")) == 1, "it is known"


async def test_one_that_would_fit_alone_is_tried_twice_though_its_memory_is_configured(clock: Clock) -> None:
    memory = memory_of(Budget(8 * GB), clock)
    memory.server.after_loads = [(on_card("a", vram=0.5),), (on_card("a"),)]
    await memory.loader.load("a")
    assert memory.server.loads == ["a", "a"]
    assert memory.noted == []


async def test_a_model_that_does_not_fit_is_loaded_twice_only_the_first_time_beside_the_same(memory: Memory) -> None:
    half = on_card("a", vram=0.5)
    memory.residency.recall(("a", "b"))
    memory.server.after_loads = [(half,)] * 3
    await memory.loader.load("a")
    assert memory.server.loads == ["a", "a"]
    await memory.sees()
    await memory.loader.load("a")
    assert memory.server.loads == ["a", "a", "a"]
    assert memory.residency.degraded == frozenset()
    await memory.sees(on_card("b"))
    memory.server.after_loads = [(on_card("b"), half)] * 2
    await memory.loader.load("a")
    assert memory.server.loads == ["a"] * 5, "beside another it may come out differently"
