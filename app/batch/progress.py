"""How far a run is and when it may end. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import sqrt

from app.batch.chain import FIRST_WINDOW
from app.batch.runs import Run, StageSums

SPREAD = 1.6
"""How many standard errors the range has to either side."""


@dataclass(frozen=True, slots=True)
class Progress:
    """A run in figures; ``eta_s`` is the earliest and latest end that is likely, None while nothing is known."""

    jobs: int
    done: int
    failed: int
    jobs_per_min: float | None
    eta_s: tuple[float, float] | None
    tokens: int

    @property
    def ended(self) -> int:
        """Jobs that are done or failed."""
        return self.done + self.failed


def progress_of(run: Run, sums: Sequence[StageSums]) -> Progress:
    """The progress of a run; by jobs once a window has ended, before that by calls."""
    tokens = sum(stage.tokens for stage in sums)
    share = _share(run, sums)
    rate = run.jobs_ended / run.active_s * 60 if run.active_s > 0 and run.jobs_ended else None
    return Progress(run.jobs, run.jobs_done, run.jobs_failed, rate, _eta_s(run, share), tokens)


def _share(run: Run, sums: Sequence[StageSums]) -> float:
    """How much of the run's work is done: calls in flight count, or a window's first stages would look like nothing."""
    calls = sum(stage.done + stage.failed for stage in sums)
    skipped = sum(stage.skipped * run.spec.stages[stage.stage].parts for stage in sums)
    whole = run.jobs * run.spec.parts
    return min((calls + skipped) / whole, 1.0) if whole else 1.0


def _eta_s(run: Run, share: float) -> tuple[float, float] | None:
    if share <= 0 or run.active_s <= 0 or run.status in ("completed", "failed", "cancelled"):
        return None
    left_s = run.active_s / share * (1 - share)
    units = max(share * run.jobs / FIRST_WINDOW, 0.25)
    error = min(SPREAD * 0.15 / sqrt(units), 0.9)
    return left_s * (1 - error), left_s * (1 + error)


def words(seconds: float) -> str:
    """A duration for people: 45 s, 12 min, 7.4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def line_of(run: Run, progress: Progress) -> str:
    """One line that says it all."""
    parts = [f"{progress.ended} of {progress.jobs} jobs"]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    if progress.jobs_per_min is not None:
        parts.append(f"{progress.jobs_per_min:.1f} jobs/min")
    if progress.eta_s is not None and progress.ended < progress.jobs:
        low, high = map(words, progress.eta_s)
        parts.append(f"{low} left" if low == high else f"{low} to {high} left")
    if run.note:
        parts.append(run.note)
    return ", ".join(parts)


def summary_of(run: Run, sums: Sequence[StageSums]) -> dict[str, object]:
    """A run as JSON tells it: its status, its jobs, its stages, when it may end."""
    progress = progress_of(run, sums)
    return {
        "id": run.id,
        "name": run.spec.name,
        "status": run.status,
        "note": run.note,
        "jobs": {"total": run.jobs, "done": run.jobs_done, "failed": run.jobs_failed},
        "jobs_per_min": progress.jobs_per_min,
        "eta_s": progress.eta_s,
        "active_s": run.active_s,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "between": run.between or None,
        "max_failures": run.max_failures or None,
        "stages": [_stage(run, stage) for stage in sums],
    }


def _stage(run: Run, sums: StageSums) -> dict[str, object]:
    of = run.spec.stages[sums.stage]
    figures = {name: value for name, value in asdict(sums).items() if name != "stage"}
    return {"name": of.name, "models": list(of.models), "calls": run.jobs * of.parts, **figures}
