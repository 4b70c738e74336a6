from __future__ import annotations

from datetime import timedelta

import structlog
from redis.exceptions import ConnectionError
from structlog.testing import capture_logs

from app.logs.configuration import reason_for_traceback
from app.logs.repeats import Losses, Throttle
from app.store_errors import Trouble, database_lost

FULL = Trouble("full", "database or disk is full")
UNAVAILABLE = Trouble("unavailable", "connection refused")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_silence_then_the_number_of_those_left_out() -> None:
    clock = Clock()
    throttle = Throttle(timedelta(seconds=10), burst=2, clock=clock)
    assert [throttle.due("a") for _ in range(5)] == [0, 0, None, None, None]
    assert throttle.due("b") == 0
    clock.now = 10.0
    assert [throttle.due("a") for _ in range(3)] == [3, 0, None]


def test_keys_are_bounded() -> None:
    throttle = Throttle(timedelta(seconds=10))
    for number in range(1000):
        throttle.due(number)
    assert throttle.due(999) is None
    assert throttle.due(0) == 0, "the oldest was forgotten"


def test_a_loss_is_told_once_for_each_reason_and_again_after_half_a_minute() -> None:
    clock = Clock()
    losses = Losses("database", clock=clock)
    with capture_logs() as logs:
        losses.back()
        for _ in range(3):
            losses.heard(database_lost(FULL), wrote=False)
        losses.heard(database_lost(UNAVAILABLE), wrote=False)
        losses.heard(None, wrote=False)
        clock.now = 30.0
        losses.heard(database_lost(FULL), wrote=False)
        losses.heard(ValueError("a bug"), wrote=True)
        losses.heard(None, wrote=True)
        losses.heard(None, wrote=True)
    logged = [(line["event"], line.get("reason"), line.get("left_out")) for line in logs]
    assert logged == [
        ("database_lost", FULL.reason, 0),
        ("database_lost", UNAVAILABLE.reason, 0),
        ("database_lost", FULL.reason, 2),
        ("database_back", None, None),
    ]


def test_an_error_of_a_lost_store_is_logged_by_its_reason_and_others_with_their_traceback() -> None:
    def processed(**event: object) -> structlog.typing.EventDict:
        return dict(reason_for_traceback(None, "error", event))

    lost = database_lost(FULL)
    expected = {"event": "x", "kind": "full", "reason": FULL.reason}
    assert processed(event="x", exc_info=lost) == expected
    assert processed(event="x", exc_info=(type(lost), lost, None)) == expected
    assert processed(event="x", exc_info=ConnectionError("gone"))["reason"] == "gone"
    bug = ValueError("a bug")
    assert processed(event="x", exc_info=bug) == {"event": "x", "exc_info": bug}
    try:
        raise lost
    except Exception:
        assert processed(event="x", exc_info=True) == expected
