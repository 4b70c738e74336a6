from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import FREE_SHARE, Budget
from app.scheduling.planning.planner import DIRECT_WAITS_S, Load, Resident, Start, Unload, View, closing, in_order, plan
from tests.examples import examples

GB = 10**9


def job(number: int, model: str, at: float = 0.0, priority: Priority = Priority.INTERACTIVE) -> Job:
    return Job(f"battle{number:03}", number, model, priority, at)


def view(*residents: str, waiting: tuple[Job, ...] = (), now: float = 10.0, **more: object) -> View:
    return View(now, tuple(Resident(model, GB) for model in residents), waiting, **more)  # type: ignore[arg-type]


def test_who_has_a_resident_model_starts_at_once() -> None:
    first, second = job(1, "a"), job(2, "b")
    assert plan(view("a", "b", waiting=(first, second))) == [Start(first), Start(second)]


def test_both_sides_run_at_once_where_both_models_fit() -> None:
    first, second = job(1, "a"), job(2, "b")
    assert plan(view("a", waiting=(first, second))) == [Start(first), Load("b")]


def test_an_older_job_goes_first_on_its_model() -> None:
    early, late = job(2, "a", at=1), job(1, "a", at=2)
    assert plan(view("a", waiting=(late, early))) == [Start(early)]


def test_what_a_viewer_waits_for_passes_prefetch() -> None:
    later, prefetch = job(1, "a", at=5), job(2, "a", at=1, priority=Priority.PREFETCH)
    assert plan(view("a", waiting=(prefetch, later))) == [Start(later)]


def test_prefetch_that_waited_long_enough_is_passed_no_more() -> None:
    later, prefetch = job(1, "a", at=39), job(2, "a", at=1, priority=Priority.PREFETCH)
    assert plan(view("a", waiting=(prefetch, later), now=40)) == [Start(prefetch)]


def test_no_model_writes_more_answers_than_it_has_slots() -> None:
    jobs = tuple(job(n, "a", at=n) for n in range(4))
    assert plan(view("a", waiting=jobs, slots=3, in_flight={"a": 1})) == [Start(jobs[0]), Start(jobs[1])]


def batch(number: int, model: str, at: float = 0.0) -> Job:
    return job(number, model, at, Priority.BATCH)


def test_calls_of_batches_fill_the_slots_of_their_model() -> None:
    jobs = tuple(batch(n, "a", at=n) for n in range(4))
    assert plan(view("a", waiting=jobs, slots=3)) == [Start(jobs[0]), Start(jobs[1]), Start(jobs[2])]


def test_no_call_of_a_batch_begins_while_a_viewer_waits_or_anything_else_is_written() -> None:
    viewers, call = job(1, "a", at=9), batch(2, "b")
    assert plan(view("a", "b", waiting=(viewers, call), slots=2)) == [Start(viewers)]
    assert plan(view("a", "b", waiting=(call,), slots=2, in_flight={"a": 1})) == []
    assert plan(view("a", "b", waiting=(call,), slots=2, in_flight={"a": 1}, batch={"a": 1})) == [Start(call)]


def test_no_model_is_loaded_for_a_batch_while_anything_else_is_written() -> None:
    assert plan(view("a", waiting=(batch(1, "b"),), in_flight={"a": 1})) == []
    assert plan(view("a", waiting=(batch(1, "b"),))) == [Load("b")]


def test_a_call_of_a_batch_that_is_late_goes_alone_beside_others_and_never_before_viewers() -> None:
    first, second, viewers = batch(1, "a"), batch(2, "a"), job(3, "a", at=999)
    late = view("a", waiting=(first, second), slots=4, in_flight={"a": 1}, now=1000.0)
    assert plan(late) == [Start(first)]
    assert plan(replace(late, in_flight={"a": 2}, batch={"a": 1})) == []
    assert plan(replace(late, waiting=(first, viewers))) == [Start(viewers)]


