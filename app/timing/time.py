"""The two clocks as one value: what is written down needs the date, what is measured needs a clock that never jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Time:
    """``now`` is Unix time in seconds; ``monotonic`` counts seconds from any moment and measures durations."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
