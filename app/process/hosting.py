"""Wiring of the model hosts: their backends, who has what, the way to their queues, and their drivers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from multiprocessing import parent_process

from redis.asyncio import Redis

from app.backends.base import Backend
from app.backends.retrying import retrying
from app.hosts.host import Host
from app.hosts.kinds import KINDS
from app.hosts.options import asked_with, options_for
from app.hosts.roster import Roster, ignore, warn
from app.metrics.counters import Counters
from app.scheduling.dispatch.assignments import HostAssignments
from app.scheduling.dispatch.queue import HostQueue
from app.scheduling.dispatch.router import Router
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.policy import Policy
from app.scheduling.fair_share import FairShare
from app.scheduling.lease import HostLease
from app.scheduling.ports import AnswerSink, Ports
from app.scheduling.report import HostReports
from app.settings.settings import Settings
from app.timing.time import Time


def backends_of(settings: Settings, hosts: Sequence[Host], stack: AsyncExitStack) -> dict[str, Backend]:
    """A client for each host; ``stack`` closes them."""
    backends = {host.name: retrying(KINDS[host.kind].backend(host.place, settings)) for host in hosts}
    for backend in backends.values():
        stack.push_async_callback(backend.aclose)
    return backends


class HostsWiring:
    """What one process has of the hosts; ``time`` tells the same date to the processes of all machines."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        subscriber: Redis,
        hosts: Sequence[Host],
        backends: dict[str, Backend],
        time: Time,
    ) -> None:
        self.hosts = tuple(hosts)
        self.counters = Counters(redis)
        self.reports = HostReports(redis, [host.name for host in hosts])
        self.fair_share = FairShare(redis, [host.name for host in hosts])
        # One line for each trouble, not one from each worker: the parent has probed before it started them.
        on_trouble = warn if parent_process() is None else ignore
        asked = partial(asked_with, settings)
        self.roster = Roster(hosts, backends, settings.arena_models, on_trouble=on_trouble, asked=asked)
        self._settings, self._redis, self._backends, self._time = settings, redis, backends, time
        self._queues = {host.name: HostQueue(redis, host.name, subscriber) for host in hosts}
        self.router = Router(
            hosts,
            self._queues,
            self.roster.models_by_host,
            settings.arena_queue,
            self.reports,
            assignments=HostAssignments(redis),
            alive=self.roster.reaches,
            counters=self.counters,
            time=time,
        )

    def is_fallback(self, host: str) -> bool:
        """Whether answers of ``host`` bear the mark of a fallback."""
        return any(known.name == host and known.fallback for known in self.hosts)

    def drivers(self, sink: AnswerSink) -> list[Driver]:
        """A driver for each host, if this process drives hosts."""
        return [self._driver(host, sink) for host in self.hosts] if self._settings.arena_scheduler else []

    def _driver(self, host: Host, sink: AnswerSink) -> Driver:
        ports = Ports(
            backend=self._backends[host.name],
            queue=self._queues[host.name],
            lease=HostLease(self._redis, host.name),
            sink=sink,
            reports=self.reports,
            reroute=self.router,
            share=self.fair_share,
            counters=self.counters,
        )
        policy = Policy(
            options=lambda model: options_for(self._settings, model),
            keep=self._kept_on(host),
            load_limit=self._settings.arena_load_limit,
            intervals=Intervals(probe_every=self._settings.arena_probe),
        )
        return Driver(host, ports, policy, self._time)

    def _kept_on(self, host: Host) -> Callable[[], Sequence[str]] | None:
        """What a host should hold while nothing waits; a fallback nothing: it is only the last resort."""
        if not self._settings.arena_prewarm or host.fallback:
            return None
        return lambda: self.roster.kept_on(host.name)
