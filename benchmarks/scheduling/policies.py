"""Which policy of the planner serves a crowd best: the battles of ``crowd`` under each, and straight to the server.

``patience`` is how long resident models may be served first (see ``app.scheduling.planning.planner``). First come,
first served is a planner without preference for what is resident: the next in line is served, or his model is brought.

    python -m benchmarks.scheduling.policies --every 150
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import timedelta
from unittest.mock import patch

from app.scheduling.driver.intervals import Intervals
from app.scheduling.planning.planner import Action, Load, Start, Unload, View, in_order
from app.simulator.engine.clock import run_virtual
from benchmarks.scheduling.crowd import arguments, crowd_of, directly, setup_of, through_drivers
from benchmarks.scheduling.figures import Figures, quiet, table
from benchmarks.scheduling.house import Setup

PATIENCES_S = (0, 10, 30, 60, 120)

HEAD = ("policy", "battle p50 s", "p95", "longest", "round p50", "p95", "swaps", "per battle", "answers/min")


def first_come(view: View) -> list[Action]:
    """Start in the order of coming until one's model isn't there; then bring that, when those in its way are idle."""
    free = {r.model: view.slots - view.in_flight.get(r.model, 0) for r in view.residents if r.model not in view.leaving}
    present = {resident.model for resident in view.residents}
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


def _bring(view: View, model: str, busy: set[str]) -> Iterable[Action]:
    if view.loading is not None or view.leaving:
        return []
    kept, size = list(view.residents), view.sizes.get(model, 0)
    gone: list[Action] = []
    for resident in sorted(view.residents, key=lambda r: r.used):
        if view.budget.takes((r.size_bytes for r in kept), size):
            break
        if resident.model not in busy:
            kept.remove(resident)
            gone.append(Unload(resident.model))
    if not view.budget.takes((r.size_bytes for r in kept), size):
        return []
    return gone or [Load(model)]


def row(name: str, figures: Figures) -> tuple[object, ...]:
    """One line of the table."""
    ends = max(one.opened_at + one.waited_s + sum(one.visit.reads_s) for one in figures.played)
    return (
        name,
        figures.battle_s(0.5),
        figures.battle_s(0.95),
        figures.battle_s(1.0),
        figures.round_s(0.5),
        figures.round_s(0.95),
        figures.swaps,
        f"{figures.swaps_per_battle:.3f}",
        60 * figures.answers / ends,
    )


def with_patience(setup: Setup, patience_s: float) -> Setup:
    """The same with another patience."""
    pace = dataclasses.replace(setup.intervals, patience=timedelta(seconds=patience_s))
    return dataclasses.replace(setup, intervals=pace)


def main() -> None:
    """Run all and print a table."""
    given = arguments().parse_args()
    quiet()
    setup = setup_of(given)
    crowd = crowd_of(given)
    rows = [row("straight to the server", run_virtual(directly(setup, crowd)))]
    with patch("app.scheduling.driver.driver.plan", first_come):
        rows.append(row("first come, first served", run_virtual(through_drivers(setup, crowd))))
    for patience_s in PATIENCES_S:
        policy = with_patience(setup, patience_s)
        default = " (default)" if policy.intervals == Intervals() else ""
        figures = run_virtual(through_drivers(policy, crowd))
        rows.append(row(f"patience {patience_s} s{default}", figures))
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
