"""Log lines that repeat: the first at once, then few, with the number of those that were left out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import timedelta
from time import monotonic

import structlog

from app.store_errors import StoreLost, Trouble

REMIND_AFTER = timedelta(seconds=30)
"""A store that stays lost is logged again after this time."""

_MOST_KEYS = 256

log = structlog.get_logger(__name__)


class Throttle:
    """Lets ``burst`` lines of each key through in each ``period``."""

    def __init__(self, period: timedelta, *, burst: int = 1, clock: Callable[[], float] = monotonic) -> None:
        self._period_s = period.total_seconds()
        self._burst = burst
        self._clock = clock
        self._began: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def due(self, key: Hashable) -> int | None:
        """None: say nothing now. Else the number of times that nothing was said since the last line."""
        now = self._clock()
        began, count = self._began.get(key, (now, 0))
        left_out = max(0, count - self._burst)
        if now - began >= self._period_s:
            began, count = now, 0
        elif count >= self._burst:
            self._began[key] = (began, count + 1)
            return None
        else:
            left_out = 0
        self._began[key] = (began, count + 1)
        while len(self._began) > _MOST_KEYS:
            self._began.popitem(last=False)
        return left_out


class Losses:
    """Logs when a store is lost, why, and when it is back: ``<store>_lost``, ``<store>_back``.

    Each line comes at most once in half a minute, also where some calls succeed and others fail.
    """

    def __init__(self, store: str, *, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._throttle = Throttle(REMIND_AFTER, clock=clock)
        self._lost = False

    def lost(self, trouble: Trouble) -> None:
        """A call failed for it."""
        self._lost = True
        left_out = self._throttle.due(trouble)
        if left_out is not None:
            log.warning(f"{self._store}_lost", kind=trouble.kind, reason=trouble.reason, left_out=left_out)

    def heard(self, error: BaseException | None, *, wrote: bool) -> None:
        """A call has ended; reads say nothing about a store that takes no writes."""
        if isinstance(error, StoreLost):
            self.lost(error.trouble)
        elif error is None and wrote:
            self.back()

    def back(self) -> None:
        """A call succeeded."""
        if self._lost:
            self._lost = False
            if self._throttle.due("back") is not None:
                log.info(f"{self._store}_back")
