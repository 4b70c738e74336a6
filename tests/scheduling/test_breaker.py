"""When a host counts as down, and how it comes back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    Overlong,
    RunnerStopped,
    Stalled,
    UpstreamFailed,
)
from app.scheduling.driver.breaker import (
    FIRST_WITHOUT_ANSWERS,
    LONGEST_PAUSES,
    LONGEST_WITHOUT_ANSWERS,
    THRESHOLD,
    TRIED_FOR,
    Breaker,
    counts,
)
from app.scheduling.report import FAILS_ANSWERS, Health
from tests.scheduling.conftest import Clock

REFUSED = BackendUnavailable("refused")


@pytest.fixture
def changes() -> list[tuple[Health, str]]:
    return []


@pytest.fixture
def breaker(clock: Clock, changes: list[tuple[Health, str]]) -> Breaker:
    made = Breaker(first_pause=timedelta(seconds=2), clock=clock)
    made.changed = lambda health, why: changes.append((health, why))
    return made


@pytest.mark.parametrize(
    "error", [BackendUnavailable, BackendOverloaded, UpstreamFailed, LoadTimedOut, BackendBroken, Stalled]
)
def test_what_the_host_could_not_do_counts(error: type[BackendError]) -> None:
    assert counts(error("said the server"))


@pytest.mark.parametrize("error", [BadRequest, ModelNotFound, OutOfCapacity, RunnerStopped, Overlong])
def test_what_the_request_or_the_model_is_to_blame_for_does_not_count(error: type[BackendError]) -> None:
    assert not counts(error("said the server"))


def test_three_failures_in_a_row_open_it(breaker: Breaker) -> None:
    for _ in range(THRESHOLD - 1):
        assert breaker.failed(REFUSED)
        assert breaker.health == "up"
    assert breaker.failed(UpstreamFailed("500"))
    assert (breaker.health, breaker.why) == ("down", "upstream_error")


def test_a_success_between_failures_starts_the_count_anew(breaker: Breaker) -> None:
    for _ in range(4 * THRESHOLD):
        breaker.failed_answer(REFUSED)
        breaker.failed_answer(REFUSED)
        breaker.answered()
    assert breaker.health == "up"
    assert (breaker.failed_answers, breaker.failure) == (0, "")


def test_any_number_of_refused_requests_leaves_it_closed(breaker: Breaker) -> None:
    for _ in range(100):
        assert not breaker.failed(BadRequest("400"))
        assert not breaker.failed(ModelNotFound("404"))
    assert breaker.health == "up"


def test_refused_requests_between_failures_neither_count_nor_excuse_them(breaker: Breaker) -> None:
    for _ in range(THRESHOLD):
        breaker.failed(REFUSED)
        breaker.failed(ModelNotFound("404"))
    assert breaker.health == "down"


def test_a_failed_probe_opens_it_at_once(breaker: Breaker, changes: list[tuple[Health, str]]) -> None:
    breaker.unreachable("unavailable")
    assert breaker.health == "down"
    assert changes == [("down", "unavailable")]


def test_a_probe_is_due_only_while_it_is_down_and_after_a_pause(breaker: Breaker, clock: Clock) -> None:
    clock.now += 100
    assert not breaker.probe_due
    breaker.unreachable("unavailable")
    assert not breaker.probe_due
    clock.now += 2
    assert breaker.probe_due
    breaker.alive()
    assert not breaker.probe_due


def test_the_pause_between_probes_grows_up_to_a_bound(breaker: Breaker, clock: Clock) -> None:
    pauses = []
    for _ in range(5):
        breaker.unreachable("unavailable")
        began = clock.now
        while not breaker.probe_due:
            clock.now += 0.25
        pauses.append(clock.now - began)
    assert pauses == [2, 4, 2 * LONGEST_PAUSES, 2 * LONGEST_PAUSES, 2 * LONGEST_PAUSES]


def test_the_pause_is_short_again_after_the_host_worked(breaker: Breaker, clock: Clock) -> None:
    for _ in range(3):
        breaker.unreachable("unavailable")
    breaker.alive()
    breaker.succeeded()
    breaker.unreachable("unavailable")
    clock.now += 2
    assert breaker.probe_due


def test_a_living_host_is_tried_and_the_first_success_closes_it(
    breaker: Breaker, changes: list[tuple[Health, str]]
) -> None:
    breaker.unreachable("unavailable")
    breaker.alive()
    assert (breaker.health, breaker.why) == ("trying", "unavailable"), "the cause is still worth telling"
    breaker.succeeded()
    assert (breaker.health, breaker.why) == ("up", "")
    assert [health for health, _ in changes] == ["down", "trying", "up"]


def test_one_failure_while_it_is_tried_opens_it_again(breaker: Breaker) -> None:
    breaker.unreachable("unavailable")
    breaker.alive()
    breaker.succeeded()
    breaker.failed(REFUSED)
    assert breaker.health == "up", "after a success it takes three again"
    breaker.unreachable("unavailable")
    breaker.alive()
    breaker.failed(LoadTimedOut("300 s"))
    assert (breaker.health, breaker.why) == ("down", "load_timeout")


def test_a_refused_request_while_it_is_tried_shows_nothing(breaker: Breaker) -> None:
    breaker.unreachable("unavailable")
    breaker.alive()
    breaker.failed(BadRequest("400"))
    assert breaker.health == "trying"


def test_a_probe_that_succeeds_on_a_working_host_changes_nothing(
    breaker: Breaker, changes: list[tuple[Health, str]]
) -> None:
    breaker.failed(REFUSED)
    breaker.failed(REFUSED)
    breaker.alive()
    assert changes == []
    breaker.failed(REFUSED)
    assert breaker.health == "down", "that the port answers does not excuse failed answers"


def test_the_trouble_lasts_from_its_first_moment_until_an_answer_succeeds(breaker: Breaker, clock: Clock) -> None:
    clock.now = 100.0
    breaker.unreachable("unavailable")
    for clock.now in (103.0, 107.0):
        breaker.alive()
        assert breaker.down_s == 0.0
        breaker.failed(REFUSED)
        assert breaker.since == 100.0
        assert breaker.down_s == clock.now - 100.0
    breaker.alive()
    clock.now = 110.0
    breaker.succeeded()
    assert breaker.since == 110.0


def test_each_change_is_told_once(breaker: Breaker, changes: list[tuple[Health, str]]) -> None:
    for _ in range(3):
        breaker.unreachable("unavailable")
    for _ in range(3):
        breaker.alive()
    for _ in range(3):
        breaker.succeeded()
    assert changes == [("down", "unavailable"), ("trying", "unavailable"), ("up", "")]


def test_where_nobody_comes_to_try_probes_that_go_on_succeeding_close_it(breaker: Breaker, clock: Clock) -> None:
    breaker.unreachable("unavailable")
    breaker.alive()
    clock.now += TRIED_FOR.total_seconds() - 1
    breaker.alive()
    assert str(breaker.health) == "trying"
    clock.now += 1
    breaker.alive()
    assert str(breaker.health) == "up"


def test_a_host_that_is_left_alone_may_be_tried_by_who_comes_next(breaker: Breaker) -> None:
    breaker.left_alone()
    assert str(breaker.health) == "up"
    breaker.unreachable("unavailable")
    breaker.left_alone()
    assert str(breaker.health) == "trying"
    breaker.unreachable("unavailable")
    assert str(breaker.health) == "down"


def health_of(breaker: Breaker) -> str:
    """Its health, of which a type checker knows nothing from before."""
    return breaker.health


def fail_answers(breaker: Breaker) -> None:
    """Three open it, and two are tried in vain; its clock stands still."""
    for _ in range(FAILS_ANSWERS):
        breaker.alive()
        breaker.failed_answer(REFUSED)
    assert breaker.fails_answers


def test_answers_that_fail_between_loads_that_succeed_open_it(breaker: Breaker) -> None:
    for _ in range(FAILS_ANSWERS):
        assert breaker.health == "up"
        breaker.succeeded()
        breaker.failed_answer(REFUSED)
    assert breaker.health == "down"
    assert breaker.fails_answers
    assert breaker.failure == "unavailable: refused"


def test_neither_probes_nor_loads_speak_for_a_host_that_fails_its_answers(breaker: Breaker, clock: Clock) -> None:
    fail_answers(breaker)
    while clock.now < FIRST_WITHOUT_ANSWERS.total_seconds():
        breaker.alive()
        breaker.succeeded()
        assert breaker.health == "down"
        clock.now += 1
    breaker.alive()
    assert health_of(breaker) == "trying"
    breaker.succeeded()
    assert health_of(breaker) == "trying", "a load is no answer"
    breaker.answered()
    assert (health_of(breaker), breaker.failed_answers) == ("up", 0)


def test_it_is_still_probed_meanwhile(breaker: Breaker, clock: Clock) -> None:
    fail_answers(breaker)
    clock.now += 5
    assert breaker.probe_due
    breaker.alive()
    assert not breaker.probe_due
    clock.now += 2 * LONGEST_PAUSES
    assert breaker.probe_due


def test_each_try_in_vain_doubles_the_time_without_answers_up_to_a_bound(breaker: Breaker, clock: Clock) -> None:
    fail_answers(breaker)
    spared = []
    for _ in range(6):
        began = clock.now
        while breaker.health == "down":
            clock.now += 1
            breaker.alive()
        spared.append(clock.now - began)
        breaker.failed_answer(REFUSED)
    assert spared == [30, 60, 120, 240, 300, 300]
    assert spared[-1] == LONGEST_WITHOUT_ANSWERS.total_seconds()


def test_answers_that_fail_together_are_no_row(breaker: Breaker) -> None:
    for _ in range(3 * FAILS_ANSWERS):
        breaker.failed_answer(BackendBroken("the card failed"))
    assert breaker.health == "down"
    assert not breaker.fails_answers
    breaker.alive()
    assert health_of(breaker) == "trying"


def test_where_nobody_came_to_try_the_next_failed_answer_opens_it_at_once(breaker: Breaker, clock: Clock) -> None:
    fail_answers(breaker)
    clock.now += FIRST_WITHOUT_ANSWERS.total_seconds()
    breaker.alive()
    clock.now += TRIED_FOR.total_seconds()
    breaker.alive()
    assert (breaker.health, breaker.fails_answers) == ("up", True)
    breaker.failed_answer(REFUSED)
    assert breaker.health == "down"


def test_a_host_that_was_away_meanwhile_begins_anew(breaker: Breaker) -> None:
    fail_answers(breaker)
    breaker.unreachable("unavailable")
    assert not breaker.fails_answers
    breaker.alive()
    assert health_of(breaker) == "trying"
    breaker.succeeded()
    assert health_of(breaker) == "up"


def test_a_host_that_fails_its_answers_and_is_left_alone_may_be_tried(breaker: Breaker) -> None:
    fail_answers(breaker)
    breaker.left_alone()
    assert breaker.health == "trying"


def test_answers_whose_request_is_to_blame_do_not_count(breaker: Breaker) -> None:
    for _ in range(2 * FAILS_ANSWERS):
        assert not breaker.failed_answer(BadRequest("400"))
    assert (breaker.health, breaker.failed_answers) == ("up", 0)
