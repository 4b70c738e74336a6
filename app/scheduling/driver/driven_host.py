"""A host as its lane sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.hosts.host import Host
from app.scheduling.planning.planner import Budget


@dataclass(frozen=True, slots=True)
class DrivenHost:
    """What a lane must know of its host: answers at once per model, what fits, the configured models' names.

    ``pins`` are models that should stay in memory. Of a host that scales to zero nothing is asked while nobody plays,
    and it is warmed at most ``warm_per_hour`` times an hour. The answers of a ``fallback`` are marked.
    """

    name: str
    slots: int = 1
    budget: Budget = field(default_factory=Budget)
    models: tuple[str, ...] = ()
    pins: frozenset[str] = frozenset()
    fallback: bool = False
    scale_to_zero: bool = False
    warm_per_hour: int = 12

    @classmethod
    def of(cls, host: Host, pins: Iterable[str] = ()) -> DrivenHost:
        """Take from a host what its lane needs; ``pins`` are the models that should stay, on any host."""
        memory = host.memory_bytes
        return cls(
            name=host.name,
            slots=host.num_parallel,
            budget=Budget(memory) if host.max_loaded is None else Budget(memory, host.max_loaded),
            models=host.models,
            pins=frozenset(pins),
            fallback=host.fallback,
            scale_to_zero=host.scale_to_zero,
            warm_per_hour=host.warm_per_hour,
        )
