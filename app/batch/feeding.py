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
from collections.abc import Mapping, Sequence
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
    given: Counter[tuple[str, str]] = Counter()
    for model in sorted(ready, key=lambda name: (-ready[name], name)):
        servers = _servers(hosts, model, ready, given, shares or {})
        for _ in range(ready[model]):
            open_ = [host for host in servers if _has(host, model, given) < host.room]
            if not open_:
                break
            best = min(open_, key=lambda host: (_has(host, model, given) / (host.slots * host.weight), host.name))
            given[model, best.name] += 1
    return [Portion(model, host, count) for (model, host), count in given.items()]


def _has(host: HostState, model: str, given: Counter[tuple[str, str]]) -> int:
    return host.in_flight.get(model, 0) + given[model, host.name]


def _servers(
    hosts: Sequence[HostState],
    model: str,
    ready: Mapping[str, int],
    given: Counter[tuple[str, str]],
    shares: Mapping[str, float],
) -> list[HostState]:
    able = [host for host in hosts if model in host.models]
    servers = [host for host in able if model in host.present or host.in_flight.get(model)]
    others = [host for host in able if host not in servers]
    if not servers and others:
        first = min(others, key=lambda host: (_load(host, given) / (host.slots * host.weight), host.name))
        servers, others = [first], [host for host in others if host is not first]
    for host in others:
        free = _is_free(host, ready, given) and _has_time(host, hosts, shares)
        if free and _is_worth_it(host, model, ready[model], servers):
            servers.append(host)
    return servers


def _load(host: HostState, given: Counter[tuple[str, str]]) -> int:
    return host.busy + sum(count for (_, name), count in given.items() if name == host.name)


def _is_free(host: HostState, ready: Mapping[str, int], given: Counter[tuple[str, str]]) -> bool:
    """Whether it has nothing to do, and nothing is ready for what it has in memory."""
    return _load(host, given) == 0 and not any(ready.get(model) for model in host.present)


def _has_time(host: HostState, hosts: Sequence[HostState], shares: Mapping[str, float]) -> bool:
    """Whether the models that it has in memory have more hosts than their share of the work needs."""
    for model in host.present:
        serving = sum(model in other.present for other in hosts)
        if shares.get(model, 0.0) * len(hosts) > serving - SPARE:
            return False
    return True


def _is_worth_it(host: HostState, model: str, ready: int, servers: Sequence[HostState]) -> bool:
    left = ready + sum(one.in_flight.get(model, 0) for one in servers)
    slots = sum(one.slots * one.weight for one in servers)
    return left * host.answer_s / slots > WORTH * host.load_s
