"""What a host's plan is made from: what is in its memory, who waits, and what changes cost. Pure values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget

LATE = 3.0
"""A job is late once it has waited for this many times what it costs to bring every absent model and one more."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory: its size, when it came and when it was given an answer last (Unix time in seconds).

    ``reading_bytes`` is what the server would take to be free if it went by this model: where it does not measure
    again, each has what was free when it came. None: it measures, or that is not known.
    """

    model: str
    size_bytes: int = 0
    since: float = 0.0
    used: float = 0.0
    reading_bytes: int | None = None


@dataclass(frozen=True)  # without slots: what is computed from it is kept in it
class View:
    """All that a plan depends on. Models are compared as they are written; ``sizes`` predicts those not in memory.

    ``leaving`` are models that are being unloaded and are still there; they are no longer among ``residents`` for
    starts, but their memory isn't free, so nothing is loaded meanwhile. ``change_s`` is what it costs to bring a model,
    measured, ``usual_change_s`` what one costs that was not brought yet. ``prewarm`` are models that should be in
    memory and are not, or not as they should be, the most wanted first. ``foreign`` are residents that others loaded,
    ``pins`` models that should stay. ``batch`` and ``direct`` count the calls of batches, and answers without a battle,
    among those ``in_flight``; ``people_at`` is when anything but batches was begun last.
    ``empty_bytes`` is what is free on an empty card, where that is known. ``rotation`` are the models that battles are
    drawn from on this host; empty: from all. ``to_load`` and ``to_unload`` are what operators asked for.
    """

    now: float
    residents: tuple[Resident, ...] = ()
    waiting: tuple[Job, ...] = ()
    in_flight: Mapping[str, int] = field(default_factory=dict)
    batch: Mapping[str, int] = field(default_factory=dict)
    people_at: float = float("-inf")
    loading: str | None = None
    loading_since: float = 0.0
    leaving: frozenset[str] = frozenset()
    slots: int = 1
    sizes: Mapping[str, int] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    change_s: Mapping[str, float] = field(default_factory=dict)
    usual_change_s: float = 10.0
    prewarm: tuple[str, ...] = ()
    foreign: frozenset[str] = frozenset()
    pins: frozenset[str] = frozenset()
    empty_bytes: int | None = None
    rotation: frozenset[str] = frozenset()
    to_load: tuple[str, ...] = ()
    to_unload: tuple[str, ...] = ()
    direct: Mapping[str, int] = field(default_factory=dict)

    def rotated_out(self, residents: Collection[Resident]) -> list[Resident]:
        """Those of ``residents`` that battles are no longer drawn from: they go before the others."""
        return [one for one in residents if self.rotation and one.model not in self.rotation | self.pins]

    @cached_property
    def present(self) -> frozenset[str]:
        """The models in memory."""
        return frozenset(resident.model for resident in self.residents)

    @cached_property
    def returning(self) -> frozenset[str]:
        """Models that were given answers and are not there: the server pushed them out, and will load them itself."""
        present = self.present
        return frozenset(model for model, count in self.in_flight.items() if count and model not in present)

    @property
    def is_changing(self) -> bool:
        """Whether a model is coming or going: one change at a time."""
        return self.loading is not None or bool(self.leaving) or bool(self.returning)

    def cost_s(self, model: str) -> float:
        """What it costs to bring ``model``, in seconds."""
        return self.change_s.get(model, self.usual_change_s)

    @cached_property
    def late_s(self) -> float:
        """How long a job may be passed by others: long enough for every absent model to be brought before its own."""
        absent = {job.model for job in self.waiting} - self.present
        return LATE * (len(absent) + 1) * max([self.cost_s(model) for model in absent], default=self.usual_change_s)

    def absent(self, waiting: tuple[Job, ...]) -> list[Job]:
        """The jobs whose model is not in memory, in the order of ``waiting``."""
        present = self.present
        return [job for job in waiting if job.model not in present]

    @cached_property
    def battles(self) -> int:
        """How many answers of battles are being written."""
        return sum(self.in_flight.values()) - sum(self.batch.values()) - sum(self.direct.values())

    @cached_property
    def viewers(self) -> Counter[str]:
        """For how many answers of each model a viewer waits."""
        return Counter(job.model for job in self.waiting if job.priority is Priority.INTERACTIVE)
