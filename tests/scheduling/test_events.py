"""What a host's driver writes down."""

from __future__ import annotations

import structlog
from structlog.testing import capture_logs

from app.metrics.counters import Counters
from app.scheduling.driver.events import KEPT, HostEvents
from app.scheduling.report import HostEvent
from tests.scheduling.conftest import Clock


def test_an_event_is_a_line_in_the_log_a_count_and_a_part_of_the_report(clock: Clock) -> None:
    tally = Counters()
    journal = HostEvents("gpu", tally, clock)
    clock.now = 7.0
    with capture_logs() as logs:
        journal.record("offloaded", "a", "12% of it is on the CPU")
    assert journal.newest == (HostEvent(7.0, "offloaded", "a", "12% of it is on the CPU"),)
    assert [(line["event"], line["host"], line["model"]) for line in logs] == [("offloaded", "gpu", "a")]
    assert [value for series, value in tally.counted.items() if "offloaded" in series] == [1]


def test_only_the_newest_are_kept(clock: Clock) -> None:
    journal = HostEvents("gpu", now=clock)
    for clock.now in range(KEPT + 5):
        journal.record("slow", "a")
    assert [event.at for event in journal.newest] == list(range(5, KEPT + 5))


def test_the_next_driver_inherits_what_the_last_one_noted(clock: Clock) -> None:
    first, second = HostEvents("gpu", now=clock), HostEvents("gpu", now=clock)
    first.record("host_down", detail="unavailable")
    clock.now = 5.0
    second.record("host_up")
    second.inherit(first.newest)
    assert [event.kind for event in second.newest] == ["host_down", "host_up"]


def test_what_is_inherited_is_neither_logged_nor_counted_again(clock: Clock) -> None:
    tally = Counters()
    journal = HostEvents("gpu", tally, clock)
    with capture_logs() as logs:
        journal.inherit([HostEvent(1.0, "slow", "a")])
    assert logs == []
    assert tally.counted == {}


def test_an_own_report_that_is_read_again_doubles_nothing(clock: Clock) -> None:
    journal = HostEvents("gpu", now=clock)
    for clock.now in range(3):
        journal.record("slow", "a")
    before = journal.newest
    journal.inherit(before)
    assert journal.newest == before


def test_a_long_past_does_not_push_out_the_present(clock: Clock) -> None:
    journal = HostEvents("gpu", now=clock)
    clock.now = 1000.0
    journal.record("host_up")
    journal.inherit([HostEvent(float(n), "slow", "a") for n in range(KEPT)])
    assert len(journal.newest) == KEPT
    assert journal.newest[-1].kind == "host_up"


def test_trouble_is_a_warning_and_its_end_is_not() -> None:
    with structlog.testing.capture_logs() as lines:
        events = HostEvents("gpu")
        events.record("host_down", detail="unavailable")
        events.record("host_up")
    assert [(line["event"], line["log_level"]) for line in lines] == [("host_down", "warning"), ("host_up", "info")]
