"""A PNG for each thing that a part's figures grow with, with the bends marked; needs the extra ``plot``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.figures import Figure
from benchmarks.bench.knees import knee, lines

COLUMNS = 3


def plot(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """Draw the figures that grow with something; returns the files.

    Raises:
        ImportError: there is no matplotlib.
    """
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    found = {key: line for key, line in lines(figures).items() if len(line) > 1}
    written = []
    for part, counts in dict.fromkeys((part, counts) for part, _, _, counts in found):
        same = {(name, who): line for (p, name, who, c), line in found.items() if (p, c) == (part, counts)}
        names = list(dict.fromkeys(name for name, _ in same))
        rows = -(-len(names) // COLUMNS)
        canvas, grid = pyplot.subplots(rows, min(len(names), COLUMNS), figsize=(16, 4.5 * rows), squeeze=False)
        for name, axes in zip(names, grid.flat, strict=False):
            _panel(axes, counts, name, {who: line for (n, who), line in same.items() if n == name})
        for axes in grid.flat[len(names) :]:
            axes.remove()
        canvas.suptitle(f"{part}, by {counts}")
        canvas.tight_layout()
        written.append(folder / f"{re.sub(r'[^a-z0-9]+', '-', f'{part} by {counts}'.lower())}.png")
        canvas.savefig(written[-1], dpi=100)
        pyplot.close(canvas)
    return written


def _panel(axes: Any, counts: str, name: str, by_contestant: Mapping[str, Sequence[Figure]]) -> None:
    for contestant, line in by_contestant.items():
        _draw(axes, contestant, line)
    axes.set(xlabel=counts, ylabel=next(iter(by_contestant.values()))[0].unit, xscale="log")
    axes.set_title(name, fontsize=10)
    ticks = sorted({one.at for line in by_contestant.values() for one in line})
    axes.set_xticks(ticks, labels=[str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=8)


def _draw(axes: Any, contestant: str, line: Sequence[Figure]) -> None:
    """A line with its spread; a dotted one where it bends."""
    at, median = [one.at for one in line], [one.median for one in line]
    (drawn,) = axes.plot(at, median, marker="o", label=contestant)
    lowest, highest = [min(one.rounds) for one in line], [max(one.rounds) for one in line]
    axes.fill_between(at, lowest, highest, alpha=0.15, color=drawn.get_color())
    bend = knee(list(zip(at, median, strict=True)), more=line[0].more) if len(line) > 2 else None
    if bend is not None:
        axes.axvline(bend, linestyle=":", color=drawn.get_color())
