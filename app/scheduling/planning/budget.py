"""What fits on a host, by the test that Ollama makes before it loads a model beside others. Pure.

A model fits if its predicted size is at most 80 % of the memory that is left, and at most ``max_models`` are loaded; an
empty host takes any model. Where no memory is configured, the count is tested, and what was seen: a load that made the
server push out another model on its own lowers the count, and the total that did not fit is remembered, as is the
largest that did.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from app.hosts.host import Host

FREE_SHARE = 0.8
"""Ollama puts a model on a card only if its predicted size is at most this share of the free memory."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What fits on a host: the card's memory where it is known, and Ollama's limit of loaded models (3 a card).

    ``overfull_bytes`` is a total that was tried and did not fit, ``proven_bytes`` the largest that was seen to fit.
    ``learned_models`` is how many models fitted when more did not: more than that only if their total is proven.
    """

    memory_bytes: int | None = None
    max_models: int = 3
    overfull_bytes: int | None = None
    proven_bytes: int = 0
    learned_models: int | None = None

    def takes(self, kept_bytes: Iterable[int], size_bytes: int) -> bool:
        """Whether a model of ``size_bytes`` fits beside those that stay."""
        kept = tuple(kept_bytes)
        if not kept:
            return True
        total = sum(kept) + size_bytes
        if len(kept) >= self.max_models or (self.overfull_bytes is not None and total >= self.overfull_bytes):
            return False
        if self.learned_models is not None and len(kept) >= self.learned_models and total > self.proven_bytes:
            return False
        return self.memory_bytes is None or size_bytes <= FREE_SHARE * (self.memory_bytes - sum(kept))


def budget_of(host: Host) -> Budget:
    """What is configured to fit on ``host``."""
    return Budget(host.memory_bytes) if host.max_loaded is None else Budget(host.memory_bytes, host.max_loaded)
