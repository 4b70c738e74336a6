"""Where a figure that grows with load bends, and what to add from there on. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

from benchmarks.bench.figures import Figure

OURS = "arena"
LEAST_GAIN = 0.5
"""A rate bends where it grows by less than this power of what it is given: four times as many bring less than twice as
much."""
MOST_COST = 0.5
"""A cost or a wait bends where it grows by more than this power."""

WHAT_TO_ADD = {
    "users": "a worker for each core that is left (`--workers`)",
    "battles": "a worker for each core that is left (`--workers`)",
    "streams": "a worker: hosts are shared between workers, and so is what they write",
    "streams at once": "a worker, or nothing: it is who comes last of those who come in one moment",
    "viewers": "a worker: each sends to the viewers that are connected to it",
    "hosts": "a worker: each drives its share of the hosts",
    "workers": "cores; then a second machine with the same Redis and PostgreSQL",
    "votes": "nothing: boards are made in the background, and requests read the last one",
}
"""By what the setting counts."""


@dataclass(frozen=True, slots=True)
class Knee:
    """A line of the table: ``at`` is the last setting before the bend, None where there is none within what was run."""

    figure: str
    contestant: str
    counts: str
    at: int | None

    @property
    def advice(self) -> str:
        """What to add to an arena from there on; others are not ours to advise."""
        return WHAT_TO_ADD.get(self.counts, "") if self.at is not None and self.contestant == OURS else ""


def knee(points: Sequence[tuple[int, float]], *, more: bool) -> int | None:
    """The last of the points, by setting and value, from which the next one is not worth what it takes.

    ``more``: the values are rates, and better the higher they are; else costs or waits.
    """
    ordered = [(at, value) for at, value in sorted(points) if at > 0 and value > 0]
    for (at, value), (after, then) in pairwise(ordered):
        power = log(then / value) / log(after / at)
        if power < LEAST_GAIN if more else power > MOST_COST:
            return at
    return None


def knees(figures: Iterable[Figure]) -> list[Knee]:
    """A knee for each figure that was taken at three settings or more."""
    found = []
    for (part, name, contestant, counts), line in lines(figures).items():
        if len(line) > 2:
            at = knee([(one.at, one.median) for one in line], more=line[0].more)
            found.append(Knee(f"{part}: {name}", contestant, counts, at))
    return found


def lines(figures: Iterable[Figure]) -> dict[tuple[str, str, str, str], list[Figure]]:
    """The figures that differ only in how many there were of what their setting counts, the fewest first."""
    found: dict[tuple[str, str, str, str], list[Figure]] = {}
    for figure in figures:
        if figure.at:
            found.setdefault((figure.part, figure.name, figure.contestant, figure.counts), []).append(figure)
    return {key: sorted(line, key=lambda one: one.at) for key, line in found.items()}


def table(found: Sequence[Knee]) -> str:
    """A Markdown table of the knees that there are, and a sentence about the lines that have none."""
    if not found:
        return ""
    bent = [one for one in found if one.at is not None]
    rows = [f"| {one.figure} | {one.contestant} | {one.at} {one.counts} | {one.advice} |" for one in bent]
    head = ["| | | the last before the bend | what to add from there |", "|---|---|---|---|"]
    return "\n".join(["\n**Where it bends**\n", *(head + rows + [""] if bent else []), _straight(found)])


def _straight(found: Sequence[Knee]) -> str:
    """How many lines do not bend, and which of the arena's."""
    straight = [one for one in found if one.at is None]
    ours = [f"{one.figure} by {one.counts}" for one in straight if one.contestant == OURS]
    return (
        f"Of {len(found)} lines {len(straight)} do not bend within what was run; the arena's: {'; '.join(ours) or '-'}."
    )
