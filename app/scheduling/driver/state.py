"""What the driver of a host knows: what is in memory, how long things take, whether the host is healthy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.backends.base import inventory, residency_control
from app.hosts.host import Host
from app.scheduling.driver.breaker import Breaker
from app.scheduling.driver.change_costs import ChangeCosts
from app.scheduling.driver.events import HostEvents
from app.scheduling.driver.health import HealthCheck
from app.scheduling.driver.memory_budget import MemoryBudget
from app.scheduling.driver.memory_requests import MemoryRequests
from app.scheduling.driver.policy import Policy
from app.scheduling.driver.prewarmer import Prewarmer
from app.scheduling.driver.residency import Residency
from app.scheduling.memory_request import MemoryRequest
from app.scheduling.planning.budget import budget_of
from app.scheduling.ports import Ports
from app.scheduling.report import HostReport
from app.timing.history import History
from app.timing.time import Time


@dataclass(frozen=True, slots=True)
class DriverState:
    """The parts that remember; who acts on them is in the modules beside."""

    residency: Residency
    history: History
    breaker: Breaker
    prewarmer: Prewarmer
    events: HostEvents
    health: HealthCheck
    costs: ChangeCosts
    rotation: Callable[[], Sequence[str]] = tuple
    requests: MemoryRequests = field(default_factory=MemoryRequests)

    @classmethod
    def of(cls, host: Host, ports: Ports, policy: Policy, time: Time) -> DriverState:
        """A driver's state before it has seen anything."""
        events = HostEvents(host.name, ports.counters, time.now)
        residency = Residency(
            host.name,
            residency_control(ports.backend),
            policy.options,
            inventory=inventory(ports.backend),
            memory=MemoryBudget(budget_of(host), time.now),
            events=events,
            models=(*host.models, *host.pins),
            now=time.now,
        )
        history = History()
        breaker = Breaker(first_pause=policy.intervals.down_probe, clock=time.monotonic)
        return cls(
            residency=residency,
            history=history,
            breaker=breaker,
            prewarmer=Prewarmer.of(host, _spelled(policy.keep, residency), now=time.now),
            events=events,
            health=HealthCheck(inventory(ports.backend), residency, breaker, policy.intervals.recheck),
            costs=ChangeCosts(history, time.now),
            rotation=lambda: [residency.spelling(model) for model in policy.rotation()],
        )

    def slots(self, host: Host) -> int:
        """How many answers of one model may run at once: what the server says, where it is asked and does."""
        return (self.health.activity.slots if host.asks_slots else None) or host.num_parallel

    def take(self, visits: Mapping[str, float], asked: Mapping[str, MemoryRequest], now: float) -> None:
        """Note which models visitors are about to use, and until when, and what operators ask for; ``now`` is Unix."""
        for model, until in visits.items():
            self.prewarmer.announce([self.residency.spelling(model)], until)
        spelled = {self.residency.spelling(model): request for model, request in asked.items()}
        self.requests.take(spelled, self.residency.present, now)

    def inherit(self, before: HostReport) -> None:
        """Take over what an earlier driver of the host had seen and measured."""
        self.events.inherit(before.events, before.unloads)
        self.costs.inherit(before.change_s)
        ours = [resident.model for resident in before.residents if resident.ours]
        self.residency.recall([*ours, before.loading] if before.loading else ours)
        for event in before.events:
            if event.kind == "memory_misread":
                self.residency.memory.recall_misread(event.at)


def _spelled(keep: Callable[[], Sequence[str]] | None, residency: Residency) -> Callable[[], Sequence[str]] | None:
    """The models to keep, spelled as the planner knows them."""
    if keep is None:
        return None
    return lambda: [residency.spelling(model) for model in keep()]
