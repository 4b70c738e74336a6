"""Grafana's dashboard: made by its program, and what Grafana's own linter asks of one."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

from app.metrics.families import FAMILIES, Measured
from app.scheduling.report import HostReport, ResidentReport
from app.web.ops.gauges import gauges
from tests.deploy.check import dashboard_rules

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "arena.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [query for panel in PANELS for query in panel["targets"]]


def known() -> set[str]:
    """Every series that there is."""
    report = HostReport("gpu", 0.0, residents=(ResidentReport("m:1b"),), running_by_model={"m:1b": 1})
    counted = {family.name for family in FAMILIES if not isinstance(family, Measured)}
    measured = {f"{family.name}_bucket" for family in FAMILIES if isinstance(family, Measured)}
    hosts = {metric.name for metric in gauges((), {"gpu": report}, 0)}
    return counted | measured | hosts | {"arena_host_loading", "arena_battles_open"}


def test_the_file_is_what_its_program_writes() -> None:
    spec = importlib.util.spec_from_file_location("arena_dashboard", FOLDER / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["arena_dashboard"] = made  # its dataclasses are looked up there
    spec.loader.exec_module(made)
    assert made.text() == (FOLDER / "arena.json").read_text()


def test_every_panel_has_what_a_reader_needs_and_a_place_of_its_own() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
    for panel in PANELS:
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"


def test_every_query_has_a_legend_the_chosen_job_and_grafanas_own_interval() -> None:
    for query in QUERIES:
        assert query["legendFormat"]
        assert query["datasource"]["uid"] == "${datasource}"
        series = re.findall(r"\barena_[a-z_]+\{([^}]*)\}", query["expr"])
        assert series
        assert all('job="$job"' in labels for labels in series), query["expr"]
        assert set(re.findall(r"\[([^\]]+)\]", query["expr"])) <= {"$__rate_interval"}


def test_every_metric_that_is_shown_exists_and_what_people_ask_for_is_shown() -> None:
    shown = {name for query in QUERIES for name in re.findall(r"\barena_[a-z_]+", query["expr"])}
    assert shown <= known()
    assert {
        "arena_queue_seconds_bucket",  # waits
        "arena_load_seconds_bucket",
        "arena_resident_bytes",
        "arena_answer_tokens_total",
        "arena_host_answers_waiting",
        "arena_takeovers_total",
        "arena_votes_total",
        "arena_battles_ended_total",
        "arena_answers_total",  # errors by class
    } <= shown


def test_the_queries_are_given_to_promtool_as_rules(tmp_path: Path) -> None:
    rules = json.loads(dashboard_rules(tmp_path).read_text())["groups"][0]["rules"]
    assert len(rules) == len(QUERIES) > 20
    assert not any("$" in rule["expr"] for rule in rules)