def test_for_a_while_after_people_a_batch_has_one_call_at_a_time() -> None:
    first, second = batch(1, "a"), batch(2, "a")
    soon = view("a", waiting=(first, second), slots=4, now=110.0, people_at=100.0)
    assert plan(soon) == [Start(first)]
    assert plan(replace(soon, waiting=(second,), in_flight={"a": 1}, batch={"a": 1})) == []
    assert plan(replace(soon, now=230.0)) == [Start(first), Start(second)]


def test_a_model_that_only_a_batch_uses_stops_at_once_for_a_viewers() -> None:
    wanted, call = job(1, "b", at=10), batch(2, "a")
    small = view("a", waiting=(wanted, call), budget=Budget(max_models=1), in_flight={"a": 1}, batch={"a": 1})
    assert closing(small) == (frozenset({"a"}), "b")
    assert plan(small) == []
    assert plan(replace(small, in_flight={}, batch={})) == [Unload("a")]


def test_one_model_is_loaded_at_a_time() -> None:
    waiting = (job(1, "b"), job(2, "c"))
    assert plan(view("a", waiting=waiting)) == [Load("b")]
    assert plan(view("a", waiting=waiting, loading="b")) == []


def test_nothing_is_loaded_while_another_model_is_leaving() -> None:
    assert plan(view("a", waiting=(job(1, "b"),), leaving=frozenset({"a"}))) == []


def test_a_leaving_model_gets_no_answers() -> None:
    assert plan(view("a", waiting=(job(1, "a"),), leaving=frozenset({"a"}))) == []


def test_an_idle_model_leaves_for_one_that_is_waited_for() -> None:
    assert plan(view("a", waiting=(job(1, "b"),), budget=Budget(max_models=1))) == [Unload("a")]


def test_the_least_recently_used_model_leaves() -> None:
    residents = (Resident("a", GB, used=5), Resident("b", GB, used=2), Resident("c", GB, used=9))
    assert plan(View(10, residents, (job(1, "d"),))) == [Unload("b")]


def test_no_model_is_pushed_out_while_it_is_answering() -> None:
    busy = view("a", waiting=(job(1, "b"),), in_flight={"a": 1}, budget=Budget(max_models=1))
    assert plan(busy) == []


def test_a_job_started_now_keeps_its_model() -> None:
    waiting = (job(1, "b", at=1), job(2, "a", at=2))
    assert plan(view("a", waiting=waiting, budget=Budget(max_models=1))) == [Start(waiting[1])]


def test_a_smaller_model_may_be_loaded_while_a_larger_one_has_to_wait() -> None:
    residents = (Resident("a", 10 * GB),)
    held_up, small = job(1, "large", at=1), job(2, "small", at=2)
    sizes = {"large": 15 * GB, "small": 2 * GB}
    now = View(10, residents, (held_up, small), {"a": 1}, sizes=sizes, budget=Budget(24 * GB))
    assert plan(now) == [Load("small")]


def test_prefetch_is_not_loaded_while_a_viewer_is_held_up() -> None:
    held_up, prefetch = job(1, "large", at=1), job(2, "small", at=2, priority=Priority.PREFETCH)
    sizes = {"large": 15 * GB, "small": 2 * GB}
    now = View(10, (Resident("a", 10 * GB),), (held_up, prefetch), {"a": 1}, sizes=sizes, budget=Budget(24 * GB))
    assert plan(now) == []


def test_prefetch_never_pushes_out_a_model_that_a_viewer_waits_for() -> None:
    prefetch = job(1, "b", at=0, priority=Priority.PREFETCH)
    # Long since waiting, and yet: "a" is drained for "c", which a viewer waits for.
    waiting = (prefetch, job(2, "c", at=100), job(3, "a", at=120))
    now = view("a", waiting=waiting, now=131, budget=Budget(max_models=1))
    assert plan(now) == [Unload("a")]
    alone = replace(now, waiting=(prefetch, job(3, "a", at=120)), slots=1, in_flight={"a": 1})
    assert plan(alone) == []


