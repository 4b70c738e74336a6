from dataclasses import replace

from app.scheduling.planning.budget import Budget
from app.scheduling.planning.eta import QueueUpdate, queue_updates
from app.scheduling.planning.planner import Resident, View
from app.timing.history import History
from tests.scheduling.conftest import job

HISTORY = History(first_load_s=20, first_answer_s=6)


def test_places_count_from_one_in_the_order_of_service() -> None:
    jobs = (job(1, at=2), job(2, at=1), job(3, at=3))
    updates = queue_updates(View(4, (Resident("a"),), jobs, {"a": 1}), HISTORY)
    assert {key: outlook.place for key, outlook in updates.items()} == {jobs[1].id: 1, jobs[0].id: 2, jobs[2].id: 3}


def test_the_next_one_waits_for_what_is_left_of_an_answer_and_the_others_for_whole_ones_more() -> None:
    jobs = (job(1, at=1), job(2, at=2))
    updates = queue_updates(View(4, (Resident("a", used=2),), jobs, {"a": 1}), HISTORY)
    assert [updates[one.id].eta_s for one in jobs] == [4, 10]


def test_an_answer_that_takes_longer_than_usual_may_end_any_moment() -> None:
    one = job(1, at=1)
    assert queue_updates(View(400, (Resident("a", used=2),), (one,), {"a": 1}), HISTORY)[one.id].eta_s == 1


def test_several_slots_share_the_wait() -> None:
    one = job(1, at=1)
    assert queue_updates(View(4, (Resident("a"),), (one,), {"a": 3}, slots=3), HISTORY)[one.id].eta_s == 3


def test_a_model_that_is_being_loaded_is_said_to_be_and_has_no_place() -> None:
    one = job(1, "b")
    updates = queue_updates(View(4, (Resident("a"),), (one,), loading="b", loading_since=1), HISTORY)
    assert updates == {one.id: QueueUpdate("loading", None, 17)}


def test_who_waits_for_a_slot_after_the_load_has_a_place_before_its_end_and_after_it() -> None:
    jobs = (job(1, "b", at=1), job(2, "b", at=2))
    during = View(4, (), jobs, loading="b", loading_since=1)
    updates = queue_updates(during, HISTORY)
    assert updates == {jobs[0].id: QueueUpdate("loading", None, 17), jobs[1].id: QueueUpdate("queued", 2, 23)}
    both = queue_updates(replace(during, slots=2), HISTORY)
    assert {update.state for update in both.values()} == {"loading"}
    after = View(21, (Resident("b", used=21),), jobs[1:], {"b": 1})
    assert queue_updates(after, HISTORY) == {jobs[1].id: QueueUpdate("queued", 1, 6)}


def test_loads_come_one_after_the_other() -> None:
    jobs = (job(1, "b", at=1), job(2, "c", at=2), job(3, "c", at=3))
    updates = queue_updates(View(4, (), jobs), HISTORY)
    assert [updates[one.id].eta_s for one in jobs] == [20, 40, 46]


def test_a_load_that_has_to_wait_for_an_answer_takes_longer() -> None:
    view = View(4, (Resident("a"),), (job(1, "b", at=1),), {"a": 1}, budget=Budget(max_models=1))
    (updates,) = queue_updates(view, HISTORY).values()
    (free,) = queue_updates(replace(view, budget=Budget()), HISTORY).values()
    assert updates.eta_s == free.eta_s + 3
