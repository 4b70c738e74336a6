"""What runs and waits on a server, read from its Prometheus metrics; several engines or models are added up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_RUNNING = ("vllm:num_requests_running", "sglang:num_running_reqs", "llamacpp:requests_processing")
_WAITING = ("vllm:num_requests_waiting", "sglang:num_queue_reqs", "llamacpp:requests_deferred")

_SLEEP_STATE = "vllm:engine_sleep_state"


@dataclass(frozen=True, slots=True)
class Gauges:
    """Answers that are being written and that wait; None when the server does not report them."""

    running: int | None = None
    waiting: int | None = None


def gauges(text: str) -> Gauges:
    """Read the two gauges of whichever server this is."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return Gauges(_sum(lines, _RUNNING), _sum(lines, _WAITING))


def weights_are_gone(text: str) -> bool:
    """Whether a vLLM sleeps at level 2: ``vllm:engine_sleep_state{sleep_state="discard_all"}`` is 1."""
    state = [line for line in text.splitlines() if line.startswith(_SLEEP_STATE) and '"discard_all"' in line]
    return any(_value(line) > 0 for line in state)


def _sum(lines: Iterable[str], names: tuple[str, ...]) -> int | None:
    found = [value for line in lines if line.partition("{")[0].split(" ")[0] in names and (value := _value(line)) >= 0]
    return int(sum(found)) if found else None


def _value(line: str) -> float:
    """The number at the end of a line (a time may follow it); -1 when there is none."""
    parts = line.rpartition("}")[2].split() if "}" in line else line.split()[1:]
    try:
        value = float(parts[0])
    except (IndexError, ValueError):
        return -1.0
    return value if math.isfinite(value) else -1.0
