"""How long a load may take before it counts as hung: by the model's size, by its earlier loads, and by failures.

A fixed limit ends the loads of a large model on a slow disk again and again, just before they are done. So the limit
grows with what has to be read, with what loads of this model took, and doubles with each load that ran into it.
"""

from __future__ import annotations

from datetime import timedelta

SLOWEST_READ = 50_000_000
"""Bytes per second: half of what a hard disk or a gigabit network gives."""

USUAL_TIMES = 4
"""A load that takes this many times the usual is hung."""

LONGEST = timedelta(hours=1)
"""No limit is longer, unless it is configured so."""


class LoadLimits:
    """The limits of one host's loads; ``least`` is the configured one."""

    def __init__(self, least: timedelta) -> None:
        self._least = least
        self._in_a_row: dict[str, int] = {}

    def of(self, model: str, size_bytes: int, usual_s: float) -> timedelta:
        """The limit for a load of ``model``; 0 for a size or a usual time that is not known."""
        needed = max(self._least.total_seconds(), size_bytes / SLOWEST_READ, USUAL_TIMES * usual_s)
        doubled = needed * 2 ** min(self._in_a_row.get(model, 0), 20)
        return timedelta(seconds=min(doubled, max(LONGEST, self._least).total_seconds()))

    def timed_out(self, model: str) -> None:
        """Note a load that took too long: the next one may take longer."""
        self._in_a_row[model] = self._in_a_row.get(model, 0) + 1

    def loaded(self, model: str) -> None:
        """Note a load that succeeded."""
        self._in_a_row.pop(model, None)
