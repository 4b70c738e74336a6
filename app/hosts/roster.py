"""Which models can be drawn now: hosts are probed at intervals, and their models are matched with the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from time import monotonic

import structlog

from app.backends.base import Backend, InstalledModel, inventory
from app.errors import Unavailable
from app.hosts.catalog import Catalog, catalog, is_named
from app.hosts.host import Host
from app.hosts.kinds import KINDS
from app.hosts.probes import ProbeResult, probe

PROBE_EVERY = timedelta(seconds=30)
#: While a host is in trouble it is probed more often: that is cheap, and people wait for it.
TROUBLE_EVERY = timedelta(seconds=5)
#: A probe on demand is not made more often than this.
ASK_AGAIN = timedelta(seconds=1)

log = structlog.get_logger(__name__)


def warn(trouble: str) -> None:
    """Log a trouble."""
    log.warning("host_trouble", trouble=trouble)


def ignore(_: str) -> None:
    """For a worker whose parent has logged the trouble."""


class Roster:
    """The current catalog. ``run`` keeps it up to date; a host that is down delays no caller, its probe is cached.

    ``on_trouble`` gets each trouble of the first probe; what is new later is logged. ``asked`` is what a model is asked
    with, see ``catalog``.
    """

    def __init__(
        self,
        hosts: Sequence[Host],
        backends: Mapping[str, Backend],
        configured: Sequence[str],
        clock: Callable[[], float] = monotonic,
        on_trouble: Callable[[str], None] = warn,
        asked: Callable[[str], object] = lambda name: None,  # noqa: ARG005 - all alike
    ) -> None:
        self._hosts = tuple(hosts)
        self._backends = backends
        self._configured = tuple(configured)
        self._clock = clock
        self._states: dict[str, ProbeResult] = {}
        self._probed = float("-inf")
        self._turn = asyncio.Lock()
        self._on_trouble = on_trouble
        self._asked = asked
        self._known: tuple[str, ...] = ()
        self.catalog = Catalog()
        #: The models of each host; for a host that does not answer, those of its last answer.
        self.models_by_host: dict[str, tuple[str, ...]] = {}
        self._installed: dict[str, tuple[InstalledModel, ...]] = {}

    @property
    def troubles(self) -> tuple[str, ...]:
        """Sentences for hosts that do not answer and models that no host has."""
        return self.catalog.warnings()

    async def refresh(self) -> None:
        """Probe all hosts at once; log what is new in their trouble."""
        async with self._turn:
            if self._clock() - self._probed < ASK_AGAIN.total_seconds():
                return
            states = await asyncio.gather(*(self._state(host) for host in self._hosts))
            self._states = {host.name: state for host, state in zip(self._hosts, states, strict=True)}
            for name, state in self._states.items():
                if state.reachable:
                    self.models_by_host[name] = tuple(
                        name for model in state.installed for name in (model.name, *model.aliases)
                    )
                    self._installed[name] = state.installed
            self._match()
            self._probed = self._clock()
        messages = (*self.troubles, *self.catalog.notices())
        for trouble in messages:
            if trouble not in self._known:
                self._on_trouble(trouble)
        self._known, self._on_trouble = messages, warn

    def forget(self, host: str, model: str) -> None:
        """``host`` said that it has no such model: it is drawn there again when the host lists it."""
        state = self._states.get(host)
        if state is None:
            return
        left = tuple(one for one in state.installed if not is_named(one, model))
        self._states[host] = replace(state, installed=left)
        self._installed[host] = left
        self.models_by_host[host] = tuple(name for one in left for name in (one.name, *one.aliases))
        self._match()

    def _match(self) -> None:
        self.catalog = catalog(self._configured, self._hosts, self._states, self._installed, asked=self._asked)

    async def _state(self, host: Host) -> ProbeResult:
        """Probe a host; one that scales to zero, or can't be asked, has the models that are configured."""
        server = None if host.scale_to_zero else inventory(self._backends[host.name])
        if server is None:
            return ProbeResult(True, installed=tuple(InstalledModel(name, 0) for name in host.models))
        return await probe(server)

    def reaches(self, host: str) -> bool:
        """Whether ``host`` answered the last probe, or was never probed."""
        return host not in self._states or self._states[host].reachable

    def forces_tools(self, host: str) -> bool:
        """Whether a model of ``host`` can be made to call a tool."""
        return any(known.name == host and KINDS[known.kind].forces_tools for known in self._hosts)

    def kept_on(self, host: str) -> tuple[str, ...]:
        """The contestants that ``host`` has, beginning with those it should keep before other hosts do.

        Of several hosts with the same models each comes first for some, so that together they hold many.
        """
        fallbacks = {known.name for known in self._hosts if known.fallback}
        kept = []
        for number, contender in enumerate(self.catalog.contenders):
            homes = [name for name in contender.hosts if name not in fallbacks]
            if host in homes:
                kept.append((homes[number % len(homes)] != host, contender.model))
        return tuple(model for _, model in sorted(kept, key=lambda one: one[0]))

    async def run(self) -> None:
        """Refresh until cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep((TROUBLE_EVERY if self.troubles else PROBE_EVERY).total_seconds())

    def installed(self, host: str, model: str) -> InstalledModel | None:
        """What ``host`` had under the name ``model`` when it last answered; None when it had no such model."""
        return next((one for one in self._installed.get(host, ()) if is_named(one, model)), None)

    async def at_hand(self) -> tuple[str, ...]:
        """Names of the models that can be drawn now.

        Raises:
            Unavailable: fewer than two; the sentence says what is missing.
        """
        if len(self.catalog.models) < 2:
            await self.refresh()
        if len(self.catalog.models) < 2:
            raise Unavailable(self._too_few(), code="too_few_models", retry_after_s=5)
        return self.catalog.models

    def _too_few(self) -> str:
        available = len(self.catalog.models)
        dead = ", ".join(host.host for host in self.catalog.unreachable)
        absent = ", ".join(missing.name for missing in self.catalog.missing)
        reasons = [f"host {dead} does not answer"] if dead else []
        reasons += [f"missing: {absent}"] if absent else []
        reasons += [
            f"{duplicate} is {first} under another name" for duplicate, first in self.catalog.duplicates.items()
        ]
        why = f" ({'; '.join(reasons)})" if reasons else ""
        found = f"a battle needs two models and {available} can be reached{why}"
        return f"{found}; start the host or pull the models, then retry"
