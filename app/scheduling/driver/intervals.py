"""How often a driver polls, probes and retries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.scheduling.driver.breaker import FIRST_PAUSE
from app.scheduling.lease import RENEW_EVERY


@dataclass(frozen=True, slots=True)
class Intervals:
    """How often a driver polls, probes and retries."""

    ask_every: timedelta = timedelta(milliseconds=400)
    """Another driver asks for the lease this often: after its 3 s, a host is driven again within 3.5 s."""
    renew_every: timedelta = RENEW_EVERY
    read_every: timedelta = timedelta(seconds=1)
    probe_every: timedelta = timedelta(seconds=30)
    """What is in memory is read this often, beside after every change."""

    recheck: timedelta = timedelta(seconds=1)
    """Between two failed probes that count as one trouble: a busy server may miss one."""
    down_probe: timedelta = FIRST_PAUSE
    """A host that went down is probed after this, then after twice as long each time."""
    down_patience: timedelta = timedelta(seconds=10)
    """Answers wait this long for a host that is down when no other can write them: as long as a restart may take."""
    rest_after: timedelta | None = None
    """A host that scales to zero sleeps after nobody used it for this long; None: its ``scaledown``."""
    wakes_within: timedelta | None = None
    """A host that scaled to zero has this long to answer; None: by its earlier starts (``boots``)."""
