"""What the planner would do: asked before anything is done. Pure."""

from __future__ import annotations

from dataclasses import replace

from app.scheduling.job import Job
from app.scheduling.planning.planner import Start, plan
from app.scheduling.planning.view import View


def is_plannable(view: View) -> bool:
    """Whether a plan can be made at all."""
    try:
        plan(view)
    except Exception:
        return False
    return True


def would_start(view: View, job: Job) -> bool:
    """Whether the plan would start ``job`` if it waited, too."""
    try:
        return Start(job) in plan(replace(view, waiting=(*view.waiting, job)))
    except Exception:
        return False
