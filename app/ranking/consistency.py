"""Whether the votes have an order at all: circles, and pairs that no ratings explain.

Bradley and Terry put every model on one line. Where models beat each other in a circle there is no line, and the fit
gives them a common middle; where many pairs go another way than their ratings say, the line tells little.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from app.ranking.board import Inconsistency, OrderWarning
from app.ranking.graph import Bools
from app.ranking.head_to_head import Meetings

MISFIT_LEVEL = 0.99
"""Votes that fit are taken for such that don't in one board of a hundred."""

_LEAST_VARIANCE = 1.0
_MOST_CIRCLES = 3


def find_circles(meetings: Meetings, models: int, level: float) -> tuple[tuple[int, ...], ...]:
    """Shortest circles of models each of which clearly beat the next in their direct votes, three at most.

    Clear is a sign test with a correction for whole numbers, at a level that holds for all pairs together (Sidak).
    """
    decided = meetings.won + meetings.lost
    z = NormalDist().inv_cdf(0.5 + 0.5 * level ** (1.0 / max(len(decided), 1)))
    lead = meetings.won - meetings.lost
    clear = (np.abs(lead) - 1.0) > z * np.sqrt(decided)
    beats = np.zeros((models, models), dtype=bool)
    beats[meetings.low[clear & (lead > 0)], meetings.high[clear & (lead > 0)]] = True
    beats[meetings.high[clear & (lead < 0)], meetings.low[clear & (lead < 0)]] = True
    circles: list[tuple[int, ...]] = []
    for start in range(models):
        circle = None if any(start in known for known in circles) else _shortest_circle(beats, start)
        if circle is not None and len(circles) < _MOST_CIRCLES:
            circles.append(circle)
    return tuple(circles)


def _shortest_circle(beats: Bools, start: int) -> tuple[int, ...] | None:
    """The shortest way from ``start`` back to it, breadth first."""
    ways: dict[int, tuple[int, ...]] = {int(n): (start, int(n)) for n in np.flatnonzero(beats[start])}
    edge = list(ways.values())
    while edge:
        further: list[tuple[int, ...]] = []
        for way in edge:
            if beats[way[-1], start]:
                return way
            for n in np.flatnonzero(beats[way[-1]]).tolist():
                if n not in ways:
                    ways[n] = (*way, n)
                    further.append((*way, n))
        edge = further
    return None


def warn_of_circles(
    circles: Sequence[Sequence[int]], models: Sequence[str], names: Sequence[str]
) -> list[OrderWarning]:
    """A warning for each circle."""
    return [
        OrderWarning(Inconsistency.CIRCLE, f"{describe_circle(circle, names)}.", tuple(models[n] for n in circle))
        for circle in circles
    ]


def describe_circle(circle: Sequence[int], names: Sequence[str]) -> str:
    """``a beats b, b beats c and c beats a: a circle, which has no best``."""
    steps = [f"{names[one]} beats {names[other]}" for one, other in zip(circle, [*circle[1:], circle[0]], strict=True)]
    return f"{', '.join(steps[:-1])} and {steps[-1]}: a circle, which has no best"


def warn_of_misfit(meetings: Meetings, models: Sequence[str], names: Sequence[str]) -> OrderWarning | None:
    """Pearson's test over the pairs with votes enough."""
    used = np.flatnonzero(meetings.variance >= _LEAST_VARIANCE)
    surprise = meetings.surprise[used]
    freedom = len(used) - _ratings(meetings, used.tolist(), len(models))
    chi2 = float(surprise @ surprise)
    if freedom < 1 or not _is_improbable(chi2, freedom):
        return None
    worst = int(used[np.abs(surprise).argmax()])
    low, high = int(meetings.low[worst]), int(meetings.high[worst])
    degrees = "degree" if freedom == 1 else "degrees"
    points, votes, expected = (float(part[worst]) for part in (meetings.points, meetings.votes, meetings.expected))
    return OrderWarning(
        Inconsistency.LACK_OF_FIT,
        f"The votes of {len(used)} pairs fit no ratings (chi-square {chi2:.0f}, {freedom} {degrees} of freedom): most "
        f"of all {names[low]} has {points:g} of {votes:g} points against {names[high]}, "
        f"and {expected:.1f} are expected.",
        (models[low], models[high]),
    )


def _is_improbable(chi2: float, freedom: int) -> bool:
    """Whether ``chi2`` is over its quantile, by the approximation of Wilson and Hilferty (1931)."""
    spread = 2.0 / (9.0 * freedom)
    return bool(((chi2 / freedom) ** (1 / 3) - 1 + spread) / spread**0.5 > NormalDist().inv_cdf(MISFIT_LEVEL))


def _ratings(meetings: Meetings, used: Sequence[int], models: int) -> int:
    """How many ratings the used pairs determine: a link that joins two parts of the board is one."""
    part = list(range(models))

    def root(n: int) -> int:
        while part[n] != n:
            part[n] = part[part[n]]
            n = part[n]
        return n

    joined = 0
    for pair in used:
        one, other = root(int(meetings.low[pair])), root(int(meetings.high[pair]))
        if one != other:
            part[one] = other
            joined += 1
    return joined
