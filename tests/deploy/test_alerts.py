"""Alerts: each has a page in the runbook and a test, and every metric that they read exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from app.metrics.families import FAMILIES
from app.scheduling.report import HostReport, ResidentReport
from app.web.ops.gauges import gauges

ROOT = Path(__file__).parents[2]
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]


def test_each_alert_has_its_page() -> None:
    runbook = (ROOT / "docs/runbook.md").read_text()
    assert len(ALERTS) == 16
    for alert in ALERTS:
        assert f"\n## {alert['alert']}\n" in runbook
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"]


def test_each_alert_is_tried() -> None:
    tried = (ROOT / "deploy/prometheus/alerts.test.yml").read_text()
    assert all(f"alertname: {alert['alert']}" in tried for alert in ALERTS)


def test_every_metric_that_is_read_exists() -> None:
    report = HostReport("gpu", 0.0, residents=(ResidentReport("m:1b"),), running_by_model={"m:1b": 1})
    known = {family.name for family in FAMILIES} | {f"{family.name}_bucket" for family in FAMILIES}
    known |= {metric.name for metric in gauges((), {"gpu": report}, 0)}
    known |= {rule["record"] for rule in RULES if "record" in rule}
    for rule in RULES:
        read = set(re.findall(r"\barena[a-z_:0-9]*\b", re.sub(r'"[^"]*"', "", str(rule["expr"])).lower()))
        assert read <= known, rule
