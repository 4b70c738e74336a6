"""What the planner does for operators who ask for a load or an unload, and for whom it lets them wait."""

from __future__ import annotations

from dataclasses import replace

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget
from app.scheduling.planning.planner import Load, Resident, Start, Unload, View, plan

TWO = Budget(max_models=2)


def job(model: str, priority: Priority = Priority.INTERACTIVE, at: float = 9.0) -> Job:
    return Job("battle", 1, model, priority, at)


def view(*residents: str, **more: object) -> View:
    return View(10.0, tuple(Resident(model) for model in residents), **more)  # type: ignore[arg-type]


def test_a_model_that_is_asked_for_is_loaded_beside_the_others_or_in_the_place_of_an_idle_one() -> None:
    assert plan(view("a", to_load=("b",))) == [Load("b", prewarm=True)]
    assert plan(view("a", "c", to_load=("b",), budget=TWO)) == [Unload("a")]
    assert plan(view("a", "c", to_load=("b",), budget=TWO, in_flight={"a": 1})) == [Unload("c")]
    assert plan(view("a", "b", to_load=("b",), budget=TWO)) == []


def test_a_pinned_model_leaves_last() -> None:
    assert plan(view("a", "c", to_load=("b",), budget=TWO, pins=frozenset({"a"}))) == [Unload("c")]


def test_one_load_does_not_push_out_another() -> None:
    assert plan(view("a", to_load=("a", "b"), budget=Budget(max_models=1))) == []


def test_a_load_waits_for_answers_that_need_the_memory_and_not_for_others() -> None:
    full = view("a", "c", to_load=("b",), budget=TWO)
    assert plan(replace(full, in_flight={"a": 1, "c": 1})) == []
    absent = replace(full, waiting=(job("d", Priority.DIRECT, at=-60.0),), in_flight={"a": 1, "c": 1})
    assert plan(absent) == []
    assert plan(replace(absent, residents=absent.residents[:1], in_flight={"a": 1})) == [Load("d")]
    busy = view("a", to_load=("b",), waiting=(job("a"),), in_flight={"a": 1})
    assert plan(busy) == [Load("b", prewarm=True)]
    beside_a_batch = view("a", to_load=("b",), waiting=(job("d", Priority.BATCH),), in_flight={"a": 1})
    assert plan(beside_a_batch) == [Load("b", prewarm=True)]


def test_only_an_idle_model_for_which_nobody_waits_is_unloaded() -> None:
    now = view("a", "b", to_unload=("a",))
    (unload,) = plan(now)
    assert isinstance(unload, Unload)
    assert (unload.model, unload.reason, unload.why) == ("a", "requested", "an operator asked for that")
    assert plan(replace(now, in_flight={"a": 1})) == []
    waiting = job("a")
    assert plan(replace(now, waiting=(waiting,))) == [Start(waiting)]
    assert plan(replace(now, to_unload=("c",))) == []
    assert plan(replace(now, loading="c")) == plan(replace(now, leaving=frozenset({"a"}))) == []


def test_prewarming_does_not_undo_a_load_while_its_request_lasts() -> None:
    rotation = frozenset({"a", "c"})
    now = view("a", "b", prewarm=("c",), rotation=rotation, budget=TWO)
    assert plan(replace(now, to_load=("b",))) == []
    assert plan(now) == [Unload("b", "rotated")]
