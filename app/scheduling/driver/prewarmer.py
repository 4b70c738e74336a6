"""Keeps a host warm: which models should be in memory while nobody waits.

The prewarmer loads nothing. It has a plan, the set of models that belong in memory, and requests what is missing of
it; the planner grants requests when nobody waits. The plan begins with what is there of ours and is filled up with the
configured models, in their order, as far as they fit together. From then on the driver's own changes change the plan:
a model that it evicted for another is no longer in it, so that prewarming never undoes what users wanted; one that
others evicted, that expired, or that spilled to the CPU still is, and is requested again.

What fails is requested again after a pause that grows. A model that leaves soon after it was loaded on request is
treated as a failure too: somebody else wants the memory, and to fight for it would help nobody.

A host that scales to zero is not kept warm: only what visitors announce is requested, a few times an hour at most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import time

from tenacity import AsyncRetrying, RetryCallState, wait_exponential

from app.hosts.host import Host
from app.scheduling.planning.budget import Budget

PAUSES = wait_exponential(multiplier=5, min=5, max=300)
"""Seconds between requests for a model that could not be loaded or kept: 5, 10, 20, … 300."""

STAYED = timedelta(minutes=5)
"""A model that stays this long after it was requested is no longer in dispute."""

HOUR_S = 3600.0


@dataclass(slots=True)
class _Backoff:
    """How often in a row a request came to nothing, and when (Unix time) the model may be requested again."""

    failures: int = 0
    until: float = 0.0


class Prewarmer:
    """The plan of one host.

    ``configured`` gives the models that it should hold, the most wanted first; ``fits`` is asked with the sizes of
    those that are chosen and the next one's. ``now`` is Unix time. Not ``enabled``, it requests announced models only.
    """

    def __init__(
        self,
        configured: Callable[[], Sequence[str]],
        *,
        enabled: bool = True,
        scale_to_zero: bool = False,
        warm_per_hour: int = 12,
        now: Callable[[], float] = time,
    ) -> None:
        self._configured = configured
        self._keeps = enabled and not scale_to_zero
        self._hourly = warm_per_hour if scale_to_zero else None
        self._now = now
        self._plan: dict[str, None] = {}
        self._rotation: tuple[str, ...] = ()
        self._evicted: set[str] = set()
        self._announced: dict[str, float] = {}
        self._refused: dict[str, float] = {}
        self._backoffs: dict[str, _Backoff] = {}
        self._granted: dict[str, float] = {}
        self._warmed: deque[float] = deque()

    @classmethod
    def of(cls, host: Host, keep: Callable[[], Sequence[str]] | None, *, now: Callable[[], float] = time) -> Prewarmer:
        """The prewarmer of ``host``; ``keep`` gives the models that it should hold, None keeps none."""
        return cls(
            keep or (lambda: ()),
            enabled=keep is not None,
            scale_to_zero=host.scale_to_zero,
            warm_per_hour=host.warm_per_hour,
            now=now,
        )

    @property
    def plan(self) -> tuple[str, ...]:
        """The models that belong in memory."""
        return tuple(self._plan)

    def begin(self, present: Iterable[str]) -> None:
        """Start with what is in memory: an earlier driver had its reasons."""
        self._plan = dict.fromkeys(present) if self._keeps else {}
        self._rotation = ()
        self._evicted.clear()

    def fill(self, budget: Budget, sizes: Callable[[str], int]) -> None:
        """Add configured models to the plan as far as they fit beside those that are in it."""
        if not self._keeps:
            return
        for model in self._configured():
            if model in self._plan or model in self._evicted:
                continue
            if budget.takes([sizes(planned) for planned in self._plan], sizes(model)):
                self._plan[model] = None

    def follow(self, rotation: Sequence[str]) -> None:
        """Plan to hold what battles are drawn from, and no longer what they were drawn from before; none: as it is."""
        if not self._keeps or not rotation or tuple(rotation) == self._rotation:
            return
        self._rotation = tuple(rotation)
        self._plan = dict.fromkeys(rotation)
        self._evicted.difference_update(rotation)

    def announce(self, models: Iterable[str], until: float) -> None:
        """Somebody is about to play: ``models`` are requested until that Unix time."""
        for model in models:
            # What was evicted since is requested for the next visit only.
            if until > self._refused.get(model, 0.0):
                self._announced[model] = until

    def loaded(self, model: str, *, prewarm: bool) -> None:
        """A load succeeded: whoever wanted it, it belongs in memory now."""
        self._evicted.discard(model)
        if self._keeps:
            self._plan[model] = None
        if prewarm:
            self._granted[model] = self._now()
            self._count_wake()
        else:
            self._backoffs.pop(model, None)

    def visited(self) -> bool:
        """Whether somebody is about to play, and this hour's wakes of a host that scales to zero are not used up."""
        now = self._now()
        return any(until > now for until in self._announced.values()) and not self._spent(now)

    def woken(self) -> None:
        """The host was woken for a visit: that is one of this hour's, as a load would be, and the visit has its due."""
        self._count_wake()
        self._refused |= self._announced
        self._announced = {}

    def evicted(self, model: str, *, by_operator: bool = False) -> None:
        """The planner evicted it for another model, or for an operator: it is no longer missed.

        One that battles are drawn from is, unless an operator wanted it away; then it is when they are drawn anew.
        """
        if by_operator or model not in self._rotation:
            self._evicted.add(model)
            self._plan.pop(model, None)
        until = self._announced.pop(model, None)
        if until is not None:
            self._refused[model] = until

    def failed(self, model: str) -> None:
        """A load on request failed; it is requested again after a while."""
        backoff = self._backoffs.setdefault(model, _Backoff())
        backoff.failures += 1
        backoff.until = self._now() + _pause_s(backoff.failures)

    def requests(self, missing: Callable[[str], bool]) -> tuple[str, ...]:
        """What should be loaded now, of the plan and of what was announced, if it is ``missing``."""
        now = self._now()
        self._announced = {model: until for model, until in self._announced.items() if until > now}
        wanted = [model for model in dict.fromkeys((*self._announced, *self._plan)) if missing(model)]
        for model in wanted:
            self._note_return(model, now)
        if self._spent(now):
            return ()
        return tuple(model for model in wanted if self._rested(model, now))

    def _note_return(self, model: str, now: float) -> None:
        """It was requested and is missing again: soon afterwards that is a failure, later it is forgotten."""
        granted = self._granted.pop(model, None)
        if granted is None:
            return
        if now - granted < STAYED.total_seconds():
            self.failed(model)
        else:
            self._backoffs.pop(model, None)

    def _rested(self, model: str, now: float) -> bool:
        return model not in self._backoffs or self._backoffs[model].until <= now

    def _count_wake(self) -> None:
        """Count a load or a wake against the hour's; a host that is always awake has no such limit."""
        if self._hourly is not None:
            self._warmed.append(self._now())

    def _spent(self, now: float) -> bool:
        """Whether this hour's loads of a host that scales to zero are used up."""
        if self._hourly is None:
            return False
        while self._warmed and now - self._warmed[0] >= HOUR_S:
            self._warmed.popleft()
        return len(self._warmed) >= self._hourly


def _pause_s(failures: int) -> float:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = failures
    return PAUSES(state)
