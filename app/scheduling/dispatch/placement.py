"""Which of several hosts should write an answer: a pure function of what is known about them.

The one where it will be begun first: what is in memory needs no load, and what comes before it is shared among the
host's slots and its weight. Hosts that are down get nothing; one that is being tried gets an answer when it has none,
and more only if no other host is up. A fallback is asked only if no other host can.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from zlib import crc32

from app.hosts.names import key_of
from app.scheduling.report import HostReport
from app.timing.history import FIRST_ANSWER_S, FIRST_LOAD_S


@dataclass(frozen=True, slots=True)
class Candidate:
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
        return self.report.health != "down"

    @property
    def on_trial(self) -> bool:
        """Whether it is being tried with an answer already."""
        return self.report is not None and self.report.health == "trying" and self.jobs > 0

    def with_more(self, jobs: int = 1) -> Candidate:
        """The same candidate once that many jobs more were sent there."""
        return replace(self, jobs=self.jobs + jobs, room=self.room - jobs)


def ranked(model: str, candidates: Iterable[Candidate], tried: Collection[str] = ()) -> list[Candidate]:
    """Order the usable ``candidates`` for ``model``, best first: those that are no fallback, with room, not on trial.

    What has been ``tried`` is left out. An empty list: no host can take it now.
    """
    able = [candidate for candidate in candidates if candidate.usable and candidate.host not in tried]
    able = [candidate for candidate in able if not candidate.fallback] or able

    def order(candidate: Candidate) -> tuple[bool, bool, float, int]:
        return candidate.room < 1, candidate.on_trial, begins_in_s(model, candidate), _turn(model, candidate.host)

    return sorted(able, key=order)


def begins_in_s(model: str, candidate: Candidate) -> float:
    """Estimate when ``candidate`` would begin to write an answer of ``model`` that it were given now."""
    report = candidate.report
    if report is None:
        return FIRST_LOAD_S + candidate.jobs * FIRST_ANSWER_S / (candidate.slots * candidate.weight)
    answer_s = _figure(report.answer_s, model, FIRST_ANSWER_S)
    return _load_s(model, report) + candidate.jobs * answer_s / (candidate.slots * candidate.weight)


def _load_s(model: str, report: HostReport) -> float:
    if any(resident.ours and _same(resident.model, model) for resident in report.residents):
        return 0.0
    load_s = _figure(report.load_s, model, FIRST_LOAD_S)
    return load_s / 2 if report.loading is not None and _same(report.loading, model) else load_s


def _figure(figures: Mapping[str, float], model: str, first: float) -> float:
    """The figure of ``model``, else the mean of the others, else the ``first``."""
    own = next((value for known, value in figures.items() if _same(known, model)), None)
    if own is not None:
        return own
    return sum(figures.values()) / len(figures) if figures else first


def _same(one: str, other: str) -> bool:
    """Whether two names mean one model: each host's driver has its own form of a name."""
    return one == other or key_of(one) == key_of(other)


def _turn(model: str, host: str) -> int:
    """Equal hosts take turns by model, each model always at the same one, so that they don't all load everything."""
    return crc32(f"{model}@{host}".encode())
