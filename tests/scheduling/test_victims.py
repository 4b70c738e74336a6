"""Who leaves where the server does not see what is free on its card, and goes by what was free when a model came."""

from dataclasses import replace

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget
from app.scheduling.planning.planner import Load, Start, Unload, plan
from app.scheduling.planning.view import Resident, View

GIB = 1024**3
SIZE = 6 * GIB
CARD = 24 * GIB


def job(number: int, model: str, at: float = 90.0) -> Job:
    return Job(f"battle{number:03}", number, model, Priority.INTERACTIVE, at)


FULL = (
    Resident("first", SIZE, since=10, used=95, reading_bytes=CARD - SIZE),
    Resident("second", SIZE, since=20, used=95, reading_bytes=CARD - 2 * SIZE),
    Resident("third", SIZE, since=30, used=95, reading_bytes=CARD - 3 * SIZE),
)


def view(*waiting: Job, residents: tuple[Resident, ...] = FULL, **more: object) -> View:
    sizes = dict.fromkeys(("first", "second", "third", "fourth"), SIZE)
    given = View(100.0, residents, waiting, sizes=sizes, budget=Budget(CARD), empty_bytes=CARD)
    return replace(given, **more)  # type: ignore[arg-type]


def test_the_one_that_came_last_leaves_for_it_holds_the_smallest_reading() -> None:
    assert plan(view(job(1, "fourth"))) == [Unload("third")]


def test_one_that_was_not_used_for_long_leaves_before_it() -> None:
    rested = (FULL[0], replace(FULL[1], used=0.0), FULL[2])
    assert plan(view(job(1, "fourth"), residents=rested)) == [Unload("second")]


def test_the_base_stays_while_others_work_or_the_server_would_evict_them() -> None:
    busy = view(job(1, "fourth", at=99.0), in_flight={"second": 1, "third": 1}, slots=1)
    assert plan(busy) == []
    assert plan(replace(busy, in_flight={"second": 1})) == [Unload("third")]


def test_the_base_leaves_together_with_all_and_first_so_that_the_server_waits_for_none() -> None:
    low = tuple(replace(one, reading_bytes=GIB) for one in FULL[1:])
    assert plan(view(job(1, "fourth"), residents=low)) == [Unload("second"), Unload("third")]


def test_a_model_that_would_not_be_believed_to_fit_is_not_loaded_beside_others_that_work() -> None:
    low = tuple(replace(one, reading_bytes=GIB) for one in FULL[1:])
    startable = job(2, "second")
    busy = view(job(1, "fourth", at=99.0), startable, residents=low, in_flight={"third": 1})
    assert plan(busy) == [Start(startable)]


def test_where_the_server_measures_the_least_recently_used_leaves() -> None:
    measured = tuple(replace(one, reading_bytes=None, used=float(n)) for n, one in enumerate(FULL))
    assert plan(view(job(1, "fourth"), residents=measured)) == [Unload("first")]


def test_in_a_quiet_moment_all_leave_if_that_lets_a_model_in() -> None:
    low = tuple(replace(one, reading_bytes=GIB) for one in FULL[1:])
    quiet = view(residents=low, now=10_000.0)
    assert plan(quiet) == [Unload("second", "misread"), Unload("third", "misread")]
    assert plan(replace(quiet, now=100.0)) == []  # not yet
    assert plan(replace(quiet, in_flight={"third": 1})) == []
    assert plan(replace(quiet, residents=FULL)) == []  # the base has seen enough
    assert plan(replace(quiet, sizes={"fourth": CARD})) == []  # it would not fit on an empty card either


def test_what_was_there_comes_back_afterwards() -> None:
    empty = view(residents=(), prewarm=("second", "third"))
    assert plan(empty) == [Load("second", prewarm=True)]


def test_a_base_that_is_not_drawn_from_any_more_goes_with_all_instead_of_making_the_others_change_places() -> None:
    """They did so for as long as it stayed: 346 loads in eight hours of battles drawn from two models that fit."""
    out = Resident("out", SIZE, since=10, used=50, reading_bytes=CARD - SIZE)
    drawn = Resident("drawn", SIZE, since=20, used=60, reading_bytes=CARD - 3 * SIZE)
    around = view(job(1, "next"), residents=(out, drawn), budget=Budget(CARD, 2), rotation=frozenset({"drawn", "next"}))
    around = replace(around, sizes={**around.sizes, "next": SIZE})
    assert plan(around) == [Unload("out"), Unload("drawn")]
    answering = replace(around, in_flight={"drawn": 1})
    assert plan(answering) == []  # nothing is loaded while it still answers, for the server would evict it
    assert plan(replace(around, rotation=frozenset())) == [Unload("drawn")]


def test_a_base_that_is_not_drawn_from_any_more_leaves_alone_if_the_server_then_sees_the_room() -> None:
    out = Resident("out", SIZE, since=20, used=50, reading_bytes=CARD - 3 * SIZE)
    drawn = Resident("drawn", SIZE, since=10, used=60, reading_bytes=CARD - SIZE)
    seen = view(job(1, "next"), residents=(out, drawn), budget=Budget(CARD, 2), rotation=frozenset({"drawn", "next"}))
    assert plan(replace(seen, sizes={**seen.sizes, "next": SIZE})) == [Unload("out")]
