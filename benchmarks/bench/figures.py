"""Figures of a run, and how they are shown: medians with their spread, ratios, Markdown tables, JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
"""What stands between these lines of a document is what ``into`` writes."""


@dataclass(frozen=True)
class Figure:
    """One thing that was measured of one contestant at one setting, in each round; less is better unless ``more``."""

    part: str
    name: str
    contestant: str
    setting: str
    unit: str
    rounds: tuple[float, ...]
    more: bool = False

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.rounds)

    @property
    def at(self) -> int:
        """How many there were of what the setting counts; 0 for a setting that counts nothing."""
        first = self.setting.split(",")[0].split()[0]
        return int(first) if first.isdigit() else 0

    @property
    def counts(self) -> str:
        """What the setting counts: ``viewers`` of ``100 viewers``."""
        return self.setting.partition(" ")[2] if self.at else ""

    def shown(self) -> str:
        """The median, with the least and the most of the rounds where there were several."""
        return _shown(self.rounds, 3)


class Rounds:
    """Collects figures round by round, in the order in which they were first seen."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._found: dict[tuple[str, str, str, str, bool], list[float]] = {}

    def add(self, name: str, contestant: str, setting: str, unit: str, value: float, *, more: bool = False) -> None:
        """One round's value."""
        self._found.setdefault((name, contestant, setting, unit, more), []).append(value)

    def figures(self) -> list[Figure]:
        """What was collected."""
        return [
            Figure(self._part, name, contestant, setting, unit, tuple(values), more)
            for (name, contestant, setting, unit, more), values in self._found.items()
        ]


def _shown(values: Sequence[float], digits: int) -> str:
    def text(value: float) -> str:
        return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"

    middle = text(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({text(min(values))}-{text(max(values))})"


def percentile(values: Sequence[float], percent: int) -> float:
    """Of all values, for few of them, too."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def tables(figures: Sequence[Figure], against: str = "arena") -> str:
    """Markdown tables, one for each part and what it counts: a row for each figure of a contestant, settings beside.

    Where others were measured, their figures have the ratio to ``against``: the median of the rounds' ratios.
    """
    found: dict[tuple[str, str], list[Figure]] = {}
    for figure in figures:
        found.setdefault((figure.part, figure.counts), []).append(figure)
    titles = {(part, counts): f"{part}, by {counts}" if counts else part for part, counts in found}
    return "\n".join(_table(titles[key], same, against) for key, same in found.items())


def _table(title: str, figures: Sequence[Figure], against: str) -> str:
    settings = list(dict.fromkeys(figure.setting for figure in figures))
    cells = {(figure.name, figure.unit, figure.contestant, figure.setting): figure for figure in figures}
    rows = dict.fromkeys((name, unit, contestant) for name, unit, contestant, _ in cells)
    lines = [f"\n**{title}**\n", f"| | | {' | '.join(settings)} |", "|---|---|" + "---|" * len(settings)]
    names = list(dict.fromkeys(name for name, _, _ in rows))
    for name, unit, contestant in sorted(rows, key=lambda row: names.index(row[0])):
        shown = [
            _cell(cells.get((name, unit, contestant, at)), cells.get((name, unit, against, at))) for at in settings
        ]
        lines.append(f"| {name}, {unit} | {contestant} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _cell(figure: Figure | None, ours: Figure | None) -> str:
    if figure is None:
        return ""
    ratio = "" if ours is None or ours is figure else _ratio(figure, ours)
    return f"{figure.shown()}{ratio and f'; {ratio} x'}"


def _ratio(figure: Figure, ours: Figure) -> str:
    """The figure in parts of ours, round by round where both were measured in each."""
    if min(*ours.rounds, *figure.rounds) <= 0:
        return ""
    if len(ours.rounds) != len(figure.rounds):
        return _shown([figure.median / ours.median], 2)
    return _shown([one / own for one, own in zip(figure.rounds, ours.rounds, strict=True)], 2)


def write(figures: Sequence[Figure], summary: str, to: Path) -> None:
    """Write all as JSON, with the machine they were taken on and a sentence about the run."""
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}
    known = {"summary": summary, "machine": machine | {"system": platform.platform()}}
    to.write_text(json.dumps(known | {"figures": [asdict(one) for one in figures]}, indent=1))


def read(file: Path) -> tuple[str, list[Figure]]:
    """The sentence about a run and its figures, from what ``write`` wrote."""
    stored = json.loads(file.read_text())
    return stored["summary"], [Figure(**{**one, "rounds": tuple(one["rounds"])}) for one in stored["figures"]]


def into(document: Path, text: str) -> None:
    """Put ``text`` between the two marks of a document.

    Raises:
        ValueError: it has not both marks.
    """
    before, begun, rest = document.read_text().partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise ValueError(f"{document} has no lines {BEGIN} and {END}")
    document.write_text(f"{before}{BEGIN}\n{text.strip()}\n\n{END}{after}")
