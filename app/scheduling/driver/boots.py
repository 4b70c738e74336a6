"""How long a host that scales to zero takes to start, by what was seen: for its limit, and for those who wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta

FIRST_LIMIT = timedelta(minutes=10)
"""Before any boot was seen: images are pulled and models downloaded then."""

LEAST_LIMIT = timedelta(minutes=2)
FIRST_GUESS = timedelta(seconds=30)
SLOWER = 2
"""A boot that takes so many times the longest of the last ones has failed."""

_LAST = 20


class BootTimes:
    """The last boots of one host, in seconds; ``earlier`` gives what earlier drivers saw, if anything."""

    def __init__(self, earlier: Callable[[], float | None] = lambda: None) -> None:
        self._earlier = earlier
        self._seen: deque[float] = deque(maxlen=_LAST)

    @property
    def limit_s(self) -> float:
        """How long a boot may take before the host counts as dead."""
        if not self._seen:
            return FIRST_LIMIT.total_seconds()
        return max(SLOWER * max(self._seen), LEAST_LIMIT.total_seconds())

    @property
    def usual_s(self) -> float:
        """How long a boot takes, as far as is known: the middle one of the last, else what others saw."""
        if self._seen:
            return sorted(self._seen)[len(self._seen) // 2]
        return self._earlier() or FIRST_GUESS.total_seconds()

    def took(self, seconds: float) -> None:
        """Note a boot that succeeded."""
        self._seen.append(seconds)
