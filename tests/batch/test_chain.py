"""What is due in a job, what an answer means, and who gets the next calls."""

from __future__ import annotations

import pytest

from app.backends.base import GenerationOptions, GenerationRequest
from app.batch.chain import CallRecord, due, missing, ruling, verdict, window
from app.batch.feeding import HostState, Portion, feed
from app.batch.hours import hours_form, is_open
from app.batch.requests import asked_again
from app.batch.spec import RunSpec
from app.errors import InvalidInput
from tests.batch.builders import chain, done, stage


def test_a_stage_is_due_when_all_that_it_reads_has_ended() -> None:
    spec = chain("a", "b", "a")
    assert due(spec, {}) == [0]
    assert missing(spec, {(0, 0): CallRecord("answered")}) == []
    assert missing(spec, {(0, 0): done()}) == [(1, 0)]
    assert missing(spec, {(0, 0): done(), (1, 0): CallRecord("open", 1)}) == [(1, 0)]
    assert verdict(spec, {(0, 0): done(), (1, 0): done()}) is None
    assert verdict(spec, {(0, 0): done(), (1, 0): done(), (2, 0): done()}) == "done"


def test_stages_that_do_not_read_each_other_are_due_together() -> None:
    spec = RunSpec("x", (stage("a"), stage("b"), stage("c", needs=(0, 1))))
    assert missing(spec, {}) == [(0, 0), (1, 0)]
    assert missing(spec, {(0, 0): done(), (1, 0): CallRecord("skipped")}) == [(2, 0)]


def test_every_model_and_sample_is_a_call_of_its_stage() -> None:
    spec = RunSpec("x", (stage("a", "m", "n", samples=2), stage("b", needs=(0,))))
    assert missing(spec, {(0, 1): done()}) == [(0, 0), (0, 2), (0, 3)]
    assert missing(spec, {(0, part): done() for part in range(4)}) == [(1, 0)]


def test_nothing_more_is_asked_for_a_job_that_has_failed() -> None:
    spec = RunSpec("x", (stage("a"), stage("b")))
    calls = {(0, 0): CallRecord("failed")}
    assert missing(spec, calls) == []
    assert verdict(spec, calls) == "failed"


def test_an_answer_that_does_not_fit_is_asked_for_again_and_then_fails() -> None:
    answered = CallRecord("answered", finish_reason="stop", text="no")
    first = ruling(answered, 1, "no JSON")
    assert (first.status, first.tries, first.faults) == ("open", 1, 1)
    last = ruling(CallRecord("answered", 1, 1, finish_reason="stop"), 1, "no JSON")
    assert (last.status, last.error_code, last.error) == ("failed", "invalid_output", "no JSON")


def test_a_failure_of_the_host_is_never_the_jobs() -> None:
    failed = CallRecord("answered", 9, 2, finish_reason="error", error_code="unavailable")
    assert ruling(failed, 2, counts=False).status == "open"
    assert ruling(failed, 2).status == "failed"
    assert ruling(CallRecord("answered", 0, 0, finish_reason="error", error_code="timeout"), 2).status == "open"


def test_the_window_begins_small_and_doubles_with_each_that_has_ended() -> None:
    assert [window(ended, 64) for ended in (0, 8, 24, 56, 1000)] == [8, 16, 32, 64, 64]
    assert window(0, 4) == 4


def host(name: str, *present: str, slots: int = 2, models: str = "ab", **in_flight: int) -> HostState:
    return HostState(name, slots, frozenset(models), frozenset(present), in_flight)


def test_a_host_gets_twice_what_it_writes_at_once_and_no_more() -> None:
    assert feed([host("x", "a")], {"a": 100}) == [Portion("a", "x", 5)]
    assert feed([host("x", "a", a=4)], {"a": 100}) == [Portion("a", "x", 1)]
    assert feed([host("x", "a", models="b")], {"a": 100}) == []


def test_calls_go_where_their_model_is_in_memory() -> None:
    assert feed([host("x", "a"), host("y", "b")], {"a": 2, "b": 1}) == [Portion("a", "x", 2), Portion("b", "y", 1)]


def test_an_idle_host_joins_only_for_work_that_is_worth_its_load() -> None:
    few = feed([host("x", "a"), host("y", "b")], {"a": 3})
    assert few == [Portion("a", "x", 3)]
    many = feed([host("x", "a"), host("y", "b")], {"a": 40})
    assert {one.host for one in many} == {"x", "y"}
    busy = feed([host("x", "a"), host("y", "b", b=1)], {"a": 40})
    assert {one.host for one in busy} == {"x"}


@pytest.mark.parametrize(
    ("hours", "at", "open_"),
    [("22:00-07:00", 23, True), ("22:00-07:00", 12, False), ("22:00-07:00", 6, True), ("9:00-17:00", 12, True)],
)
def test_hours_may_go_over_midnight(monkeypatch: pytest.MonkeyPatch, hours: str, at: int, open_: bool) -> None:
    from datetime import datetime

    now = datetime(2026, 3, 1, at, 30).astimezone().timestamp()
    assert is_open(hours_form(hours), now) is open_


def test_what_are_no_hours_is_refused() -> None:
    with pytest.raises(InvalidInput, match="22:00-07:00"):
        hours_form("late")
    assert is_open("", 0.0)


def test_what_is_asked_again_has_another_seed() -> None:
    request = GenerationRequest("m", (), GenerationOptions(seed=7))
    assert asked_again(request, 0) == request
    assert asked_again(request, 2).options.seed == 9
    assert asked_again(GenerationRequest("m", ()), 2).options.seed is None
