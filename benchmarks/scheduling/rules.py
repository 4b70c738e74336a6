"""Other rules than the planner's, for the same drivers: what ours is measured against.

``first_come``: the next in line is served, or his model is brought once those in its way are idle. ``stay_zero``:
residents are served first, for 30 s at most; then they get nothing new until they are idle, unless they came less
than 30 s ago; an idle one goes at once, the least recently used first. That was our rule until the costs of a change
were measured.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from unittest.mock import patch

from app.scheduling.job import Priority
from app.scheduling.planning.planner import Action, Load, Start, Unload, in_order, plan
from app.scheduling.planning.view import Resident, View

PATIENCE_S = 30.0


def first_come(view: View) -> list[Action]:
    """Start in the order of coming until one's model isn't there; then bring that, when those in its way are idle."""
    if not view.waiting:
        return plan(view)
    free = {r.model: view.slots - view.in_flight.get(r.model, 0) for r in view.residents if r.model not in view.leaving}
    present = view.present
    starts: list[Action] = []
    busy = {model for model, count in view.in_flight.items() if count}
    for job in in_order(view):
        if free.get(job.model, 0) > 0:
            free[job.model] -= 1
            busy.add(job.model)
            starts.append(Start(job))
        elif job.model not in present:
            return [*starts, *_bring(view, job.model, busy)]
        else:
            break
    return starts


def stay_zero(view: View) -> list[Action]:
    """Serve residents first, for ``PATIENCE_S`` at most."""
    if not view.waiting:
        return plan(view)
    closed = _stopped(view)
    free = {r.model: view.slots - view.in_flight.get(r.model, 0) for r in view.residents if r.model not in view.leaving}
    starts: list[Action] = []
    busy = {model for model, count in view.in_flight.items() if count}
    for job in in_order(view):
        if job.model not in closed and free.get(job.model, 0) > 0:
            free[job.model] -= 1
            busy.add(job.model)
            starts.append(Start(job))
    return [*starts, *next(filter(None, (_bring(view, job.model, busy) for job in view.absent(in_order(view)))), [])]


def _stopped(view: View) -> frozenset[str]:
    wanted = {job.model for job in view.waiting} | {model for model, count in view.in_flight.items() if count}
    for job in view.absent(in_order(view)):
        if job.priority is not Priority.INTERACTIVE or view.now - job.enqueued_at <= PATIENCE_S:
            continue
        settled = [r for r in view.residents if r.model not in wanted or view.now - r.since >= PATIENCE_S]
        going = _enough(view, job.model, sorted(settled, key=lambda r: (r.model in wanted, r.used)))
        return frozenset(r.model for r in going or ())
    return frozenset()


def _bring(view: View, model: str, busy: set[str]) -> list[Action]:
    if view.loading is not None or view.leaving:
        return []
    idle = sorted((r for r in view.residents if r.model not in busy), key=lambda r: r.used)
    going = _enough(view, model, idle)
    if going is None:
        return []
    return [Unload(resident.model) for resident in going] or [Load(model)]


def _enough(view: View, model: str, candidates: Iterable[Resident]) -> list[Resident] | None:
    size, gone = view.sizes.get(model, 0), list[Resident]()
    for candidate in (None, *candidates):
        gone += [candidate] if candidate is not None else []
        if view.budget.takes((r.size_bytes for r in view.residents if r not in gone), size):
            return gone
    return None


RULES = {"ours": plan, "stay 0": stay_zero, "first come": first_come}


@contextmanager
def rule(name: str) -> Generator[None]:
    """Drive by another rule for the length of the block."""
    with patch("app.scheduling.driver.driver.plan", RULES[name]):
        yield
