"""Runs as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.batch.estimate import Estimate
from app.batch.outlook import HostModels, fits
from app.batch.progress import summary_of
from app.batch.runs import Run, StageSums
from app.batch.submission import CheckedRun


def run_view(run: Run, sums: Sequence[StageSums]) -> dict[str, Any]:
    """A run and how far it is."""
    summary = summary_of(run, sums)
    links = {name: f"/api/arena/runs/{run.id}/{name}" for name in ("events", "results", "report")}
    return {**summary, "owner": run.owner, **links}


def plan_view(
    checked: CheckedRun, owner: str | None, hosts: Sequence[HostModels], time: Estimate | None
) -> dict[str, Any]:
    """What would be done."""
    spec = checked.spec
    return {
        "run_id": checked.run_id(owner),
        "jobs": checked.jobs,
        "calls": checked.jobs * spec.parts,
        "stages": [
            {"name": stage.name, "models": list(stage.models), "samples": stage.samples} for stage in spec.stages
        ],
        "hosts": [
            {
                "name": one.host.name,
                "answers": one.models is not None,
                "models": {model: found.size_bytes for model, found in (one.models or {}).items()},
                "slots": one.host.num_parallel,
                "fit_together": fits(one),
            }
            for one in hosts
        ],
        "time": None if time is None else asdict(time),
    }
