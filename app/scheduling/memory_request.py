"""What an operator asks of a host's memory: that a model be loaded, or unloaded.

The driver does it, as far as it is in the way of nobody who waits; nothing is done behind its back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MemoryAction = Literal["load", "unload"]


@dataclass(frozen=True, slots=True)
class MemoryRequest:
    """One request. It is over at the Unix time ``until``; until then a loaded model is not prewarmed away."""

    action: MemoryAction
    until: float
