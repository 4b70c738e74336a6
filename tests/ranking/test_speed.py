"""The speed board."""

from __future__ import annotations

import pytest

from app.ranking.speed import speed_board
from app.ranking.votes import AnswerTiming
from tests.helpers import known


def test_each_model_has_a_row_for_each_host() -> None:
    rows = speed_board(
        [
            AnswerTiming("slow", "one", 0.4, 10.0),
            AnswerTiming("fast", "one", 0.2, 60.0),
            AnswerTiming("fast", "two", 0.3, 80.0),
        ]
    )
    assert [(row.model, row.host, row.answers) for row in rows] == [
        ("fast", "two", 1),
        ("fast", "one", 1),
        ("slow", "one", 1),
    ]


def test_quantiles_interpolate() -> None:
    row = speed_board(AnswerTiming("m", "h", number / 100, float(number)) for number in range(1, 102))[0]
    assert (row.ttft_s_p50, row.ttft_s_p95) == pytest.approx((0.51, 0.96))
    assert (row.tokens_per_s_p50, row.tokens_per_s_p95, row.tokens_per_s_p5) == pytest.approx((51, 96, 6))


def test_cold_answers_are_counted_and_kept_out_of_the_warm_figures() -> None:
    timings = [AnswerTiming("m", "h", 0.2, 50.0)] * 3 + [AnswerTiming("m", "h", 20.0, 50.0, cold=True)]
    row = speed_board(timings)[0]
    assert (row.answers, row.cold_answers, row.warm_ttft_s_p95) == (4, 1, 0.2)
    assert known(row.ttft_s_p95) > 10


def test_what_was_not_measured_is_none_and_last() -> None:
    rows = speed_board([AnswerTiming("a", "h", None, None), AnswerTiming("b", "h", 0.1, 5.0)])
    assert [row.model for row in rows] == ["b", "a"]
    assert (rows[1].ttft_s_p50, rows[1].tokens_per_s_p50, rows[1].answers) == (None, None, 1)
    assert speed_board([]) == ()
