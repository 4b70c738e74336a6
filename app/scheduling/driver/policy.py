"""A driver's orders: which options its models are asked with, what is kept in memory, and how often it acts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from app.backends.base import GenerationOptions
from app.scheduling.driver.intervals import Intervals


@dataclass(frozen=True, slots=True)
class Policy:
    """The driver's orders.

    ``options`` gives the options of a model's battles, for its loads, and must have an answer for any name. ``keep``
    gives the models that the host should hold while nobody waits, the most wanted first; None keeps none.
    ``rotation`` gives the models that battles are drawn from on this host; none: from all that it has.
    ``load_limit`` is the least that a load may take before it counts as hung.
    """

    options: Callable[[str], GenerationOptions]
    keep: Callable[[], Sequence[str]] | None = None
    rotation: Callable[[], Sequence[str]] = tuple
    intervals: Intervals = field(default_factory=Intervals)
    load_limit: timedelta = timedelta(seconds=180)
