"""What a host should do next: a pure function of what is in its memory and who waits.

The rules, in the order in which they bind:

1. A model with answers being written is never unloaded, and nothing is loaded that would push it out.
2. One model is loaded at a time, and nothing is loaded while another is still leaving.
3. No model writes more answers at once than it has slots.
4. Who waits is served by class (what a viewer waits for, then prefetch, then batches), first come first served
   within it. For every ``patience`` that a job has waited it counts as one class more urgent.
5. Jobs whose model is in memory start at once. They may pass older ones whose model isn't, for at most
   ``patience``: then the models that have to go get no new answers until they are idle, unless they came
   themselves less than ``patience`` ago (or two models would push each other out all the time). So a job waits
   behind others for at most ``patience``, an answer that drains and a change of models, once for each absent model
   with an older job.
6. A model that has to go is idle; among those the least recently used goes first, a pinned one last. Prefetch and
   batches never push out a model that a viewer waits for, a pinned one only once they count as his, and never make one
   stop.
7. When nobody waits, prewarm requests are granted, one at a time: a model that should be in memory is loaded if it
   fits beside the others, or in the place of idle ones that others loaded; one that is there as it should not be is
   unloaded, to be loaded anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from app.scheduling.job import Job, Priority
from app.scheduling.planning.budget import Budget


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory: its size, when it came and when it was given an answer last (Unix time in seconds)."""

    model: str
    size_bytes: int = 0
    since: float = 0.0
    used: float = 0.0


@dataclass(frozen=True, slots=True)
class View:
    """All that a plan depends on. Models are compared as they are written; ``sizes`` predicts those not in memory.

    ``leaving`` are models that are being unloaded and are still there; they are no longer among ``residents`` for
    starts, but their memory isn't free, so nothing is loaded meanwhile. ``prewarm`` are models that should be in memory
    and are not, or not as they should be, the most wanted first. ``foreign`` are residents that others loaded,
    ``pins`` models that should stay.
    """

    now: float
    residents: tuple[Resident, ...] = ()
    waiting: tuple[Job, ...] = ()
    in_flight: Mapping[str, int] = field(default_factory=dict)
    loading: str | None = None
    loading_since: float = 0.0
    leaving: frozenset[str] = frozenset()
    slots: int = 1
    sizes: Mapping[str, int] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    patience: timedelta = timedelta(seconds=30)
    prewarm: tuple[str, ...] = ()
    foreign: frozenset[str] = frozenset()
    pins: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Start:
    """Let the model of ``job``, which is in memory and has a free slot, write the answer."""

    job: Job


@dataclass(frozen=True, slots=True)
class Load:
    """Bring ``model`` into memory; it fits. ``prewarm``: nobody waits for it yet."""

    model: str
    prewarm: bool = False


UnloadReason = Literal["makes_room", "not_ours", "degraded", "offloaded"]

UNLOAD_REASONS: Mapping[UnloadReason, str] = {
    "makes_room": "to make room for {model}, for which somebody waits",
    "not_ours": "loaded by others and idle; to make room for {model}",
    "degraded": "to be loaded anew: it is not in memory as it should be",
    "offloaded": "to be loaded anew: a part of it is on the CPU",
}


@dataclass(frozen=True, slots=True)
class Unload:
    """Send ``model``, which is idle, out of memory; ``for_model`` is what is loaded next."""

    model: str
    reason: UnloadReason = "makes_room"
    for_model: str = field(default="", compare=False)

    @property
    def why(self) -> str:
        """The reason in words, for the log and the host's report."""
        return UNLOAD_REASONS[self.reason].format(model=self.for_model)


Action = Start | Load | Unload


def plan(view: View) -> list[Action]:
    """Return what to do now, starts first; an empty list means: wait until something changes."""
    waiting = in_order(view)
    closed = _closed(view, waiting)
    starts = _starts(view, waiting, closed)
    busy = {model for model, count in view.in_flight.items() if count} | {start.job.model for start in starts}
    if not waiting:
        return _prewarmed(view, busy)
    return [*starts, *_change_of_models(view, waiting, busy)]


def in_order(view: View) -> tuple[Job, ...]:
    """Who waits, the next one first: by class (raised by age), then by time."""
    return tuple(sorted(view.waiting, key=lambda job: (_class(view, job), job.enqueued_at, job.id)))


def _class(view: View, job: Job) -> int:
    """The class of a job, raised by one for every ``patience`` that it has waited."""
    patience = view.patience.total_seconds()
    raised = int(max(view.now - job.enqueued_at, 0.0) / patience) if patience > 0 else 0
    return max(job.priority - raised, Priority.INTERACTIVE)