def test_a_model_over_80_percent_of_what_is_left_does_not_fit() -> None:
    budget = Budget(20 * GB)
    assert budget.takes([10 * GB], 8 * GB)
    assert not budget.takes([10 * GB], 8 * GB + 1)


def test_a_total_that_did_not_fit_is_not_tried_again() -> None:
    budget = Budget(overfull_bytes=20 * GB)
    assert budget.takes([10 * GB], 9 * GB)
    assert not budget.takes([10 * GB], 10 * GB)
    assert budget.takes([], 30 * GB)


def test_an_empty_host_takes_any_model() -> None:
    large = View(10, (), (job(1, "large"),), sizes={"large": 50 * GB}, budget=Budget(24 * GB))
    assert plan(large) == [Load("large")]


def test_no_more_models_leave_than_have_to() -> None:
    residents = (Resident("tiny", GB, used=1), Resident("big", 12 * GB, used=2), Resident("c", 4 * GB, used=3))
    now = View(10, residents, (job(1, "d"),), sizes={"d": 14 * GB}, budget=Budget(24 * GB, 9))
    assert plan(now) == [Unload("big")]


def test_a_busy_model_gets_no_new_answers_once_waiting_for_another_was_as_dear_as_bringing_it() -> None:
    waiting = (job(1, "b", at=0), job(2, "a", at=9))
    busy = view("a", waiting=waiting, in_flight={"a": 1}, slots=2, budget=Budget(max_models=1), now=10)
    assert plan(replace(busy, now=9.9)) == [Start(waiting[1])]
    assert plan(busy) == []
    assert plan(replace(busy, in_flight={})) == [Unload("a")]
    assert plan(replace(busy, change_s={"b": 12.0})) == [Start(waiting[1])]


def test_it_takes_more_waiting_the_more_wait_for_the_resident_and_less_the_more_wait_for_the_absent() -> None:
    both = (*(job(n, "a", at=0) for n in range(3)), job(9, "b", at=0))
    busy = view("a", waiting=both, in_flight={"a": 1}, slots=1, budget=Budget(max_models=1))
    assert closing(replace(busy, now=29)) == (frozenset(), None)
    assert closing(replace(busy, now=30)) == (frozenset({"a"}), "b")
    more = (*both, job(10, "b", at=0), job(11, "b", at=0))
    assert closing(replace(busy, waiting=more, now=10)) == (frozenset({"a"}), "b")


def test_a_model_that_just_came_is_not_made_to_stop_for_what_was_waited_before() -> None:
    waiting = (job(1, "b", at=0), job(2, "a", at=0))
    fresh = View(100, (Resident("a", GB, since=91),), waiting, {"a": 1}, slots=2, budget=Budget(max_models=1))
    assert plan(fresh) == [Start(waiting[1])]
    assert plan(replace(fresh, now=101)) == []


