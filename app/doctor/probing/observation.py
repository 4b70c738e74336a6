"""What was observed, as plain values: all that the checks know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from app.backends.base import Activity, GenerationOptions, InstalledModel, LoadedModel
from app.backends.ollama.rows import OddRow
from app.hosts.catalog import Catalog, catalog, is_named
from app.hosts.host import Host
from app.hosts.names import canonical, same_model
from app.hosts.options import asked_with, options_for
from app.hosts.probes import ProbeResult
from app.metrics.voter_addresses import Sign
from app.scheduling.report import HostReport
from app.settings.settings import Settings
from app.store_errors import Trouble

Reach = Literal[
    "ollama",  # /api/version answers
    "chat",  # a server of chat completions answers
    "put_to_sleep",  # a vLLM that somebody put to sleep: it answers no chat
    "slow",  # /api/version answers, the lists do not come in time
    "dns",
    "refused",
    "unreachable",
    "no_connection",
    "silent",
    "reset",
    "not_tls",
    "untrusted",
    "forbidden",
    "login",
    "other",
    "unasked",  # it scales to zero, and a probe would wake it
    "unsure",  # it was late, and this machine too busy to know whose fault that is
]


@dataclass(frozen=True, slots=True)
class Shape:
    """What determines a model's size in memory (``POST /api/show``); 0 or empty is unknown.

    ``trained_ctx`` is the context it was trained for, ``blob`` the digest of its weights.
    """

    family: str = ""
    layers: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    trained_ctx: int = 0
    blob: str = ""

    @property
    def known(self) -> bool:
        """Whether the size of the cache can be computed."""
        return min(self.layers, self.kv_heads, self.head_dim) > 0


UNKNOWN_SHAPE = Shape()
UNKNOWN_ACTIVITY = Activity()

SKEW_S = 5.0
"""Clocks that differ by less are taken for the same: a Date header is known to a second."""


@dataclass(frozen=True, slots=True)
class ObservedHost:
    """One host as this machine sees it. ``instead`` is an address where Ollama answers though the given one fails.

    ``skew_s`` is its clock minus ours, known to about a second; ``shapes`` are by canonical name. ``odd`` are the rows
    of its lists that are not in Ollama's format, by path. ``found_kind`` is the kind of server that answers there, as
    far as it was looked for, ``activity`` what it works on, if it reports that.
    """

    host: Host
    reach: Reach
    detail: str = ""
    addresses: tuple[str, ...] = ()
    instead: str = ""
    version: str = ""
    installed: tuple[InstalledModel, ...] = ()
    loaded: tuple[LoadedModel, ...] = ()
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    skew_s: float | None = None
    odd: Mapping[str, tuple[OddRow, ...]] = field(default_factory=dict)
    found_kind: str = ""
    activity: Activity = UNKNOWN_ACTIVITY

    @property
    def answers(self) -> bool:
        """Whether a server of its kind answers there."""
        return self.reach in ("ollama", "slow", "chat")

    def installed_as(self, model: str) -> InstalledModel | None:
        """The entry of the server's list for ``model``."""
        return next((one for one in self.installed if is_named(one, model)), None)

    def shape(self, model: str) -> Shape:
        """The shape of ``model``; ``UNKNOWN_SHAPE`` when it was not requested."""
        return self.shapes.get(key(model), UNKNOWN_SHAPE)


@dataclass(frozen=True, slots=True)
class ObservedRedis:
    """Redis according to INFO and CONFIG; ``fsync`` and ``saves`` are None where CONFIG is forbidden.

    ``idle``: the embedded one does not run, because no process of the arena does. ``refusal``: why it refused our
    write. ``unknown_hosts`` have drivers in this Redis and are not in this configuration.
    """

    where: str
    state: Literal["up", "idle", "unavailable", "refused", "none", "folder", "unsure"] = "up"
    detail: str = ""
    embedded: bool = False
    version: str = ""
    policy: str = "noeviction"
    used_bytes: int = 0
    limit_bytes: int = 0
    evicted: int = 0
    refusal: Trouble | None = None
    appends: bool = False
    fsync: str | None = None
    saves: str | None = None
    skew_s: float | None = None
    unknown_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedAnswer:
    """One answer of the recent battles, on its host: Unix times of dispatch, first token and end."""

    host: str
    model: str
    sent: float
    first: float
    ended: float


@dataclass(frozen=True, slots=True)
class ObservedDatabase:
    """The database; ``new`` is a SQLite file that does not exist yet and that ``arena serve`` creates.

    ``refusal``: why it refused our write, though its schema is current. ``readable``: every user of this machine can
    read SQLite's file.
    """

    where: str
    state: Literal["ready", "new", "empty", "behind", "newer", "unavailable", "unusable", "folder", "unsure"] = "ready"
    detail: str = ""
    skew_s: float | None = None
    answers: tuple[ObservedAnswer, ...] = ()
    refusal: Trouble | None = None
    readable: bool = False


