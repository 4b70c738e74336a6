"""Which calls go to which host next. Pure.

A host gets few calls at a time, about twice what it writes at once: so the rest can still go wherever there is room
first, and a battle's answers never find a queue that is full. The host's own planner stays with the model in memory
while calls of it wait, so a window of jobs runs stage by stage.

A model's calls go to the hosts that have it in memory. Another host joins when it has nothing to do, and what is left
of the model would take the others longer than twice the load; but one whose own model will keep it busy all the time
stays with that. So models stay where they are if the work is even, and a host that is ahead helps where it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

#: What a switch must save, in loads.
WORTH = 2.0
#: A host helps others if its own model leaves it idle for this share of its time.
SPARE = 0.1


@dataclass(frozen=True, slots=True)
class HostState:
    """A host as a run sees it: the models that it has and that are in memory, and the run's calls that it was given.

    ``load_s`` is what a load costs, ``answer_s`` what a call takes; models go by the run's own spelling.
    """

    name: str
    slots: int
    models: frozenset[str]
    present: frozenset[str] = frozenset()
    in_flight: Mapping[str, int] = field(default_factory=dict)
    load_s: float = 4.0
    answer_s: float = 4.0
    weight: float = 1.0

    @property
    def room(self) -> int:
        """How many calls of one model it is given at most."""
        return 2 * self.slots + 1

    @property
    def busy(self) -> int:
        """The run's calls that it has."""
        return sum(self.in_flight.values())


@dataclass(frozen=True, slots=True)
class Portion:
    """``count`` calls of ``model`` for ``host``."""

    model: str
    host: str
    count: int


def feed(
    hosts: Sequence[HostState], ready: Mapping[str, int], shares: Mapping[str, float] | None = None
) -> list[Portion]:
    """What to give to whom now, of the calls that are ready by model; ``shares`` are those of each in all the work."""
    feeding = _Round(hosts, ready, shares or {})
    for model in sorted(ready, key=lambda name: (-ready[name], name)):
        feeding.give(model)
    return feeding.portions()


class _Round:
    """One round: each model's calls are given in turn, and what a host was given before counts for the next model."""

    def __init__(self, hosts: Sequence[HostState], ready: Mapping[str, int], shares: Mapping[str, float]) -> None:
        self._hosts = hosts
        self._ready = ready
        self._shares = shares
        self._given: Counter[tuple[str, str]] = Counter()  # by model and host

    def portions(self) -> list[Portion]:
        return [Portion(model, host, count) for (model, host), count in self._given.items()]

    def give(self, model: str) -> None:
        """Give the model's calls to its hosts while one has room, each time to the one with the fewest a slot."""
        servers = self._servers(model)
        for _ in range(self._ready[model]):
            open_ = [host for host in servers if self._has(host, model) < host.room]
            if not open_:
                return
            self._given[model, _least(open_, lambda host: self._has(host, model)).name] += 1

    def _servers(self, model: str) -> list[HostState]:
        """The hosts that have the model in memory or are to load it: one at least, if any can, and who is worth it."""
        able = [host for host in self._hosts if model in host.models]
        servers = [host for host in able if model in host.present or host.in_flight.get(model)]
        if able and not servers:
            servers.append(_least(able, self._load))
        for host in able:
            if host not in servers and self._is_idle(host) and self._is_worth_a_load(host, model, servers):
                servers.append(host)
        return servers

    def _has(self, host: HostState, model: str) -> int:
        return host.in_flight.get(model, 0) + self._given[model, host.name]

    def _load(self, host: HostState) -> int:
        return host.busy + sum(count for (_, name), count in self._given.items() if name == host.name)

    def _is_idle(self, host: HostState) -> bool:
        """Whether it has nothing to do, and its own models will not keep it busy."""
        nothing_ready = not any(self._ready.get(model) for model in host.present)
        return self._load(host) == 0 and nothing_ready and all(map(self._has_hosts_to_spare, host.present))

    def _has_hosts_to_spare(self, model: str) -> bool:
        """Whether more hosts have it in memory than its share of the work needs."""
        serving = sum(model in host.present for host in self._hosts)
        return self._shares.get(model, 0.0) * len(self._hosts) <= serving - SPARE

    def _is_worth_a_load(self, host: HostState, model: str, servers: Sequence[HostState]) -> bool:
        """Whether what is left of the model would take those who have it longer than ``WORTH`` loads."""
        left = self._ready[model] + sum(one.in_flight.get(model, 0) for one in servers)
        slots = sum(one.slots * one.weight for one in servers)
        return left * host.answer_s / slots > WORTH * host.load_s


def _least(hosts: Sequence[HostState], calls: Callable[[HostState], int]) -> HostState:
    """The host with the fewest calls for what it writes at once; of equal ones, the first by name."""
    return min(hosts, key=lambda host: (calls(host) / (host.slots * host.weight), host.name))
