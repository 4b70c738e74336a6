"""What was seen, as plain values: everything that findings are made of, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from app.backends.base import GenerationOptions, InstalledModel, LoadedModel
from app.backends.ollama.rows import OddRow
from app.hosts.catalog import Catalog, catalog
from app.hosts.host import Host
from app.hosts.names import canonical, same_model
from app.hosts.options import options_for
from app.hosts.probes import HostState
from app.scheduling.report import HostReport
from app.settings.settings import Settings
from app.store_errors import Trouble

Reach = Literal[
    "ollama",  # /api/version answers
    "slow",  # /api/version answers, the lists do not in time
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
    "unasked",  # it scales to zero, and looking would wake it
]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a model's size in memory follows from (``POST /api/show``); 0 or empty is unknown.

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
        """Whether the cache's size can be told."""
        return min(self.layers, self.kv_heads, self.head_dim) > 0


UNKNOWN_SHAPE = Shape()


@dataclass(frozen=True, slots=True)
class HostSeen:
    """One host as this machine sees it. ``instead`` is an address where an Ollama answers though the given one fails.

    ``skew_s`` is its clock less ours, known to about a second; ``shapes`` are by canonical name. ``odd`` are the rows
    of its lists that are not as Ollama writes them, by path.
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

    @property
    def answers(self) -> bool:
        """Whether an Ollama is there."""
        return self.reach in ("ollama", "slow")

    def installed_as(self, model: str) -> InstalledModel | None:
        """The entry of ``/api/tags`` that ``model`` means."""
        return next((one for one in self.installed if same_model(one.name, model)), None)

    def shape(self, model: str) -> Shape:
        """The shape of ``model``; an unknown one when it wasn't asked for."""
        return self.shapes.get(key(model), UNKNOWN_SHAPE)


@dataclass(frozen=True, slots=True)
class RedisSeen:
    """Redis as INFO and CONFIG tell; ``fsync`` and ``saves`` are None where CONFIG is forbidden.

    ``idle``: the embedded one does not run, since no process of the arena does. ``refusal``: why it took no write of
    ours. ``strangers`` are hosts that are driven by this Redis and that this configuration does not know.
    """

    where: str
    state: Literal["up", "idle", "away", "refused", "none", "folder"] = "up"
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
    strangers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSeen:
    """One answer of the recent battles, on its host: Unix times of dispatch, first token and end."""

    host: str
    model: str
    sent: float
    first: float
    ended: float


@dataclass(frozen=True, slots=True)
class DatabaseSeen:
    """The database; ``new`` is a SQLite file that is not there yet and that ``arena serve`` makes.

    ``refusal``: why it took no write of ours, though its schema is as it should be. ``readable``: every user of this
    machine can read SQLite's file.
    """

    where: str
    state: Literal["ready", "new", "empty", "behind", "newer", "away", "unusable", "folder"] = "ready"
    detail: str = ""
    skew_s: float | None = None
    answers: tuple[AnswerSeen, ...] = ()
    refusal: Trouble | None = None
    readable: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything at the Unix time ``now``. ``driven`` and ``waiting`` (jobs in the queue) are by host.

    Both are empty while Redis can't be asked, as are ``reports``.
    """

    settings: Settings
    now: float
    hosts: tuple[HostSeen, ...]
    redis: RedisSeen
    database: DatabaseSeen
    reports: Mapping[str, HostReport] = field(default_factory=dict)
    driven: Mapping[str, bool] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)

    @property
    def catalog(self) -> Catalog:
        """What can be drawn, by the rules of the house; of a host that only its driver reaches, what that tells."""
        states = {seen.host.name: self._state(seen) for seen in self.hosts}
        return catalog(self.settings.arena_models, [seen.host for seen in self.hosts], states)

    def _state(self, seen: HostSeen) -> HostState:
        state = self._listed(seen)
        return replace(state, installed=tuple(model for model in state.installed if same_model(model.name, model.name)))

    def _listed(self, seen: HostSeen) -> HostState:
        """What the host has, by itself, by its driver, or by the configuration; some names may be none."""
        if seen.reach == "unasked":
            return HostState(True, installed=tuple(InstalledModel(name, 0) for name in self.taken_for_granted(seen)))
        report = self.reports.get(seen.host.name)
        listed = bool(seen.installed) or seen.reach == "ollama"
        if listed or report is None or report.health != "up":
            return HostState(listed, seen.version, seen.installed, seen.loaded, seen.detail or None)
        names = dict.fromkeys([*report.planned, *(resident.model for resident in report.residents if resident.ours)])
        return HostState(True, report.version, tuple(InstalledModel(name, 0) for name in names))

    def taken_for_granted(self, seen: HostSeen) -> tuple[str, ...]:
        """The models of a host that wasn't asked: those of its list, else those that are configured."""
        return seen.host.models or self.settings.arena_models

    @property
    def wished(self) -> dict[str, tuple[str, ...]]:
        """By host, the contestants that it has."""
        contenders = self.catalog.contenders
        return {
            seen.host.name: tuple(one.model for one in contenders if seen.host.name in one.hosts) for seen in self.hosts
        }

    def answers_of(self, host: str) -> tuple[AnswerSeen, ...]:
        """The recent answers that ``host`` wrote."""
        return tuple(answer for answer in self.database.answers if answer.host == host)

    def options(self, model: str) -> GenerationOptions:
        """What ``model`` is asked with."""
        return options_for(self.settings, model)


def key(name: str) -> str:
    """The canonical name; one that Ollama would not take as it is."""
    try:
        return canonical(name)
    except ValueError:
        return name