@dataclass(frozen=True, slots=True)
class ObservedDraw:
    """What the rotation is and did: its ``members`` since a Unix time, the ``battles`` that were drawn from them.

    ``drawn`` is how often each model was drawn beside another within the last day; ``gone`` are models that a host
    refused within the last minute. Where contestants are drawn uniformly there are no members.
    """

    members: tuple[str, ...] = ()
    since: float = 0.0
    battles: int = 0
    drawn: Mapping[str, int] = field(default_factory=dict)
    gone: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything at the Unix time ``now``, which is by the database's clock, as reports are.

    ``driven`` and ``waiting`` (jobs in the queue) are by host. ``signs`` say by address that voters can't be told
    apart. ``other_addresses`` has the driver's address for each host that is configured with another one here. All are
    empty while Redis is unavailable, as are ``reports``; then ``draw`` is None.

    ``lost_s`` of ``watched_s`` are what this machine lost while it probed, ``load`` is how many processes wanted each
    core; ``unsure`` are those who can't be judged for that.
    """

    settings: Settings
    now: float
    hosts: tuple[ObservedHost, ...]
    redis: ObservedRedis
    database: ObservedDatabase
    reports: Mapping[str, HostReport] = field(default_factory=dict)
    driven: Mapping[str, bool] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    signs: Mapping[str, Sign] = field(default_factory=dict)
    other_addresses: Mapping[str, str] = field(default_factory=dict)
    lost_s: float = 0.0
    watched_s: float = 0.0
    load: float = 0.0
    unsure: tuple[str, ...] = ()
    draw: ObservedDraw | None = None

    @property
    def catalog(self) -> Catalog:
        """What can be drawn, by the arena's rules; for a host that only its driver reaches, what the driver reports."""
        states = {seen.host.name: self._state(seen) for seen in self.hosts}
        asked = partial(asked_with, self.settings)
        return catalog(self.settings.arena_models, [seen.host for seen in self.hosts], states, asked=asked)

    def _state(self, seen: ObservedHost) -> ProbeResult:
        """As ``_listed``, without invalid names."""
        state = self._listed(seen)
        return replace(state, installed=tuple(model for model in state.installed if same_model(model.name, model.name)))

    def _listed(self, seen: ObservedHost) -> ProbeResult:
        """What the host has according to itself, its driver or the configuration; names may be invalid."""
        if seen.reach == "unasked" or (seen.reach == "unsure" and not self._is_reported_up(seen)):
            return ProbeResult(True, installed=tuple(InstalledModel(name, 0) for name in self.taken_for_granted(seen)))
        report = self.reports.get(seen.host.name)
        listed = bool(seen.installed) or seen.reach in ("ollama", "chat")
        if not listed and report is not None and report.health == "up":
            return _reported(report)
        return ProbeResult(listed, seen.version, seen.installed, seen.loaded, seen.detail or None)

    def _is_reported_up(self, seen: ObservedHost) -> bool:
        report = self.reports.get(seen.host.name)
        return report is not None and report.health == "up"

    def taken_for_granted(self, seen: ObservedHost) -> tuple[str, ...]:
        """The models of a host that was not probed: those of its own list, else ARENA_MODELS."""
        return seen.host.models or self.settings.arena_models

    @property
    def contestants(self) -> dict[str, tuple[str, ...]]:
        """By host, the possible contestants that it has."""
        contenders = self.catalog.contenders
        return {
            seen.host.name: tuple(one.model for one in contenders if seen.host.name in one.hosts) for seen in self.hosts
        }

    def loads_s(self, *hosts: str) -> tuple[float, ...]:
        """What loads took lately on ``hosts`` (none: on all), in seconds."""
        names = hosts or tuple(self.reports)
        return tuple(s for name in names if name in self.reports for s in self.reports[name].load_s.values())

    def answers_of(self, host: str) -> tuple[ObservedAnswer, ...]:
        """The recent answers that ``host`` wrote."""
        return tuple(answer for answer in self.database.answers if answer.host == host)

    def expires_at(self, host: ObservedHost, model: LoadedModel) -> float | None:
        """When a model of ``host`` expires, by the clock of ``now`` instead of the host's."""
        ahead_s = (host.skew_s or 0.0) - (self.database.skew_s or 0.0)
        if model.expires_at is None or abs(ahead_s) < SKEW_S:
            return model.expires_at
        return model.expires_at - ahead_s

    def options(self, model: str) -> GenerationOptions:
        """The options that the arena sends for ``model``."""
        return options_for(self.settings, model)


def key(name: str) -> str:
    """The canonical name; an invalid name is returned unchanged."""
    try:
        return canonical(name)
    except ValueError:
        return name


def _reported(report: HostReport) -> ProbeResult:
    """What its driver reports of a host."""
    names = dict.fromkeys([*report.planned, *(resident.model for resident in report.residents if resident.ours)])
    return ProbeResult(True, report.version, tuple(InstalledModel(name, 0) for name in names))
