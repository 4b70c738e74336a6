"""Models that are hardly ever drawn: the reason for each, and when there is nothing to say. On plain observations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.backends.base import InstalledModel
from app.doctor.diagnose import findings_of
from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedDraw, ObservedHost
from app.hosts.host import Host
from app.scheduling.report import HostReport
from tests.doctor.deployment import TRIO
from tests.doctor.test_findings import GIB, NOW, healthy, seen
from tests.services import settings_with

FIRST, SECOND, THIRD = TRIO
DRAWN = ObservedDraw((FIRST, SECOND), NOW - 1200, 44, {FIRST: 200, SECOND: 198, THIRD: 6})
UP = HostReport("gpu", NOW, max_models=3, planned=TRIO)


def observed(
    *hosts: ObservedHost, draw: ObservedDraw | None = DRAWN, reports: Any = None, **settings: Any
) -> Observation:
    configured = settings_with(arena_models=TRIO, **settings)
    return seen(*hosts, settings=configured, draw=draw, reports={"gpu": UP} if reports is None else reports)


def hardly(observation: Observation) -> list[Finding]:
    return [one for one in findings_of(observation) if one.code == "model_hardly_drawn"]


def without(model: str) -> tuple[InstalledModel, ...]:
    return tuple(one for one in healthy().installed if one.name != model)


def only(model: str) -> tuple[InstalledModel, ...]:
    return tuple(one for one in healthy().installed if one.name == model)


def test_a_model_whose_turn_it_is_not_is_a_note_that_tells_the_set_and_how_it_changes() -> None:
    (finding,) = hardly(observed(arena_draw_longest=timedelta(minutes=30)))
    assert (finding.subject, finding.severity) == (THIRD, "note")
    assert f"{THIRD} was drawn 6 times within the last day, the average model 135 times" in finding.cause
    assert f"{FIRST}, {SECOND} for 20 minutes (44 battles)" in finding.cause
    assert "30 minutes at the latest" in finding.cause
    assert "ARENA_DRAW_LONGEST=15m" in finding.command


def test_a_model_whose_only_host_is_down_or_undriven() -> None:
    other = healthy(host=Host("spare", "http://10.0.0.6:11434", 24 * GIB), addresses=("10.0.0.6",), loaded=())
    hosts = (healthy(installed=without(THIRD)), replace(other, installed=only(THIRD)))
    for reports in ({"gpu": UP}, {"gpu": UP, "spare": HostReport("spare", NOW, health="down")}):
        (finding,) = hardly(observed(*hosts, reports=reports))
        assert finding.severity == "warning"
        assert "nobody drives a host that has it and answers (spare)" in finding.cause
        assert "http://10.0.0.6:11434/api/version" in finding.command


def test_a_model_that_only_a_fallback_has() -> None:
    spare = Host("spare", "http://10.0.0.6:11434", 24 * GIB, fallback=True)
    other = healthy(host=spare, addresses=("10.0.0.6",), loaded=(), installed=only(THIRD))
    (finding,) = hardly(
        observed(healthy(installed=without(THIRD)), other, reports={"gpu": UP, "spare": HostReport("spare", NOW)})
    )
    assert "only fallbacks have it (spare)" in finding.cause


def test_a_model_that_fits_beside_no_other() -> None:
    report = replace(UP, sizes={FIRST: 6 * GIB, SECOND: 6 * GIB, THIRD: 20 * GIB})
    (finding,) = hardly(observed(reports={"gpu": report}))
    assert finding.severity == "warning"
    assert "too large to be in memory beside any other model on gpu" in finding.cause
    assert "ARENA_DRAW=uniform" in finding.command


def test_a_model_that_its_host_refused() -> None:
    (finding,) = hardly(observed(draw=replace(DRAWN, gone=frozenset({("gpu", THIRD)}))))
    assert "said within the last minute that there is no such model" in finding.cause


@pytest.mark.parametrize(
    ("draw", "settings"),
    [
        (None, {}),  # Redis is unavailable
        (ObservedDraw(), {}),  # nobody has played yet
        (replace(DRAWN, drawn={FIRST: 20, SECOND: 20}), {}),  # too few to tell
        (replace(DRAWN, drawn={FIRST: 200, SECOND: 200, THIRD: 80}), {}),  # a fifth of the average and more
        (replace(DRAWN, members=TRIO), {}),  # it has just come
        (DRAWN, {"arena_draw": "uniform"}),  # what is left of a rotation counts no more, and chance needs no reason
    ],
)
def test_nothing_is_said_where_nothing_is_wrong(draw: ObservedDraw | None, settings: dict[str, Any]) -> None:
    assert hardly(observed(draw=draw, **settings)) == []


def test_a_uniform_draw_leaves_out_a_model_that_is_nowhere_and_the_doctor_says_so() -> None:
    (finding,) = hardly(observed(arena_draw="uniform", reports={"gpu": replace(UP, health="down")}))
    assert finding.subject == THIRD
