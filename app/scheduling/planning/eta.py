"""What the viewers of a waiting answer are shown: its place and how long it may take. A pure function.

The estimate is made of means, so it is rough: the answers that come first on the same model, shared among its
slots, and for a model that isn't in memory the loads before its own and its own. If other models' answers are in
the way of the load, half an answer is added. What has begun takes the mean less the time since; of what takes longer
than the mean, and of several answers at once, only a share is known to be left.

An answer is ``loading`` only if it will start once the load is over. One for which no slot will be free then is
``queued`` and has a place: so what an answer waits for changes in one direction only.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil
from typing import Literal

from app.scheduling.planning.planner import View, in_order
from app.timing.history import History

IN_PROGRESS = 0.5
"""The share that is taken to be left of an answer that began at a time we don't know."""

OVERDUE = 0.1
"""The share that is taken to be left of what should have ended."""


@dataclass(frozen=True, slots=True)
class QueueUpdate:
    """What the viewers of one waiting answer are shown; ``eta_s`` is whole seconds until it is being written."""

    state: Literal["queued", "loading"]
    place: int | None
    eta_s: int


def queue_updates(view: View, history: History) -> dict[str, QueueUpdate]:
    """Return an outlook for every waiting job of ``view``, by job id; places count from 1."""
    present = {resident.model for resident in view.residents}
    ahead: Counter[str] = Counter()
    loads_s = _left_s(_load_s(view, history, view.loading), view.now - view.loading_since) if view.loading else 0.0
    load_at: dict[str, float] = {view.loading: loads_s} if view.loading else {}
    updates = {}
    for place, job in enumerate(in_order(view), 1):
        starts_with_the_load = job.model == view.loading and _has_free_slot(view, job.model, ahead[job.model])
        wait_s = _writing_s(view, history, job.model, ahead[job.model])
        if job.model not in present:
            if job.model not in load_at:
                loads_s += _load_s(view, history, job.model) + _in_the_way_s(view, history)
                load_at[job.model] = loads_s
            wait_s += load_at[job.model]
        ahead[job.model] += 1
        eta_s = max(ceil(wait_s), 1)
        loading = QueueUpdate("loading", None, eta_s)
        updates[job.id] = loading if starts_with_the_load else QueueUpdate("queued", place, eta_s)
    return updates


def boot_updates(view: View, history: History, left_s: float) -> dict[str, QueueUpdate]:
    """The same while the host itself is starting, which may take another ``left_s``: all wait for that."""
    updates = queue_updates(view, history)
    return {
        job_id: QueueUpdate("loading", None, ceil(left_s) + (update.eta_s if update.eta_s > 1 else 0))
        for job_id, update in updates.items()
    }


def _writing_s(view: View, history: History, model: str, ahead: int) -> float:
    """Add up what is written before on the same model; nothing while a slot is free."""
    if _has_free_slot(view, model, ahead):
        return 0.0
    running = view.in_flight.get(model, 0)
    mean_s = history.answer_s(model)
    begun_s = mean_s * IN_PROGRESS * running
    if running == 1:
        # With one answer at a time, the newest start is the start of the one that is being written.
        used = next((resident.used for resident in view.residents if resident.model == model), view.now)
        begun_s = _left_s(mean_s, view.now - used)
    return (mean_s * ahead + begun_s) / view.slots


def _has_free_slot(view: View, model: str, ahead: int) -> bool:
    return ahead + view.in_flight.get(model, 0) < view.slots


def _load_s(view: View, history: History, model: str) -> float:
    return history.load_s(model, view.sizes.get(model, 0))


def _left_s(mean_s: float, passed_s: float) -> float:
    return max(mean_s - max(passed_s, 0.0), OVERDUE * mean_s)


def _in_the_way_s(view: View, history: History) -> float:
    """Half an answer, if the memory is full of models that are answering."""
    busy = [resident.model for resident in view.residents if view.in_flight.get(resident.model)]
    if len(busy) < view.budget.max_models:
        return 0.0
    return IN_PROGRESS * min(history.answer_s(model) for model in busy)
