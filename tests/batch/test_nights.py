"""The schedule of a run, in virtual time; ``python -m benchmarks.batch`` has the whole table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.batch.estimate import CallFigures, changes_of_models, estimate
from benchmarks.batch.night import Case, in_chain_order, measured, scheduled, spec_of

CASE = Case(4.0, 1.85, jobs=400, window=32)


@pytest.mark.parametrize("case", [CASE, replace(CASE, curve=measured), replace(CASE, slots=1)])
def test_a_run_takes_hardly_longer_than_no_schedule_can(case: Case) -> None:
    assert scheduled(case).per_job_s <= 1.1 * case.bound_s


def test_a_window_is_worth_many_loads_and_the_first_result_comes_soon() -> None:
    outcome, today = scheduled(CASE), in_chain_order(replace(CASE, slots=1), 1)
    assert today.per_job_s > 3 * outcome.per_job_s
    assert outcome.loads <= 2 * (CASE.jobs / CASE.window + 4) + 1
    assert outcome.first_s <= 120


def test_hosts_share_the_models() -> None:
    two, three = (scheduled(replace(CASE, hosts=hosts)).per_job_s for hosts in (2, 3))
    one = scheduled(CASE).per_job_s
    assert one > 1.8 * two
    assert one > 2.5 * three


def test_models_stay_where_they_are_when_the_work_is_even() -> None:
    even = Case(4.0, 4.0, chain=("a", "b"), jobs=200, hosts=2)
    assert scheduled(even).loads <= 8


def test_an_estimate_comes_near_the_run() -> None:
    spec = spec_of(CASE)
    assert changes_of_models(spec) == 2
    beside_s = CASE.call_s / CASE.curve(CASE.slots)
    figures = {model: CallFigures(beside_s, "runs") for model in ("a", "b")}
    found = estimate(
        replace(spec, window=32), CASE.jobs, figures, {"a": 4, "b": 4}, fit=False, load_s=CASE.load_s, hosts=1
    )
    assert found.low_s < scheduled(CASE).seconds < found.high_s
    assert found.loads == 25
