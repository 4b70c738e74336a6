"""Whether a host is worth asking: up, down, or being tried. Pure but for its clock.

Failures of the host count, failures of a request don't: a refused or lost connection, a server's own error and a load
that never ends say something about the host; a request that it refuses (4xx), a model that it hasn't or can't place
don't. ``THRESHOLD`` failures in a row open the breaker, or one whose probe fails too. While it is open a probe may be
sent after a pause that doubles; a probe that succeeds lets one answer through, and its success closes the breaker.
Where nobody comes to try, ``TRIED_FOR`` of probes that succeed are enough.

Answers are counted apart, too: a host may answer every probe and load every model, and fail each answer (a proxy that
cuts long calls off, a card that dies in the first token). After ``FAILS_ANSWERS`` in a row neither a probe nor a load
speaks for it. It stays down, out of the draw, for a pause that doubles up to ``LONGEST_WITHOUT_ANSWERS``; then one
answer is let through. That it could not be reached meanwhile is a new beginning: it was probably restarted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from time import monotonic

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    LoadTimedOut,
    Overlong,
    UpstreamFailed,
)
from app.scheduling.report import FAILS_ANSWERS, Health

THRESHOLD = 3
FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSES = 2.5
"""The pause grows to this many first ones: a probe is cheap, and people may be waiting."""

TRIED_FOR = timedelta(seconds=25)
"""Less than the time between two probes of a host that isn't down."""

FIRST_WITHOUT_ANSWERS = timedelta(seconds=30)
LONGEST_WITHOUT_ANSWERS = timedelta(minutes=5)
"""A host that fails its answers is spared for so long, at first and at most: each try may cost a visitor an answer."""

_LONGEST_FAILURE = 300

_OF_THE_HOST = (BackendUnavailable, BackendOverloaded, UpstreamFailed, LoadTimedOut, BackendBroken)


def counts(error: BackendError) -> bool:
    """Whether ``error`` says something about the health of its host."""
    return isinstance(error, _OF_THE_HOST) and not isinstance(error, Overlong)


class Breaker:
    """The health of one host; ``clock`` is monotonic.

    ``changed`` is called with the new health and the cause whenever the health changes.
    """

    def __init__(
        self,
        *,
        threshold: int = THRESHOLD,
        first_pause: timedelta = FIRST_PAUSE,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.health: Health = "up"
        self.why = ""
        self.since = clock()
        self.changed: Callable[[Health, str], None] = lambda _health, _why: None
        self._threshold = threshold
        self._first_s = first_pause.total_seconds()
        self._longest_s = LONGEST_PAUSES * self._first_s
        self._pause_s = self._first_s
        self._clock = clock
        self._failures = 0
        self._next = self._trying_since = self._spared_until = self.since
        self.failed_answers = 0
        self.failure = ""
        self._spare_s = FIRST_WITHOUT_ANSWERS.total_seconds()

    @property
    def fails_answers(self) -> bool:
        """Whether so many answers failed in a row that probes and loads don't speak for the host."""
        return self.failed_answers >= FAILS_ANSWERS

    def failed(self, error: BackendError) -> bool:
        """Count a failed load; True when it counts against the host."""
        if not counts(error):
            return False
        self._failures += 1
        if self.health == "trying" or self._failures >= self._threshold or self.fails_answers:
            self._down(error.code)
        return True

    def failed_answer(self, error: BackendError) -> bool:
        """Count a failed answer; True when it counts against the host.

        Those that end together, as when a card fails, are no more than what opened the breaker.
        """
        if not counts(error):
            return False
        if self.health != "down":
            self.failed_answers += 1
        self.failure = f"{error.code}: {error}"[:_LONGEST_FAILURE]
        if self.fails_answers and self._clock() >= self._spared_until:
            self._spared_until = self._clock() + self._spare_s
            self._spare_s = min(2 * self._spare_s, LONGEST_WITHOUT_ANSWERS.total_seconds())
        return self.failed(error)

    def unreachable(self, why: str) -> None:
        """A probe failed: whatever is asked of the host now would fail as well."""
        self._forget_answers()
        self._down(why)

    def succeeded(self) -> None:
        """A load came to its end; where answers fail that shows nothing."""
        if not self.fails_answers:
            self._up()

    def answered(self) -> None:
        """An answer came to its end."""
        self._forget_answers()
        self._up()

    def alive(self) -> None:
        """A probe succeeded: one answer may show whether the host works again."""
        if self.health == "down" and self._clock() < self._spared_until:
            self._next = self._clock() + self._longest_s
        elif self.health == "down":
            self._trying_since = self._clock()
            self._turn("trying")
        elif self.health == "trying" and self._clock() - self._trying_since >= TRIED_FOR.total_seconds():
            self._up()

    def left_alone(self) -> None:
        """The host is asked nothing more until somebody plays, and nobody is sent to one that is down: he tries it."""
        self._spared_until = self._clock()
        if self.health == "down":
            self.alive()

    @property
    def down_s(self) -> float:
        """For how many seconds the host has been down; 0 while it is not."""
        return self._clock() - self.since if self.health == "down" else 0.0

    @property
    def probe_due(self) -> bool:
        """Whether it is down and has been left alone long enough."""
        return self.health == "down" and self._clock() >= self._next

    def _forget_answers(self) -> None:
        self.failed_answers, self.failure = 0, ""
        self._spared_until = self._clock()
        self._spare_s = FIRST_WITHOUT_ANSWERS.total_seconds()

    def _up(self) -> None:
        self._failures = 0
        self._pause_s = self._first_s
        self._turn("up")

    def _down(self, why: str) -> None:
        if self.health != "up":
            self._pause_s = min(2 * self._pause_s, self._longest_s)
        self._next = self._clock() + self._pause_s
        self._turn("down", why)

    def _turn(self, health: Health, why: str = "") -> None:
        if health == self.health:
            return
        # The time of trying in between belongs to the trouble.
        if health == "up" or self.health == "up":
            self.since = self._clock()
        self.health, self.why = health, why or (self.why if health == "trying" else "")
        self.changed(health, self.why)
