"""Figures of played battles, and tables of them."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from app.battle.battle import Status
from benchmarks.scheduling.playing import Played


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least ``share`` of them don't exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)] if ordered else 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one way to serve the battles came to; ``loads`` are all loads, ``swaps`` those beyond each model's first."""

    played: Sequence[Played]
    loads: Mapping[str, int]

    @property
    def battles(self) -> int:
        """How many were played."""
        return len(self.played)

    @property
    def failed(self) -> int:
        """Battles that ended because nobody stood."""
        return sum(one.status is Status.FAILED for one in self.played)

    @property
    def failed_answers(self) -> int:
        """Contestants that left with an error."""
        return sum(answer.reason == "error" for one in self.played for answer in one.answers)

    @property
    def cold_answers(self) -> int:
        """Answers that waited for a load of their model."""
        return sum(answer.timing.cold for one in self.played for answer in one.answers)

    @property
    def answers(self) -> int:
        """All answers."""
        return sum(len(one.answers) for one in self.played)

    def battle_s(self, share: float) -> float:
        """A percentile of the battles' times, without what users took to read."""
        return percentile((one.waited_s for one in self.played), share)

    def round_s(self, share: float) -> float:
        """A percentile of the waits for both answers of a round."""
        return percentile((wait for one in self.played for wait in one.waits_s), share)

    @property
    def swaps(self) -> int:
        """Loads beyond the first of each model."""
        return sum(count - 1 for count in self.loads.values())

    @property
    def swaps_per_battle(self) -> float:
        """Swaps per battle."""
        return self.swaps / max(self.battles, 1)


def added(counts: Iterable[Counter[str]]) -> Counter[str]:
    """Loads of several servers, each model of each server for itself."""
    return Counter({f"{number} {model}": n for number, one in enumerate(counts) for model, n in one.items()})


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in columns; floats with one digit after the point."""
    lines = [list(head), *([f"{cell:.1f}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) if not number else cell.rjust(width) for number, (cell, width) in
                  enumerate(zip(line, widths, strict=True)))
        for line in lines
    )  # fmt: skip


def ratio(baseline: float, ours: float) -> float:
    """How many times smaller ours is."""
    return baseline / ours if ours else math.inf


def goal(met: bool, sentence: str) -> str:
    """The line that says whether an aim was reached."""
    return f"goal {'met' if met else 'MISSED'}: {sentence}"


def quiet() -> None:
    """Log nothing but errors: the virtual hours have thousands of lines."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
