"""What the planner does for the prewarmer, and whom it pushes out for whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget
from app.scheduling.planning.planner import Action, Load, Resident, Start, Unload, View, closing, in_order, plan
from tests.examples import examples

GB = 10**9
MODELS = ("a", "b", "c", "d", "e")


def job(number: int, model: str, at: float = 0.0, priority: Priority = Priority.INTERACTIVE) -> Job:
    return Job(f"battle{number:03}", number, model, priority, at)


def view(*residents: str, waiting: tuple[Job, ...] = (), now: float = 10.0, **more: object) -> View:
    return View(now, tuple(Resident(model, GB) for model in residents), waiting, **more)  # type: ignore[arg-type]


def test_what_is_requested_is_loaded_while_nobody_waits() -> None:
    assert plan(view("a", prewarm=("b", "c"))) == [Load("b", prewarm=True)]


def test_no_request_is_granted_while_somebody_waits() -> None:
    waiting = (job(1, "a"),)
    assert plan(view("a", waiting=waiting, prewarm=("b",))) == [Start(waiting[0])]
    assert plan(view("a", waiting=waiting, prewarm=("b",), in_flight={"a": 1})) == []


def test_not_even_prefetch_waits_for_a_request() -> None:
    waiting = (job(1, "c", priority=Priority.BATCH),)
    assert plan(view("a", waiting=waiting, prewarm=("b",))) == [Load("c")]


def test_requests_are_granted_one_at_a_time() -> None:
    assert plan(view("a", prewarm=("b",), loading="c")) == []
    assert plan(view("a", "c", prewarm=("b",), leaving=frozenset({"c"}))) == []


def test_a_request_is_granted_beside_answers_that_are_being_written() -> None:
    assert plan(view("a", prewarm=("b",), in_flight={"a": 1})) == [Load("b", prewarm=True)]


def test_a_request_never_pushes_out_a_model_of_ours() -> None:
    assert plan(view("a", "c", prewarm=("b",), budget=Budget(max_models=2))) == []


def test_a_request_takes_the_place_of_an_idle_foreign_model() -> None:
    now = view("a", "theirs", prewarm=("b",), foreign=frozenset({"theirs"}), budget=Budget(max_models=2))
    assert plan(now) == [Unload("theirs", "not_ours")]


def test_a_foreign_model_stays_where_the_request_fits_beside_it() -> None:
    assert plan(view("a", "theirs", prewarm=("b",), foreign=frozenset({"theirs"}))) == [Load("b", prewarm=True)]


def test_a_request_that_does_not_fit_keeps_no_smaller_one() -> None:
    now = View(
        10, (Resident("a", 10 * GB),), sizes={"large": 20 * GB, "small": GB}, prewarm=("large", "small"),
        budget=Budget(24 * GB),
    )  # fmt: skip
    assert plan(now) == [Load("small", prewarm=True)]


def test_a_requested_model_that_is_there_as_it_should_not_be_goes_to_be_loaded_anew() -> None:
    assert plan(view("a", "spilled", prewarm=("spilled",))) == [Unload("spilled", "degraded")]
    assert plan(view("a", prewarm=("spilled",))) == [Load("spilled", prewarm=True)]


def test_a_requested_model_is_not_sent_away_while_it_is_writing() -> None:
    assert plan(view("a", "spilled", prewarm=("spilled",), in_flight={"spilled": 1})) == []


def test_a_pinned_model_leaves_last() -> None:
    residents = (Resident("pinned", GB, used=1), Resident("b", GB, used=9))
    now = View(10, residents, (job(1, "c"),), pins=frozenset({"pinned"}), budget=Budget(max_models=2))
    assert plan(now) == [Unload("b")]


def test_a_pinned_model_leaves_for_a_viewer_if_nothing_else_can() -> None:
    pinned = frozenset({"a"})
    assert plan(view("a", waiting=(job(1, "b"),), pins=pinned, budget=Budget(max_models=1))) == [Unload("a")]


def test_a_pinned_model_leaves_for_prefetch_or_a_batch_only_once_they_have_waited_for_long() -> None:
    for priority, patience in ((priority, int(priority)) for priority in (Priority.PREFETCH, Priority.BATCH)):
        waiting = (job(1, "b", priority=priority),)
        for waited_s, wanted in ((60 * patience - 1, []), (60 * patience, [Unload("a")])):
            now = view("a", waiting=waiting, now=waited_s, pins=frozenset({"a"}), budget=Budget(max_models=1))
            assert plan(now) == wanted, (priority, waited_s)


def test_prefetch_makes_no_model_stop_however_long_it_has_waited() -> None:
    waiting = (job(1, "b", priority=Priority.PREFETCH), job(2, "a", at=9_999))
    now = view("a", waiting=waiting, now=10_000, in_flight={"a": 1}, slots=2, budget=Budget(max_models=1))
    assert plan(now) == [Start(waiting[1])]


residents = st.lists(
    st.builds(
        Resident,
        st.sampled_from(MODELS),
        st.integers(1, 20).map(lambda gb: gb * GB),
        since=st.integers(0, 100).map(float),
        used=st.integers(0, 100).map(float),
    ),
    unique_by=lambda resident: resident.model,
    max_size=4,
)
rows = st.lists(st.tuples(st.sampled_from(MODELS), st.sampled_from(Priority), st.integers(0, 100)), max_size=6)
jobs = rows.map(lambda drawn: tuple(job(n, model, float(at), who) for n, (model, who, at) in enumerate(drawn)))


@st.composite
def views(draw: st.DrawFn, *, idle: bool = False) -> View:
    """Any state that a host can be in."""
    resident_models = tuple(draw(residents))
    names = [resident.model for resident in resident_models]
    some = st.frozensets(st.sampled_from(names), max_size=2) if names else st.just(frozenset[str]())
    absent = [model for model in MODELS if model not in names]
    busy = {} if not names else draw(st.dictionaries(st.sampled_from(names), st.integers(0, 2), max_size=2))
    leaving = draw(some) if draw(st.integers(0, 3)) == 0 else frozenset[str]()
    return View(
        now=float(draw(st.integers(100, 200))),
        residents=resident_models,
        waiting=() if idle else draw(jobs),
        in_flight={model: count for model, count in busy.items() if model not in leaving},
        loading=draw(st.sampled_from(absent)) if absent and draw(st.integers(0, 3)) == 0 else None,
        leaving=leaving,
        slots=draw(st.integers(1, 2)),
        sizes={model: draw(st.integers(1, 20)) * GB for model in MODELS},
        budget=draw(st.builds(Budget, st.sampled_from([None, 10 * GB, 24 * GB]), st.integers(1, 3))),
        prewarm=tuple(draw(st.lists(st.sampled_from(MODELS), unique=True, max_size=3))),
        foreign=draw(some),
        pins=draw(st.frozensets(st.sampled_from(MODELS), max_size=2)),
    )


def changes(actions: list[Action]) -> tuple[list[str], list[str]]:
    """The models that are loaded, and those that are unloaded."""
    return (
        [action.model for action in actions if isinstance(action, Load)],
        [action.model for action in actions if isinstance(action, Unload)],
    )


@settings(max_examples=examples(60))
@given(views())
def test_in_no_state_is_a_rule_broken(now: View) -> None:
    actions = plan(now)
    loads, unloads = changes(actions)
    starts = Counter(action.job.model for action in actions if isinstance(action, Start))
    present = {resident.model for resident in now.residents}
    running = Counter(now.in_flight)
    assert len(loads) <= 1
    assert not (loads and unloads), "what leaves is gone before the next is loaded"
    if now.loading is not None or now.leaving:
        assert not loads
        assert not unloads
    assert not present & set(loads)
    assert set(unloads) <= present
    assert not any(running[model] or starts[model] for model in unloads), "nothing that writes is unloaded"
    assert set(starts) <= present - now.leaving
    assert all(running[model] + count <= max(now.slots, running[model]) for model, count in starts.items())


@settings(max_examples=examples(60))
@given(views())
def test_while_somebody_waits_only_what_is_waited_for_is_loaded(now: View) -> None:
    loads, _ = changes(plan(now))
    if now.waiting:
        assert set(loads) <= {one.model for one in now.waiting}


@settings(max_examples=examples(60))
@given(views(idle=True))
def test_while_nobody_waits_only_foreign_models_and_what_is_to_be_loaded_anew_leave(now: View) -> None:
    loads, unloads = changes(plan(now))
    assert set(loads) <= set(now.prewarm)
    assert set(unloads) <= now.foreign | set(now.prewarm)


@settings(max_examples=examples(60))
@given(views())
def test_without_a_viewer_no_pinned_model_leaves_for_others_soon(now: View) -> None:
    _, unloads = changes(plan(now))
    young = all(now.now - one.enqueued_at < now.late_s for one in now.waiting)
    if now.waiting and young and not any(one.priority is Priority.INTERACTIVE for one in now.waiting):
        assert not now.pins & set(unloads)


@settings(max_examples=examples(60))
@given(views())
def test_an_idle_model_for_which_nobody_waits_never_blocks_a_load(now: View) -> None:
    queued = {one.model for one in now.waiting}
    viewers = [one for one in in_order(now) if one.priority is Priority.INTERACTIVE]
    absent = now.absent(tuple(viewers))
    if not absent or now.is_changing:
        return
    busy = [r.size_bytes for r in now.residents if r.model in queued or now.in_flight.get(r.model)]
    if now.budget.takes(busy, now.sizes[absent[0].model]):
        assert any(changes(plan(now)))


@settings(max_examples=examples(60))
@given(views())
def test_a_late_job_is_passed_by_nobody_whose_model_has_to_leave_for_it(now: View) -> None:
    viewers = [one for one in in_order(now) if one.priority is Priority.INTERACTIVE]
    absent = now.absent(tuple(viewers))
    if not absent or now.is_changing or now.now - min(one.enqueued_at for one in absent) < now.late_s:
        return
    if all(now.now - resident.since >= now.cost_s(absent[0].model) for resident in now.residents):
        stopped, model = closing(now)
        assert model is not None
        started = {action.job.model for action in plan(now) if isinstance(action, Start)}
        assert not started & stopped


@settings(max_examples=examples(60))
@given(views())
def test_what_leaves_makes_room_for_somebody(now: View) -> None:
    _, unloads = changes(plan(now))
    if not unloads:
        return
    kept = [resident.size_bytes for resident in now.residents if resident.model not in unloads]
    wanted = {one.model for one in now.waiting} if now.waiting else set(now.prewarm)
    fits = [model for model in wanted if now.budget.takes(kept, now.sizes[model])]
    assert fits or set(unloads) <= set(now.prewarm)


def test_what_is_drawn_from_next_takes_the_place_of_an_idle_model_that_is_drawn_from_no_more() -> None:
    rotation = frozenset({"a", "c"})
    seen = View(10.0, (Resident("a"), Resident("b")), budget=Budget(max_models=2), prewarm=("c",), rotation=rotation)
    (unload,) = plan(seen)
    assert isinstance(unload, Unload)
    assert (unload.model, unload.reason, unload.why) == (
        "b",
        "rotated",
        "battles are not drawn from it now; to make room for c, which they are",
    )
    assert plan(replace(seen, in_flight={"b": 1})) == []
    assert plan(replace(seen, residents=(Resident("a"),))) == [Load("c", prewarm=True)]
    assert plan(replace(seen, rotation=frozenset())) == []
