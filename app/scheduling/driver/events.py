"""What happened to a host that ops should know: logged, counted, and kept for the host's report."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import time
from typing import TypeVar

import structlog

from app.metrics.counters import Counters
from app.scheduling.planning.planner import Unload
from app.scheduling.report import EventKind, HostEvent, UnloadReport

KEPT = 20
"""How many of a host's newest events, and of its newest unloads, its report has."""


AGAIN_S = 60.0
"""A question that is asked again and refused again must not push all other events out."""

Event = TypeVar("Event")


class HostEvents:
    """The newest events of ``host``, oldest first; ``now`` is Unix time."""

    def __init__(self, host: str, counters: Counters | None = None, now: Callable[[], float] = time) -> None:
        self._host = host
        self._counters = counters or Counters()
        self._now = now
        self._events: deque[HostEvent] = deque(maxlen=KEPT)
        self._unloads: deque[UnloadReport] = deque(maxlen=KEPT)
        self._log = structlog.get_logger("app.scheduling.driver.events").bind(host=host)

    @property
    def newest(self) -> tuple[HostEvent, ...]:
        """The newest events, oldest first."""
        return tuple(self._events)

    @property
    def unloads(self) -> tuple[UnloadReport, ...]:
        """The newest unloads of our own, oldest first, each with its reason."""
        return tuple(self._unloads)

    def record(self, kind: EventKind, model: str = "", detail: str = "") -> None:
        """Something happened: one line in the log, one count, one event."""
        self._events.append(HostEvent(self._now(), kind, model, detail))
        log = self._log.info if kind == "host_up" else self._log.warning
        log(kind, model=model or None, detail=detail or None)
        self._counters.happened(self._host, kind)

    def refused(self, model: str, detail: str) -> None:
        """The server refused an answer as it was asked; the same refusal again within ``AGAIN_S`` is the same event."""
        same = (one for one in self._events if (one.kind, one.model, one.detail) == ("answer_refused", model, detail))
        if any(self._now() - one.at < AGAIN_S for one in same):
            return
        self.record("answer_refused", model, detail)

    def unloaded(self, unload: Unload) -> None:
        """The driver took a model out of memory itself; the loader has logged it."""
        self._unloads.append(UnloadReport(self._now(), unload.model, unload.why, unload.reason))

    def inherit(self, events: Iterable[HostEvent], unloads: Iterable[UnloadReport] = ()) -> None:
        """Put the events of the host's earlier driver before our own."""
        self._events = _merged(events, self._events)
        self._unloads = _merged(unloads, self._unloads)


def _merged(before: Iterable[Event], ours: deque[Event]) -> deque[Event]:
    known = set(ours)
    return deque([*(event for event in before if event not in known), *ours], maxlen=KEPT)
