"""Which of several hosts gets an answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.scheduling.dispatch.placement import Candidate, ranked
from app.scheduling.report import Health, HostReport, ResidentReport


def report(host: str, *residents: str, health: Health = "up", loading: str | None = None, **more: object) -> HostReport:
    listed = tuple(ResidentReport(model) for model in residents)
    return HostReport(host, 0.0, health, residents=listed, loading=loading, **more)  # type: ignore[arg-type]


def candidate(host: str, *residents: str, jobs: int = 0, room: int = 100, **more: object) -> Candidate:
    health: Health = more.pop("health", "up")  # type: ignore[assignment]
    return Candidate(host, jobs=jobs, room=room, report=report(host, *residents, health=health), **more)  # type: ignore[arg-type]


def best(*candidates: Candidate, model: str = "a", tried: tuple[str, ...] = ()) -> str | None:
    return next((chosen.host for chosen in ranked(model, candidates, tried)), None)


def test_the_host_that_has_the_model_in_memory_gets_the_answer() -> None:
    assert best(candidate("one"), candidate("two", "a"), candidate("three", "b")) == "two"


def test_a_form_of_the_models_name_makes_no_difference() -> None:
    assert best(candidate("one", "Mistral"), candidate("two"), candidate("three"), model="mistral:latest") == "one"
    slow = Candidate("slow", report=report("slow", "x:7b", answer_s={"X:7B": 90.0}), jobs=1)
    fast = Candidate("fast", report=report("fast", "x:7b", answer_s={"X:7B": 2.0}), jobs=1)
    for pair in ((slow, fast), (fast, slow)):
        assert best(*pair, model="x:7b") == "fast"


def test_a_model_that_others_loaded_there_does_not_count_as_in_memory() -> None:
    theirs = HostReport("one", 0.0, residents=(ResidentReport("a", ours=False),))
    assert best(Candidate("one", report=theirs), candidate("two", "a")) == "two"


def test_a_long_queue_makes_another_host_better_though_it_has_to_load() -> None:
    assert best(candidate("warm", "a", jobs=1), candidate("cold")) in ("warm", "cold")
    assert best(candidate("warm", "a", jobs=5), candidate("cold")) == "cold"


def test_a_load_that_has_begun_counts_half() -> None:
    loading = Candidate("two", report=report("two", loading="a"))
    assert best(candidate("one"), loading) == "two"


def test_what_a_host_took_lately_is_what_it_is_taken_to_take() -> None:
    slow = Candidate("slow", report=report("slow", load_s={"a": 40.0}))
    fast = Candidate("fast", report=report("fast", load_s={"a": 4.0}))
    assert best(slow, fast) == "fast"
    like_others = Candidate("fast", report=report("fast", load_s={"b": 4.0}))
    assert best(slow, like_others) == "fast", "a model that was never loaded there is like the others"


def test_slots_share_what_is_to_be_written_first() -> None:
    assert best(candidate("narrow", "a", jobs=4), candidate("wide", "a", jobs=4, slots=4)) == "wide"


def test_a_host_of_twice_the_weight_gets_twice_as_much() -> None:
    jobs = {"light": 0, "heavy": 0}
    for _ in range(30):
        chosen = best(
            candidate("light", "a", jobs=jobs["light"]), candidate("heavy", "a", jobs=jobs["heavy"], weight=2.0)
        )
        assert chosen is not None
        jobs[chosen] += 1
    assert 19 <= jobs["heavy"] <= 21


def test_a_host_that_is_down_gets_nothing() -> None:
    assert best(candidate("dead", "a", health="down"), candidate("cold", jobs=50)) == "cold"
    assert best(candidate("dead", "a", health="down")) is None


def test_a_host_that_is_tried_gets_one_answer_at_a_time() -> None:
    assert best(candidate("tried", "a", health="trying"), candidate("cold", jobs=50)) == "tried"
    assert best(candidate("tried", "a", health="trying", jobs=1), candidate("cold", jobs=50)) == "cold"


def test_a_host_that_nobody_drives_yet_is_asked_if_it_answered() -> None:
    assert best(Candidate("new")) == "new"
    assert best(Candidate("dead", alive=False)) is None


def test_its_driver_knows_better_than_this_process_whether_a_host_works() -> None:
    assert best(Candidate("one", report=report("one", "a"), alive=False)) == "one"


def test_a_host_without_room_comes_last() -> None:
    assert best(candidate("full", "a", room=0), candidate("cold", jobs=20)) == "cold"
    assert best(candidate("full", "a", room=0)) == "full", "so that the caller is told that it is full"


def test_a_fallback_is_asked_only_if_no_other_host_can() -> None:
    fallback = candidate("cloud", "a", fallback=True)
    assert best(fallback, candidate("own", jobs=90)) == "own"
    assert best(fallback, candidate("own", health="down")) == "cloud"
    assert best(fallback, candidate("own"), tried=("own",)) == "cloud"


def test_what_was_tried_is_left_out() -> None:
    assert best(candidate("one", "a"), candidate("two"), tried=("one",)) == "two"
    assert best(candidate("one", "a"), tried=("one",)) is None


def test_equal_hosts_take_turns_by_model_and_each_model_keeps_to_its_own() -> None:
    hosts = [candidate(f"gpu{n}") for n in range(3)]
    homes = {f"model{n}": best(*hosts, model=f"model{n}") for n in range(40)}
    assert set(homes.values()) == {"gpu0", "gpu1", "gpu2"}
    assert homes == {model: best(*reversed(hosts), model=model) for model in homes}


candidates = st.lists(
    st.builds(
        Candidate,
        st.sampled_from(["one", "two", "three", "four"]),
        slots=st.integers(1, 4),
        weight=st.sampled_from([0.5, 1.0, 3.0]),
        fallback=st.booleans(),
        jobs=st.integers(0, 5),
        room=st.integers(0, 5),
        alive=st.booleans(),
        report=st.one_of(
            st.none(),
            st.builds(report, st.just("x"), st.sampled_from("abc"), health=st.sampled_from(["up", "trying", "down"])),
        ),
    ),
    unique_by=lambda one: one.host,
    max_size=4,
)


@given(candidates, st.lists(st.sampled_from(["one", "two"]), max_size=2))
def test_whatever_the_hosts_are_like_nothing_goes_where_it_must_not(hosts: list[Candidate], tried: list[str]) -> None:
    chosen = ranked("a", hosts, tried)
    assert all(one.usable and one.host not in tried for one in chosen)
    able = [one for one in hosts if one.usable and one.host not in tried]
    assert bool(chosen) == bool(able)
    if any(not one.fallback for one in able):
        assert not any(one.fallback for one in chosen)
    if any(one.room for one in chosen):
        assert chosen[0].room