@dataclass
class Host:
    """A model server in a simulation that moves by whole seconds; it checks every promise of the planner."""

    sizes: dict[str, int]
    budget: Budget
    slots: int
    now: float = 0.0
    residents: dict[str, Resident] = field(default_factory=dict)
    running: dict[str, tuple[Job, float]] = field(default_factory=dict)
    loading: tuple[str, float] | None = None
    leaving: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    def in_flight(self) -> Counter[str]:
        return Counter(job.model for job, _ in self.running.values())

    def view(self, waiting: tuple[Job, ...]) -> View:
        return View(
            self.now,
            tuple(self.residents.values()),
            waiting,
            self.in_flight(),
            loading=self.loading[0] if self.loading else None,
            leaving=frozenset(self.leaving),
            slots=self.slots,
            sizes=self.sizes,
            budget=self.budget,
        )

    def perform(self, action: object, waiting: tuple[Job, ...]) -> None:
        match action:
            case Start(job):
                assert job in waiting
                assert job.id not in self.started, "no job is started twice"
                assert job.model in self.residents
                assert job.model not in self.leaving
                assert self.in_flight()[job.model] < self.slots
                self.running[job.id] = (job, self.now + 4)
                self.started[job.id] = self.now
                self.residents[job.model] = replace(self.residents[job.model], used=self.now)
            case Load(model):
                assert self.loading is None
                assert not self.leaving
                assert model not in self.residents
                kept = sum(resident.size_bytes for resident in self.residents.values())
                if self.residents:
                    assert len(self.residents) < self.budget.max_models
                    if self.budget.memory_bytes is not None:
                        assert self.sizes[model] <= FREE_SHARE * (self.budget.memory_bytes - kept)
                self.loading = (model, self.now + 5)
            case Unload(model):
                assert self.in_flight()[model] == 0
                assert model in self.residents
                assert self.loading is None
                self.leaving[model] = self.now + 1

    def tick(self) -> None:
        self.now += 1
        self.running = {key: (job, end) for key, (job, end) in self.running.items() if end > self.now}
        for model in [model for model, gone in self.leaving.items() if gone <= self.now]:
            del self.leaving[model], self.residents[model]
        if self.loading and self.loading[1] <= self.now:
            model, _ = self.loading
            self.residents[model] = Resident(model, self.sizes[model], self.now, self.now)
            self.loading = None


MODELS = ("a", "b", "c", "d", "e")
jobs_to_come = st.lists(
    st.tuples(st.sampled_from(MODELS), st.sampled_from(Priority), st.integers(0, 40)), min_size=1, max_size=25
)
budgets = st.one_of(
    st.builds(Budget, st.none(), st.integers(1, 3)),
    st.builds(Budget, st.integers(4, 30).map(lambda gb: gb * GB), st.integers(1, 3)),
)


@settings(max_examples=examples(60))
@given(
    arrivals=jobs_to_come,
    budget=budgets,
    slots=st.integers(1, 3),
    sizes=st.fixed_dictionaries({model: st.integers(1, 20).map(lambda gb: gb * GB) for model in MODELS}),
)
def test_every_job_is_done_and_no_rule_is_broken_on_the_way(
    arrivals: list[tuple[str, Priority, int]], budget: Budget, slots: int, sizes: dict[str, int]
) -> None:
    host = Host(sizes, budget, slots)
    jobs = tuple(job(n, model, float(at), priority) for n, (model, priority, at) in enumerate(arrivals))
    while len(host.started) < len(jobs):
        waiting = tuple(one for one in jobs if one.enqueued_at <= host.now and one.id not in host.started)
        actions = plan(host.view(waiting))
        under_way = host.running or host.loading or host.leaving
        assert actions or under_way or not waiting, "somebody waits and nothing happens"
        for action in actions:
            host.perform(action, waiting)
        host.tick()
        assert host.now < 2000, "no end in sight"


def test_a_model_in_steady_demand_does_not_starve_another() -> None:
    host = Host({"a": GB, "b": GB}, Budget(max_models=1), slots=2)
    jobs = (*(job(n, "a", float(n)) for n in range(300)), job(999, "b", 20.0))
    for _ in range(300):
        waiting = tuple(one for one in jobs if one.enqueued_at <= host.now and one.id not in host.started)
        for action in plan(host.view(waiting)):
            host.perform(action, waiting)
        host.tick()
    began = host.started[jobs[-1].id]
    # Until it is late, one answer that drains, the model that leaves, the load, and a second for each step.
    assert began - 20 <= view("a", waiting=jobs[-1:]).late_s + 4 + 1 + 5 + 3


def test_an_idle_model_makes_way_at_once_however_many_wait() -> None:
    for others in (1, 4, 5, 7, 30):
        residents = (Resident("a", GB, since=100.0),)
        waiting = tuple(job(n, "b", 100.0) for n in range(others))
        assert plan(View(100, residents, waiting, budget=Budget(max_models=1))) == [Unload("a")], others


