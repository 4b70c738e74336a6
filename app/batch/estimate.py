"""How long a run may take, before it has begun. Pure.

Seconds = the work of all calls over the slots that write them, and the loads: where the models don't fit together, each
window costs one for each change of models in the chain. What a call takes beside others is measured, so batching is in
it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from app.batch.chain import largest_window
from app.batch.spec import RunSpec

UNCERTAIN = {"runs": 0.25, "battles": 0.4, "guess": 0.7}
"""How far off the time may be to either side, by what it is based on."""


@dataclass(frozen=True, slots=True)
class CallFigures:
    """What a call of a model takes beside others, in seconds, and what that is known from: runs, battles or a guess."""

    seconds: float
    basis: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The likely time in seconds, from and to; the loads; what the figures are based on, the worst of them."""

    low_s: float
    high_s: float
    loads: int
    basis: str


def estimate(
    spec: RunSpec,
    jobs: int,
    figures: Mapping[str, CallFigures],
    slots: Mapping[str, int],
    *,
    fit: bool,
    load_s: float,
    hosts: int,
) -> Estimate:
    """Estimate a run of ``jobs``; ``slots`` are those of all hosts that have a model, ``fit``: all models at once."""
    window = min(spec.window or largest_window(hosts), max(jobs, 1))
    work_s = 0.0
    for stage in spec.stages:
        for model in stage.models:
            work_s += jobs * stage.samples * figures[model].seconds / max(slots.get(model, 1), 1)
    changes = 0 if fit else changes_of_models(spec)
    loads = len(spec.models) if fit else max(round(changes * jobs / window), len(spec.models))
    seconds = work_s + loads * load_s / max(hosts, 1)
    basis = worst_basis({one.basis for one in figures.values()})
    spread = UNCERTAIN[basis]
    return Estimate(seconds * (1 - spread), seconds * (1 + spread), loads, basis)


def changes_of_models(spec: RunSpec) -> int:
    """How often a window changes its model, from the end of its chain to the beginning of the next included."""
    order = [model for stage in spec.stages for model in stage.models]
    return sum(one != other for one, other in zip(order, order[1:] + order[:1], strict=True))


def worst_basis(found: Collection[str]) -> str:
    """The least certain of what figures are based on."""
    return max(found, key=lambda basis: UNCERTAIN[basis], default="guess")
