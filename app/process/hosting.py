"""Wiring of the model hosts: who has what, the way to their queues, and their drivers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from multiprocessing import parent_process

from app.backends.base import residency_control
from app.hosts.host import Host
from app.hosts.options import asked_with, options_for
from app.hosts.roster import Roster, ignore, warn
from app.hosts.seen_models import SeenModels
from app.metrics.counters import Counters
from app.process.connections import Connections, backends_of
from app.process.drawing import DrawWiring
from app.process.found_kinds import hosts_with_kinds
from app.scheduling.dispatch.assignments import HostAssignments
from app.scheduling.dispatch.model_memory import ModelMemory
from app.scheduling.dispatch.queue import HostQueue
from app.scheduling.dispatch.router import Router
from app.scheduling.driver.driver import Driver
from app.scheduling.driver.intervals import Intervals
from app.scheduling.driver.policy import Policy
from app.scheduling.fair_share import FairShare
from app.scheduling.head_start import LocalHeadStart
from app.scheduling.lease import HostLease
from app.scheduling.memory_request import MemoryRequest
from app.scheduling.ports import AnswerSink, Ports
from app.scheduling.report import HostReports
from app.scheduling.spending import HostSpending
from app.settings.settings import Settings
from app.timing.time import Time


async def probe_hosts(settings: Settings) -> None:
    """Probe the hosts once and log their troubles, for the parent of several workers."""
    async with AsyncExitStack() as stack:
        hosts = await hosts_with_kinds(settings)
        asked = partial(asked_with, settings)
        await Roster(hosts, backends_of(settings, hosts, stack), settings.arena_models, asked=asked).refresh()


class HostsWiring:
    """What one process has of the hosts."""

    def __init__(self, to: Connections) -> None:
        self._to = to
        self._settings = to.settings
        self._time = Time(now=to.clock.time)
        names = [host.name for host in to.hosts]
        self._queues = {name: HostQueue(to.redis, name, to.subscriber) for name in names}
        self.counters = Counters(to.redis)
        self.reports = HostReports(to.redis, names)
        self.fair_share = FairShare(to.redis, names)
        self.roster = self._make_roster()
        self.drawing = DrawWiring(to, self.roster, self.reports, self.counters)
        self.seen_models = SeenModels(self._forget)
        self.router = self._make_router()
        self.head_start = LocalHeadStart(self.router.likely_host)
        self.memory = ModelMemory(self._is_managed, self.router, self._ask, self.reports, self._time)

    def _forget(self, host: str, model: str) -> None:
        self.roster.forget(host, model)
        self.drawing.rotator.refused(host, model)

    def _make_roster(self) -> Roster:
        # One line for each trouble, not one from each worker: the parent has probed before it started them.
        on_trouble = warn if parent_process() is None else ignore
        asked = partial(asked_with, self._settings)
        return Roster(
            self._to.hosts, self._to.backends, self._settings.arena_models, on_trouble=on_trouble, asked=asked
        )

    def _make_router(self) -> Router:
        return Router(
            self._to.hosts,
            self._queues,
            self.roster.models_by_host,
            self._settings.arena_queue,
            self.reports,
            assignments=HostAssignments(self._to.redis),
            alive=self.roster.reaches,
            counters=self.counters,
            time=self._time,
        )

    def _is_managed(self, host: str) -> bool:
        return residency_control(self._to.backends[host]) is not None

    async def _ask(self, host: str, model: str, request: MemoryRequest) -> None:
        await self._queues[host].request_memory(model, request)

    def digests_of(self, model: str) -> frozenset[str]:
        """The digests of a model on its hosts, as far as they say."""
        found = (self.roster.installed(host, model) for host in self.router.hosts_of(model))
        return frozenset(one.digest for one in found if one is not None and one.digest)

    def digest_of(self, host: str, answer: str, model: str) -> str:
        """The digest of the weights that wrote an answer there; empty when it is not known."""
        installed = self.roster.installed(host, model)
        return self.seen_models.digest(host, answer, model) or ("" if installed is None else installed.digest)

    def is_fallback(self, host: str) -> bool:
        """Whether answers of ``host`` bear the mark of a fallback."""
        return any(known.name == host and known.fallback for known in self._to.hosts)

    def drivers(self, sink: AnswerSink) -> list[Driver]:
        """A driver for each host, if this process drives hosts."""
        drivers = [self._driver(host, sink) for host in self._to.hosts] if self._settings.arena_scheduler else []
        self.head_start.drivers = {driver.host.name: driver for driver in drivers}
        return drivers

    def _driver(self, host: Host, sink: AnswerSink) -> Driver:
        ports = Ports(
            backend=self._to.backends[host.name],
            queue=self._queues[host.name],
            lease=HostLease(self._to.redis, host.name),
            sink=sink,
            reports=self.reports,
            reroute=self.router,
            share=self.fair_share,
            counters=self.counters,
            spending=HostSpending(self._to.redis, host.name, self._time.now),
            observer=self.seen_models,
            tracer=self._to.tracer,
        )
        return Driver(host, ports, self._policy(host), self._time)

    def _policy(self, host: Host) -> Policy:
        return Policy(
            options=lambda model: options_for(self._settings, model),
            keep=self._kept_on(host),
            rotation=partial(self.drawing.rotator.held_on, host.name),
            load_limit=self._settings.arena_load_limit,
            intervals=Intervals(probe_every=self._settings.arena_probe),
        )

    def _kept_on(self, host: Host) -> Callable[[], Sequence[str]] | None:
        """What a host should hold while nothing waits; a fallback nothing: it is only the last resort."""
        if not self._settings.arena_prewarm or host.fallback:
            return None
        return lambda: self.roster.kept_on(host.name)
