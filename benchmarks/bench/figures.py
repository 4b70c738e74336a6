"""Figures of a run, and how they are shown: medians with their spread, ratios, Markdown tables, JSON, plots."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


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

    def shown(self) -> str:
        """The median, with the least and the most of the rounds where there were several."""
        if len(self.rounds) == 1:
            return f"{self.median:.3g}"
        return f"{self.median:.3g} ({min(self.rounds):.3g}-{max(self.rounds):.3g})"


def percentile(values: Sequence[float], percent: int) -> float:
    """Of all values, for few of them, too."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def tables(figures: Iterable[Figure], against: str = "arena") -> str:
    """A Markdown table for each part: contestants below each other, with their ratio to ``against``."""
    lines: list[str] = []
    found = list(figures)
    for part in dict.fromkeys(figure.part for figure in found):
        lines += [f"\n**{part}**\n", "| | setting | | median (spread) | of the arena's |", "|---|---|---|---|---|"]
        for figure in (one for one in found if one.part == part):
            ours = _same(found, figure, against)
            positive = ours is not None and ours.median > 0 and figure.median > 0
            ratio = f"{figure.median / ours.median:.2f}" if ours is not None and positive else ""
            cells = (figure.name, figure.setting, figure.contestant, f"{figure.shown()} {figure.unit}", ratio)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _same(figures: Iterable[Figure], like: Figure, contestant: str) -> Figure | None:
    key = (like.part, like.name, like.setting)
    same = (one for one in figures if (one.part, one.name, one.setting) == key)
    return next((one for one in same if one.contestant == contestant), None)


def write(figures: Sequence[Figure], left_out: Sequence[str], to: Path) -> None:
    """Write all as JSON, with the machine they were taken on."""
    machine = {"cores": os.cpu_count(), "load": os.getloadavg(), "python": platform.python_version()}
    known = {"machine": machine | {"system": platform.platform()}, "left_out": list(left_out)}
    to.write_text(json.dumps(known | {"figures": [asdict(one) for one in figures]}, indent=1))


def plot(figures: Sequence[Figure], folder: Path) -> list[Path]:
    """A PNG for each figure that was taken at several numeric settings; needs the extra ``plot``.

    Raises:
        ImportError: there is no matplotlib.
    """
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for part, name in dict.fromkeys((figure.part, figure.name) for figure in figures):
        same = [one for one in figures if (one.part, one.name) == (part, name) and one.setting.split()[0].isdigit()]
        if len({one.setting for one in same}) < 2:
            continue
        canvas, axes = pyplot.subplots(figsize=(7, 4))
        for contestant in dict.fromkeys(one.contestant for one in same):
            line = sorted((int(one.setting.split()[0]), one.median) for one in same if one.contestant == contestant)
            axes.plot([at for at, _ in line], [value for _, value in line], marker="o", label=contestant)
        axes.set(xlabel=same[0].setting.split(maxsplit=1)[1], ylabel=f"{name}, {same[0].unit}", title=part)
        axes.legend()
        written.append(folder / f"{part}-{name}.png".replace(" ", "-").replace("/", "-"))
        canvas.savefig(written[-1], dpi=120, bbox_inches="tight")
        pyplot.close(canvas)
    return written
