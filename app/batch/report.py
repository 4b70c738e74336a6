"""The report of a run: its time, stages, loads, failures and slowest jobs. Pure; ``reading`` has what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.batch.progress import words
from app.batch.runs import LoadSeen, Run, StageSums
from app.batch.waits import Wait
from app.legible import visible

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SlowJob:
    """A job and the seconds that its calls took, without what they waited."""

    custom_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What is known of a run: ``failures`` counts failed jobs by class, ``ends`` are the moments when jobs ended."""

    run: Run
    sums: Sequence[StageSums]
    loads: Sequence[LoadSeen]
    failures: Mapping[str, int]
    slowest: Sequence[SlowJob]
    ends: Sequence[datetime]
    waits: Sequence[Wait] = ()


def report_json(figures: RunFigures) -> Json:
    """The report as JSON; times in seconds."""
    run = figures.run
    load_s = sum(load.seconds or 0.0 for load in figures.loads)
    return {
        "run": run.id,
        "name": run.spec.name,
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "active_s": run.active_s,
        "jobs": {"total": run.jobs, "done": run.jobs_done, "failed": run.jobs_failed},
        "jobs_per_min": run.jobs_ended / run.active_s * 60 if run.active_s else None,
        "stages": [_stage(figures, stage) for stage in figures.sums],
        "loads": {
            "count": len(figures.loads),
            "seconds": load_s,
            "share": load_s / run.active_s if run.active_s else None,
            "each": [
                {"host": load.host, "model": load.model, "at": load.since, "seconds": load.seconds}
                for load in figures.loads
            ],
        },
        "waits": [
            {"why": wait.note, "since": wait.since, "until": wait.until, "seconds": _seconds(wait)}
            for wait in figures.waits
        ],
        "failures": dict(figures.failures),
        "slowest_jobs": [{"custom_id": job.custom_id, "seconds": job.seconds} for job in figures.slowest],
    }


def _seconds(wait: Wait) -> float | None:
    return None if wait.until is None else (wait.until - wait.since).total_seconds()


def _stage(figures: RunFigures, sums: StageSums) -> Json:
    of = figures.run.spec.stages[sums.stage]
    return {
        "name": of.name,
        "models": list(of.models),
        "done": sums.done,
        "failed": sums.failed,
        "skipped": sums.skipped,
        "cached": sums.cached,
        "prompt_tokens": sums.prompt_tokens,
        "tokens": sums.tokens,
        "tokens_per_s": sums.tokens / sums.decode_s if sums.decode_s else None,
        "seconds": sums.work_s,
        "waited_for_loads_s": sums.load_s,
    }


def report_markdown(figures: RunFigures) -> str:
    """The report as Markdown."""
    run, report = figures.run, report_json(figures)
    rate = "" if report["jobs_per_min"] is None else f", {report['jobs_per_min']:.1f} jobs/min"
    loads = report["loads"]
    share = "" if not loads["share"] else f", {loads['share']:.0%} of the time"
    lines = [
        f"# {_cell(run.spec.name or run.id)}",
        "",
        f"Run {run.id}, {run.status}: {run.jobs_done} of {run.jobs} jobs done, {run.jobs_failed} failed, "
        f"in {words(run.active_s)}{rate}. {loads['count']} loads, {words(loads['seconds'])}{share}.",
        "",
        *_table(
            ("stage", "models", "done", "failed", "skipped", "cached", "prompt tokens", "tokens", "tokens/s"),
            [_row(stage) for stage in report["stages"]],
        ),
    ]
    if figures.waits:
        rows = [(f"{wait.since:%Y-%m-%d %H:%M}", _length(wait), wait.note) for wait in figures.waits]
        lines += ["", *_table(("at (UTC)", "for", "what it waited for, or did without"), rows)]
    if figures.failures:
        lines += ["", *_table(("failure", "jobs"), [(code, str(count)) for code, count in figures.failures.items()])]
    if figures.slowest:
        lines += [
            "",
            *_table(("slowest jobs", "s"), [(job.custom_id, f"{job.seconds:.1f}") for job in figures.slowest]),
        ]
    if run.note:
        lines += ["", _cell(run.note)]
    return "\n".join(lines) + "\n"


def _length(wait: Wait) -> str:
    seconds = _seconds(wait)
    return "still" if seconds is None else words(seconds)


def _row(stage: Json) -> tuple[str, ...]:
    rate = "" if stage["tokens_per_s"] is None else f"{stage['tokens_per_s']:.1f}"
    counts = (str(stage[name]) for name in ("done", "failed", "skipped", "cached", "prompt_tokens", "tokens"))
    return (str(stage["name"]), ", ".join(stage["models"]), *counts, rate)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines]


def _cell(text: str) -> str:
    """A text in one cell: names and ids are other people's."""
    return visible(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")[:200]