def _starts(view: View, waiting: tuple[Job, ...], closed: frozenset[str]) -> list[Start]:
    free = {
        resident.model: view.slots - view.in_flight.get(resident.model, 0)
        for resident in view.residents
        if resident.model not in view.leaving and resident.model not in closed
    }
    starts = []
    for job in waiting:
        if free.get(job.model, 0) > 0:
            free[job.model] -= 1
            starts.append(Start(job))
    return starts


def _closed(view: View, waiting: tuple[Job, ...]) -> frozenset[str]:
    """The models that get no new answers, because one that waited too long needs their memory."""
    if _is_changing(view):
        return frozenset()
    patience = view.patience.total_seconds()
    for job in _absent(view, waiting):
        if job.priority is not Priority.INTERACTIVE or view.now - job.enqueued_at <= patience:
            continue
        # Idle ones first: then perhaps nobody has to stop.
        evictable = (r for r in view.residents if not _wanted(view, r.model) or view.now - r.since >= patience)
        order = sorted(evictable, key=lambda r: (r.model in view.pins, _wanted(view, r.model), r.used, r.model))
        victims = _victims(view, job.model, order)
        return frozenset() if victims is None else frozenset(victim.model for victim in victims)
    return frozenset()


def _wanted(view: View, model: str) -> bool:
    return view.in_flight.get(model, 0) > 0 or any(job.model == model for job in view.waiting)


def _change_of_models(view: View, waiting: tuple[Job, ...], busy: set[str]) -> list[Action]:
    """At most one load, or the models that leave for it."""
    if _is_changing(view):
        return []
    viewers = {job.model for job in waiting if job.priority is Priority.INTERACTIVE}
    held_up: Job | None = None
    for job in _absent(view, waiting):
        if held_up is not None and job.priority > held_up.priority:
            continue  # its load would only delay the one that is held up
        idle = [] if held_up is not None else _making_way(view, job, busy, viewers)
        victims = _victims(view, job.model, idle)
        if victims is not None:
            return [Unload(victim.model, for_model=job.model) for victim in victims] or [Load(job.model)]
        if job.priority is Priority.INTERACTIVE and held_up is None:
            held_up = job
    return []


def _is_changing(view: View) -> bool:
    """Whether a model is coming or going: one change at a time."""
    return view.loading is not None or bool(view.leaving)


def _absent(view: View, waiting: tuple[Job, ...]) -> list[Job]:
    """The jobs whose model is not in memory, in the order of ``waiting``."""
    present = {resident.model for resident in view.residents}
    return [job for job in waiting if job.model not in present]


def _making_way(view: View, job: Job, busy: set[str], viewers: set[str]) -> list[Resident]:
    """The idle residents that may be unloaded for ``job``, the first to go first."""
    kept = busy if job.priority is Priority.INTERACTIVE else busy | viewers
    if _class(view, job) > Priority.INTERACTIVE:
        kept = kept | view.pins
    idle = (resident for resident in view.residents if resident.model not in kept)
    return sorted(idle, key=lambda r: (r.model in view.pins, r.model in viewers, r.used, r.model))


def _prewarmed(view: View, busy: set[str]) -> list[Action]:
    """The first prewarm request that can be granted while nobody waits."""
    if _is_changing(view):
        return []
    present = {resident.model for resident in view.residents}
    foreign = sorted(
        (r for r in view.residents if r.model in view.foreign and r.model not in busy),
        key=lambda r: (r.used, r.model),
    )
    for model in view.prewarm:
        if model in present:
            if model not in busy:
                return [Unload(model, "degraded", model)]
            continue
        victims = _victims(view, model, foreign)
        if victims is not None:
            return [Unload(victim.model, "not_ours", model) for victim in victims] or [Load(model, prewarm=True)]
    return []


def _victims(view: View, model: str, candidates: list[Resident]) -> list[Resident] | None:
    """The fewest of ``candidates``, taken in their order, that make room for ``model``; None: not even all do."""
    size = view.sizes.get(model, 0)
    gone: list[Resident] = []
    if not _fits(view, size, gone):
        for candidate in candidates:
            gone.append(candidate)
            if _fits(view, size, gone):
                break
        else:
            return None
    # One that was taken early may turn out to be too small to matter.
    for candidate in list(gone):
        rest = [other for other in gone if other is not candidate]
        if _fits(view, size, rest):
            gone = rest
    return gone


def _fits(view: View, size: int, gone: list[Resident]) -> bool:
    return view.budget.takes((r.size_bytes for r in view.residents if r not in gone), size)
