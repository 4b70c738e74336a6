"""Which of several hosts should write an answer: a pure function of what is known about them.

The one where it will be begun first: what is in memory needs no load, and what comes before it is shared among the
host's slots and its weight. Hosts that are down get nothing, one that is being tried gets one answer at a time. A
fallback is asked only if no other host can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from zlib import crc32

from app.lanes.report import HostReport
from app.timing.history import FIRST_ANSWER_S, FIRST_LOAD_S


@dataclass(frozen=True, slots=True)
class Place:
    """A host as the router knows it: ``jobs`` it has, waiting and running, and its newest report, if it has one.

    ``alive`` is false when this process could not reach it either. ``room`` is how many more jobs it takes.
    """

    host: str
    slots: int = 1
    weight: float = 1.0
    fallback: bool = False
    jobs: int = 0
    room: int = 1
    report: HostReport | None = None
    alive: bool = True

    @property
    def usable(self) -> bool:
        """Whether an answer may be sent there at all."""
        if self.report is None:
            return self.alive
        return self.report.health == "up" or (self.report.health == "trying" and not self.jobs)


def ranked(model: str, places: Iterable[Place], tried: Collection[str] = ()) -> list[Place]:
    """Order the usable ``places`` for ``model``, best first: those that are no fallback, those with room.

    What has been ``tried`` is left out. An empty list: no host can take it now.
    """
    able = [place for place in places if place.usable and place.host not in tried]
    able = [place for place in able if not place.fallback] or able
    return sorted(able, key=lambda place: (place.room < 1, begins_in_s(model, place), _turn(model, place.host)))


def begins_in_s(model: str, place: Place) -> float:
    """Estimate when ``place`` would begin to write an answer of ``model`` that it were given now."""
    report = place.report
    if report is None:
        return FIRST_LOAD_S + place.jobs * FIRST_ANSWER_S / (place.slots * place.weight)
    answer_s = report.answer_s.get(model, _mean(report.answer_s.values(), FIRST_ANSWER_S))
    return _load_s(model, report) + place.jobs * answer_s / (place.slots * place.weight)


def _load_s(model: str, report: HostReport) -> float:
    if any(resident.model == model and resident.ours for resident in report.residents):
        return 0.0
    load_s = report.load_s.get(model, _mean(report.load_s.values(), FIRST_LOAD_S))
    return load_s / 2 if report.loading == model else load_s


def _mean(figures: Collection[float], first: float) -> float:
    return sum(figures) / len(figures) if figures else first


def _turn(model: str, host: str) -> int:
    """Equal hosts take turns by model, each model always at the same one, so that they don't all load everything."""
    return crc32(f"{model}@{host}".encode())