def test_a_model_for_which_many_wait_goes_on_until_the_other_is_late() -> None:
    residents = (Resident("a", GB, since=100.0),)
    waiting = (job(1, "b", 90.0), *(job(n, "a", 120.0) for n in range(2, 22)))
    plans = {
        now: plan(View(now, residents, waiting, {"a": 1}, slots=2, budget=Budget(max_models=1))) for now in (149, 150)
    }
    assert [type(action) for action in plans[149]] == [Start]
    assert plans[150] == []


def test_two_models_in_steady_demand_do_not_push_each_other_out_all_the_time() -> None:
    host = Host({"a": GB, "b": GB}, Budget(max_models=1), slots=1)
    jobs = tuple(job(n, "ab"[n % 2], float(n // 4)) for n in range(400))
    loads = 0
    for _ in range(400):
        waiting = tuple(one for one in jobs if one.enqueued_at <= host.now and one.id not in host.started)
        for action in plan(host.view(waiting)):
            loads += isinstance(action, Load)
            host.perform(action, waiting)
        host.tick()
    # Each is there for at least what the other costs, 10 s, and its load takes 5 s.
    assert loads <= 400 / 15 + 1


def test_where_all_fit_no_model_ever_leaves() -> None:
    host = Host(dict.fromkeys("abc", GB), Budget(max_models=3), slots=1)
    jobs = tuple(job(n, "abc"[n * n % 3], float(n // 2)) for n in range(200))
    for _ in range(400):
        waiting = tuple(one for one in jobs if one.enqueued_at <= host.now and one.id not in host.started)
        actions = plan(host.view(waiting))
        assert not [action for action in actions if isinstance(action, Unload)]
        for action in actions:
            host.perform(action, waiting)
        host.tick()


def test_nothing_is_loaded_while_a_model_comes_back_under_an_answer() -> None:
    pushed_out = view("a", waiting=(job(1, "c"),), in_flight={"b": 1}, budget=Budget(max_models=3))
    assert plan(pushed_out) == []
    assert plan(replace(pushed_out, in_flight={})) == [Load("c")]


@given(st.permutations(range(12)))
def test_the_order_of_reading_makes_no_difference(order: list[int]) -> None:
    jobs = tuple(job(n, "abc"[n % 3], float(n // 4), Priority(n % 2)) for n in range(12))
    shuffled = tuple(jobs[n] for n in order)
    assert in_order(View(50, waiting=shuffled)) == in_order(View(50, waiting=jobs))
    assert plan(view("a", "b", waiting=shuffled)) == plan(view("a", "b", waiting=jobs))


def test_a_model_that_is_drawn_from_no_more_leaves_before_one_that_is() -> None:
    used = (Resident("drawn", used=1.0), Resident("old", used=9.0))
    seen = View(10.0, used, (job(1, "new"),), budget=Budget(max_models=2), rotation=frozenset({"drawn", "new"}))
    assert plan(seen) == [Unload("old")]
    assert plan(replace(seen, rotation=frozenset())) == [Unload("drawn")]


def test_an_idle_model_of_the_rotation_stays_while_an_old_one_still_answers() -> None:
    used = (Resident("drawn", used=1.0), Resident("old", used=9.0))
    seen = View(
        10.0, used, (job(1, "new"),), {"old": 1}, budget=Budget(max_models=2), rotation=frozenset({"drawn", "new"})
    )
    assert plan(seen) == []
    assert plan(replace(seen, in_flight={})) == [Unload("old")]


def test_an_answer_of_an_old_battle_may_push_out_a_model_of_the_rotation() -> None:
    used = (Resident("drawn", used=1.0), Resident("new", used=9.0))
    seen = View(10.0, used, (job(1, "old"),), budget=Budget(max_models=2), rotation=frozenset({"drawn", "new"}))
    assert plan(seen) == [Unload("drawn")]


def test_a_pinned_model_stays_though_battles_are_not_drawn_from_it() -> None:
    used = (Resident("pinned", used=1.0), Resident("old", used=9.0))
    seen = View(
        10.0,
        used,
        (job(1, "new"),),
        budget=Budget(max_models=2),
        rotation=frozenset({"new"}),
        pins=frozenset({"pinned"}),
    )
    assert plan(seen) == [Unload("old")]


THREE_FIT = View(
    10.0,
    (Resident("kept", used=1.0), Resident("old", used=9.0)),
    (job(1, "old"), job(2, "kept")),
    {"kept": 1, "old": 1},
    budget=Budget(max_models=3),
    prewarm=("next",),
    rotation=frozenset({"kept", "next"}),
)


def test_the_next_model_of_the_rotation_is_loaded_while_the_old_one_answers_and_is_waited_for_if_it_fits() -> None:
    assert plan(THREE_FIT) == [Load("next", prewarm=True)]
    assert plan(replace(THREE_FIT, slots=2)) == [
        Start(job(1, "old")),
        Start(job(2, "kept")),
        Load("next", prewarm=True),
    ]
    first_battle = replace(THREE_FIT, waiting=(*THREE_FIT.waiting, job(3, "next")))
    assert plan(first_battle) == [Load("next")]


def test_where_the_next_model_does_not_fit_running_battles_finish_with_what_they_drew() -> None:
    two_fit = replace(THREE_FIT, budget=Budget(max_models=2))
    assert plan(two_fit) == []  # the old one answers and is asked
    assert plan(replace(two_fit, in_flight={"kept": 1}, waiting=(job(1, "old"), job(2, "kept")), slots=1)) == [
        Start(job(1, "old"))
    ]
    done = replace(two_fit, in_flight={"kept": 1}, waiting=(job(2, "kept"),))
    (unload,) = plan(done)
    assert isinstance(unload, Unload)
    assert (unload.model, unload.reason, unload.for_model) == ("old", "rotated", "next")
    assert plan(replace(done, residents=(Resident("kept"),))) == [Load("next", prewarm=True)]


def test_nothing_is_loaded_for_the_rotation_while_somebody_waits_for_another_model_that_is_not_there() -> None:
    stuck = replace(THREE_FIT, waiting=(job(1, "old"), job(2, "absent")), budget=Budget(max_models=2))
    assert plan(stuck) == []


def direct(number: int, model: str, at: float = 9.0) -> Job:
    return job(number, model, at, Priority.DIRECT)


def test_an_answer_without_a_battle_begins_at_once_where_no_battle_is_written() -> None:
    chat, beside = direct(1, "a"), direct(2, "a")
    assert plan(view("a", waiting=(chat, beside), slots=2)) == [Start(chat), Start(beside)]
    assert plan(view("a", waiting=(chat,), slots=2, in_flight={"a": 1}, direct={"a": 1})) == [Start(chat)]


def test_it_waits_for_a_gap_between_battles_but_not_for_long() -> None:
    chat, late = direct(1, "c"), direct(2, "c", at=10.0 - DIRECT_WAITS_S)
    for busy in (
        view("a", "c", in_flight={"a": 1}),
        view("a", "c", in_flight={"a": 1, "c": 1}, direct={"c": 1}, slots=9),
    ):
        assert plan(replace(busy, waiting=(chat,))) == []
        assert plan(replace(busy, waiting=(chat, late))) == [Start(late)]
    viewer = job(3, "a", at=9.5)
    assert plan(view("a", "c", waiting=(chat, viewer))) == [Start(viewer)]
    assert plan(view("a", "c", waiting=(late, viewer))) == [Start(viewer), Start(late)]


def test_nothing_is_loaded_for_it_beside_a_battle_before_that() -> None:
    assert plan(view("a", waiting=(direct(1, "c"),), in_flight={"a": 1})) == []
    assert plan(view("a", waiting=(direct(1, "c"),))) == [Load("c")]
    assert plan(view("a", waiting=(direct(1, "c", at=-5.0),), in_flight={"a": 1})) == [Load("c")]
