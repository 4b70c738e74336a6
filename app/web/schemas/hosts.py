"""Hosts and models: what everybody is shown, and what those who run the arena are shown."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field, RootModel

from app.scheduling.planning.planner import UnloadReason
from app.scheduling.report import EventKind
from app.web.schemas.base import Schema

HostHealth = Literal["up", "trying", "down", "unknown"]


class ResidentModel(Schema):
    """A model in memory."""

    model: str
    size_bytes: int
    vram_bytes: int = Field(description="The part of it that is on the card.")
    context_length: int | None
    flags: list[str] = Field(description="What is wrong with it and accepted.")
    ours: bool = Field(description="False for a model, or a context length, that others loaded.")


class HostEvent(Schema):
    """Something that happened to a host as a whole."""

    at: AwareDatetime | None
    kind: EventKind


class _Host(Schema):
    name: str = Field(description="The configured name, never an address.")
    kind: str
    health: HostHealth
    driven: bool = Field(description="A worker drives it at the moment.")
    version: str
    told_at: AwareDatetime | None
    since: AwareDatetime | None
    loading: bool
    max_models: int | None = Field(description="Models that are taken to fit at once.")
    num_parallel: int
    memory_bytes: int | None
    resident_vram_bytes: int
    weight: float
    fallback: bool
    scale_to_zero: bool


class HostView(_Host):
    """A host as everybody may see it."""

    residents: list[ResidentModel]
    events: list[HostEvent]


class ResidentModelInFull(ResidentModel):
    """A model in memory, and when it was used and leaves."""

    expires_at: AwareDatetime | None
    since: AwareDatetime | None
    used: AwareDatetime | None


class HostEventInFull(HostEvent):
    """Something that happened to a host or to a model on it."""

    model: str
    detail: str


class UnloadedModel(Schema):
    """A model that the arena itself unloaded."""

    at: AwareDatetime | None
    model: str
    reason: UnloadReason | None = Field(
        description="`makes_room`: for a model that an answer waits for. `not_ours`: others loaded it, it was idle, "
        "and a model of the arena needed its memory. `rotated`: battles are not drawn from it now. `degraded`, "
        "`offloaded`, `misread`: to load it again as it should be. `requested`: an operator asked for that. Null when "
        "a worker of an older version wrote it."
    )
    why: str = Field(description="The reason in words.")


class HostViewInFull(_Host):
    """A host as those who run the arena see it."""

    residents: list[ResidentModelInFull]
    events: list[HostEventInFull]
    unloads: list[UnloadedModel] = Field(description="The newest unloads by the arena itself, oldest first.")
    url: str
    why: str
    loading_model: str | None
    loading_for_s: float | None
    waiting: int
    running: int
    waiting_by_model: dict[str, int]
    running_by_model: dict[str, int]
    load_s: dict[str, float]
    answer_s: dict[str, float]
    tokens_per_s: dict[str, float]
    planned: list[str]
    allowed_models: list[str]
    warm_per_hour: int


class DoctorFinding(Schema):
    """Something that is wrong, why, and what to do."""

    code: str
    severity: Literal["error", "warning", "note"]
    subject: str
    cause: str
    remedy: str
    command: str | None


class _Hosts(Schema):
    waiting: int = Field(description="Answers that wait, on all hosts.")
    running: int = Field(description="Answers that are written, on all hosts.")


class PublicHosts(_Hosts):
    """All hosts, for everybody."""

    view: Literal["public"]
    hosts: list[HostView]


class DrawnPair(Schema):
    """How often two models were drawn for one battle."""

    models: list[str]
    drawn: int = Field(description="Within the last day.")
    share: float = Field(description="Of the draws of a pair from the present set; 0 outside of it.")


class RotationView(Schema):
    """The models that battles are drawn from now."""

    set_id: str
    sets: dict[str, list[str]] = Field(description="By host.")
    reserve: list[str] = Field(description="The other models, as they enter battles for which the set is too small.")
    since: AwareDatetime | None
    earliest: AwareDatetime | None = Field(description="No model is exchanged before.")
    latest: AwareDatetime | None = Field(description="One is exchanged then, if anybody plays.")
    probability: float = Field(description="Of this set, given the one before.")
    came: str
    went: list[str]
    why: str
    battles: int = Field(description="Drawn from this set.")
    drawn: dict[str, int] = Field(description="How often each model was drawn beside another within the last day.")
    pairs: list[DrawnPair]
    without_load: float | None = Field(description="The share of all ended battles that waited for no load.")


class FullHosts(_Hosts):
    """All hosts, for those who run the arena."""

    view: Literal["full"]
    hosts: list[HostViewInFull]
    findings: list[DoctorFinding]
    rotation: RotationView | None = Field(description="Null where contestants are drawn uniformly.")


class Hosts(RootModel[PublicHosts | FullHosts]):
    """All hosts; ``view`` says how much is shown."""

    root: PublicHosts | FullHosts = Field(discriminator="view")


class Contender(Schema):
    """A model that can be drawn."""

    model: str
    hosts: list[str]
    resident_on: list[str]
    size_bytes: int
    digest: str
    quantization: str
    capabilities: list[str]
    same_everywhere: bool = Field(description="False when hosts have different files under its name.")


class MissingModel(Schema):
    """A configured model that is not drawn: no host has it, or another is the same under a second name."""

    model: str
    suggestion: str | None
    remedy: str


class ContenderList(Schema):
    """The models that can be drawn, and those that are configured and not drawn."""

    models: list[Contender]
    missing: list[MissingModel]


class WarmingModels(Schema):
    """The models that were asked for; each host decides whether it loads them."""

    warming: list[str]
