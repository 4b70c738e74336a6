"""Writes arena.json beside it: Grafana's dashboard of the arena (``python deploy/grafana/dashboard.py``).

A row for each question: what people wait for, what the hosts do, battles and votes, and what goes wrong. The data
source and the job are variables; a figure is of the whole arena, for /metrics of any instance is a sum of all
(docs/metrics.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("arena.json")
RATE = "[$__rate_interval]"
JOB = 'job="$job"'
ERRORS = 'reason="error"'
LOST = 'kind=~"unloaded_by_others|host_down"'
WIDTH, HEIGHT = 24, 8


@dataclass(frozen=True)
class Panel:
    """A graph: its queries by legend, its unit in Grafana's words, and what it says."""

    title: str
    unit: str
    says: str
    queries: tuple[tuple[str, str], ...]
    width: int = 8
    kind: str = "timeseries"
    stacked: bool = False


def counter(name: str, by: str = "", where: str = "") -> str:
    """The rate of a counter, summed by labels."""
    labels = f"{JOB},{where}" if where else JOB
    return f"sum{f' by ({by})' if by else ''} (rate({name}{{{labels}}}{RATE}))"


def quantile(share: float, name: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram."""
    return f"histogram_quantile({share}, {counter(f'{name}_bucket', f'le, {by}' if by else 'le', where)})"


def gauge(name: str, by: str = "") -> str:
    """A gauge, summed by labels."""
    return f"sum{f' by ({by})' if by else ''} ({name}{{{JOB}}})"


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "What people wait for",
        (
            Panel(
                "In the queue",
                "s",
                "From enqueued to dispatched, without the load of the model.",
                tuple((f"p{share * 100:.0f}", quantile(share, "arena_queue_seconds")) for share in (0.5, 0.9, 0.99)),
            ),
            Panel(
                "Until the first word",
                "s",
                "From dispatched to the first token of the answer.",
                tuple((f"p{share * 100:.0f}", quantile(share, "arena_ttft_seconds")) for share in (0.5, 0.9)),
            ),
            Panel(
                "Loads",
                "s",
                "How long loads take while somebody waits for them, and ahead of time (wished).",
                (
                    ("p90 {{wished}}", quantile(0.9, "arena_load_seconds", "wished")),
                    ("p50 {{wished}}", quantile(0.5, "arena_load_seconds", "wished")),
                ),
            ),
            Panel(
                "Answers that wait and are written",
                "short",
                "The queue of all hosts, and what they write.",
                (("wait", gauge("arena_answers_waiting")), ("are written", gauge("arena_answers_running"))),
            ),
            Panel(
                "Tokens a second, by model",
                "short",
                "What the cards give: this is what to look at when the GPU looks idle.",
                (("{{model}}", counter("arena_answer_tokens_total", "model")),),
                stacked=True,
            ),
            Panel(
                "Rate of one answer, by model",
                "short",
                "Tokens a second of single answers, the median: it falls when a model is not wholly on the card.",
                (("{{model}}", quantile(0.5, "arena_tokens_per_second", "model")),),
            ),
        ),
    ),
    (
        "Hosts",
        (
            Panel(
                "In memory, by host and model",
                "bytes",
                "Residency: what is loaded where, and how much of it.",
                (("{{host}} {{model}}", gauge("arena_resident_bytes", "host, model")),),
                stacked=True,
            ),
            Panel(
                "On the card",
                "percentunit",
                "1 is wholly on the card; below it the CPU computes a part, many times slower.",
                (
                    (
                        "{{host}} {{model}}",
                        f"{gauge('arena_resident_vram_bytes', 'host, model')}"
                        f" / {gauge('arena_resident_bytes', 'host, model')}",
                    ),
                ),
            ),
            Panel(
                "Hosts that are up, and driven",
                "short",
                "0 is down, or driven by no process.",
                (
                    ("{{host}} is up", gauge("arena_host_up", "host")),
                    ("{{host}} is driven", gauge("arena_host_driven", "host")),
                ),
            ),
            Panel(
                "Queue, by host",
                "short",
                "Answers that wait on each host.",
                (("{{host}}", gauge("arena_host_answers_waiting", "host")),),
            ),
            Panel(
                "Cold answers",
                "percentunit",
                "The share of answers that waited for their model's load.",
                (
                    (
                        "{{host}}",
                        f"{counter('arena_cold_answers_total', 'host')} / {counter('arena_answers_total', 'host')}",
                    ),
                ),
            ),
            Panel(
                "Takeovers and moves",
                "short",
                "A process began to drive a host that another had left; an answer went to another host.",
                (
                    ("{{host}} is taken over", f"sum by (host) (increase(arena_takeovers_total{{{JOB}}}{RATE}))"),
                    (
                        "{{origin}} to {{target}}",
                        f"sum by (origin, target) (increase(arena_failovers_total{{{JOB}}}{RATE}))",
                    ),
                ),
            ),
        ),
    ),
    (
        "Battles and votes",
        (
            Panel(
                "Battles that run",
                "short",
                "As last counted.",
                (("run", gauge("arena_battles_open")),),
            ),
            Panel(
                "Battles",
                "cpm",
                "Opened and ended, a minute.",
                (
                    ("opened", f"60 * {counter('arena_battles_opened_total')}"),
                    ("{{status}}", f"60 * {counter('arena_battles_ended_total', 'status')}"),
                ),
            ),
            Panel(
                "Verdicts",
                "percentunit",
                "Their shares. A share of ties or both_bad that jumps means that answers are broken.",
                (
                    (
                        "{{verdict}}",
                        f"{counter('arena_votes_total', 'verdict')} / on() group_left {counter('arena_votes_total')}",
                    ),
                ),
                stacked=True,
            ),
        ),
    ),
    (
        "What goes wrong",
        (
            Panel(
                "Answers that fail, by cause",
                "cpm",
                "A minute; the cause is the class of error.",
                (("{{cause}}", f"60 * {counter('arena_answers_total', 'cause', ERRORS)}"),),
                width=12,
                stacked=True,
            ),
            Panel(
                "Calls that are refused or fail, by status and code",
                "cpm",
                "A minute. 4xx is the caller's, 5xx is ours.",
                (("{{status}} {{code}}", f"60 * {counter('arena_refused_total', 'status, code')}"),),
                width=12,
                stacked=True,
            ),
            Panel(
                "Oldest answer that waits, by host",
                "s",
                "How long somebody has waited by now; also when nothing moves.",
                (("{{host}}", gauge("arena_host_oldest_wait_seconds", "host")),),
                width=12,
            ),
            Panel(
                "Stores and disk",
                "percentunit",
                "1 while a store takes writes; the free share of the data folder's disk, where there is one.",
                (
                    ("{{store}} takes writes", gauge("arena_store_usable", "store")),
                    ("free", f"{gauge('arena_data_free_bytes')} / {gauge('arena_data_size_bytes')}"),
                ),
                width=12,
            ),
            Panel(
                "What happened to hosts",
                "short",
                "Models unloaded by others, pushed out, offloaded; loads that failed or hung; hosts down and up.",
                (("{{host}} {{kind}}", f"sum by (host, kind) (increase(arena_host_events_total{{{JOB}}}{RATE}))"),),
                width=12,
            ),
        ),
    ),
)


def target(number: int, legend: str, expression: str) -> dict[str, object]:
    """A query of a panel."""
    source = {"type": "prometheus", "uid": "${datasource}"}
    return {"refId": chr(ord("A") + number), "datasource": source, "expr": expression, "legendFormat": legend}


def drawn(panel: Panel, number: int, x: int, y: int) -> dict[str, object]:
    """A panel as Grafana stores it."""
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "custom": {
                    "fillOpacity": 20 if panel.stacked else 0,
                    "stacking": {"mode": "normal" if panel.stacked else "none"},
                },
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [target(n, legend, expression) for n, (legend, expression) in enumerate(panel.queries)],
    }


def panels() -> Iterator[dict[str, object]]:
    """All rows with their panels, from left to right."""
    number, y = 1, 0
    for title, row in ROWS:
        yield {"id": number, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": at(0, y)}
        number, x, y = number + 1, 0, y + 1
        for panel in row:
            if x + panel.width > WIDTH:
                x, y = 0, y + HEIGHT
            yield drawn(panel, number, x, y)
            number, x = number + 1, x + panel.width
        y += HEIGHT


def at(x: int, y: int) -> dict[str, int]:
    """The place of a row's headline."""
    return {"x": x, "y": y, "w": WIDTH, "h": 1}


def dashboard() -> dict[str, object]:
    """The whole dashboard; its uid is this arena's, so that a second import replaces the first."""
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    job = {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": {"query": "label_values(arena_battles_opened_total, job)", "refId": "job"},
        "refresh": 2,
        "sort": 1,
    }
    events = {
        "name": "Models lost, hosts down",
        "enable": True,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "expr": f"sum by (host, kind) (increase(arena_host_events_total{{{JOB},{LOST}}}[1m])) > 0",
        "titleFormat": "{{host}}: {{kind}}",
        "iconColor": "orange",
    }
    return {
        "uid": "progressive-arena",
        "title": "Progressive Arena",
        "tags": ["arena"],
        "schemaVersion": 41,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [source, job]},
        "annotations": {"list": [events]},
        "panels": list(panels()),
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
