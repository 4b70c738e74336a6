"""What happened to a host that ops should know: said in the log, counted, and kept for the host's report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import time

import structlog

from app.metrics.counters import Counters
from app.scheduling.report import EventKind, HostEvent

KEPT = 20
"""How many of a host's newest events its report has."""


class HostEvents:
    """The newest events of ``host``, oldest first; ``wall`` is Unix time."""

    def __init__(self, host: str, tally: Counters | None = None, wall: Callable[[], float] = time) -> None:
        self._host = host
        self._tally = tally
        self._wall = wall
        self._events: deque[HostEvent] = deque(maxlen=KEPT)
        self._log = structlog.get_logger("app.scheduling.driver.events").bind(host=host)

    @property
    def events(self) -> tuple[HostEvent, ...]:
        """The newest events, oldest first."""
        return tuple(self._events)

    def note(self, kind: EventKind, model: str = "", detail: str = "") -> None:
        """Something happened: one line in the log, one count, one event."""
        self._events.append(HostEvent(self._wall(), kind, model, detail))
        # That a host is down is warned of by those who look at the hosts, one line for each trouble.
        say = self._log.info if kind in ("host_down", "host_up") else self._log.warning
        say(kind, model=model or None, detail=detail or None)
        if self._tally is not None:
            self._tally.happened(self._host, kind)

    def inherit(self, events: Iterable[HostEvent]) -> None:
        """Take what an earlier driver of the host had noted, before what is here."""
        known = set(self._events)
        self._events = deque([*(event for event in events if event not in known), *self._events], maxlen=KEPT)
