from __future__ import annotations

from app.scheduling.driver.model_failures import MOST_REMEMBERED, ModelFailures


def test_a_second_load_in_vain_is_remembered_for_the_same_neighbours_and_context_only() -> None:
    failures = ModelFailures()
    failures.note_offloaded("a", {"a", "b"}, 4096)
    assert failures.stays_offloaded("a", {"b"}, 4096)
    assert not failures.stays_offloaded("a", {"b", "c"}, 4096)
    assert not failures.stays_offloaded("b", {"a"}, 4096)
    assert not failures.stays_offloaded("a", {"b"}, 2048), "with less context it may fit"


def test_a_host_where_others_load_ever_new_models_costs_no_more_memory() -> None:
    failures = ModelFailures()
    for number in range(MOST_REMEMBERED + 10):
        failures.note_offloaded("a", {f"foreign {number}"}, 4096)
    assert not failures.stays_offloaded("a", {"foreign 9"}, 4096), "the oldest is forgotten"
    assert failures.stays_offloaded("a", {"foreign 10"}, 4096)
    assert failures.stays_offloaded("a", {f"foreign {MOST_REMEMBERED + 9}"}, 4096)


def test_a_model_that_answers_is_neither_hung_nor_on_trial() -> None:
    failures = ModelFailures()
    failures.failed("a", silent=True)
    failures.failed("b", silent=False)
    failures.loaded_anew.add("a")
    failures.worked("a")
    assert (failures.hung, failures.loaded_anew, failures.take_broken()) == (set(), set(), ["b"])
    assert failures.take_broken() == []
