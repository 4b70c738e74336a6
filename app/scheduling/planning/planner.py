"""What a host should do next: a pure function of what is in its memory and who waits.

The rules, in the order in which they bind:

1. A model with answers being written is never unloaded, and nothing is loaded that would push it out. 2. One model is
loaded at a time, and nothing is loaded while another is still leaving, or is coming back by itself because
   the server pushed it out under an answer.
3. No model writes more answers at once than it has slots.
4. Who waits is served by class (what a viewer waits for, then prefetch, then batches), first come first served
   within it. For every ``View.late_s`` that a job has waited it counts as one class more urgent; one of a batch never
   counts as a viewer's.
5. Jobs whose model is in memory start at once. They may pass older ones whose model isn't, until that has become as
dear
   as a change of models: a resident gets no new answers once those who wait for an absent one have waited, since the
   resident came, together for what it costs to bring it times the number that wait for the resident ("rent or buy":
   what waiting costs never exceeds what the change would). And it gets none once one of them is late, if it has been
   there for as long as a change takes, or models would push each other out all the time.
6. A model that has to go is idle; which one, ``victims`` tells: a pinned one last. Prefetch and
   batches never push out a model that a viewer waits for, a pinned one only once they count as his, and never make one
   stop.
7. When nobody waits, prewarm requests are granted, one at a time: a model that should be in memory is loaded if it
   fits beside the others, or in the place of idle ones that others loaded; one that is there as it should not be is
   unloaded, to be loaded anew. When nobody has waited for long, and the server's belief of what is free keeps models
   out that would fit, all leave, to be loaded anew.
8. Where battles are drawn from some models only (the rotation), the others leave first: while they would make room, no
   model of the rotation does. They are loaded again only for answers that wait for them. What comes into the rotation
   is loaded at once if it fits, also while others answer and are waited for.
9. What operators ask for is done where it is in nobody's way: a model leaves if it is idle and nobody waits for it; one
   is loaded, in the place of such models if it has to be, while nobody waits for a model that is not there. It stays
   until an answer needs its place, or its request is over.
10. An answer without a battle begins when no battle's is being written or waited for, or after ``DIRECT_WAITS_S``. On
   one card it would slow them down by its share of it, however few its slots.
11. While a viewer waits or anything but batches is being written, no call of a batch begins and nothing is loaded for
   one; unless it has waited for ``PATIENT_S`` and no viewer waits, then one at a time may. A model that only batches
   use stops for a viewer's at once. For ``QUIET_S`` after anything else was begun a batch has one call at a time. So
   people wait for the batch calls that are running, mostly one, and for no other.

What a change costs is measured on each host and kept; seconds are only in rules 10 and 11, which are about people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.scheduling.job import Job, Priority
from app.scheduling.planning.victims import order_of_leaving, outdated, who_leaves
from app.scheduling.planning.view import Resident, View

__all__ = ["Action", "Load", "Resident", "Start", "Unload", "UnloadReason", "View", "in_order", "plan"]


@dataclass(frozen=True, slots=True)
class Start:
    """Let the model of ``job``, which is in memory and has a free slot, write the answer."""

    job: Job


@dataclass(frozen=True, slots=True)
class Load:
    """Bring ``model`` into memory; it fits. ``prewarm``: nobody waits for it yet."""

    model: str
    prewarm: bool = False


UnloadReason = Literal["makes_room", "not_ours", "rotated", "degraded", "offloaded", "misread", "requested"]

UNLOAD_REASONS: Mapping[UnloadReason, str] = {
    "makes_room": "to make room for {model}, for which somebody waits",
    "not_ours": "loaded by others and idle; to make room for {model}",
    "rotated": "battles are not drawn from it now; to make room for {model}, which they are",
    "degraded": "to be loaded anew: it is not in memory as it should be",
    "offloaded": "to be loaded anew: a part of it is on the CPU",
    "misread": "to be loaded anew: the server does not see what is free on its card while a model is loaded",
    "requested": "an operator asked for that",
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

PATIENT_S = 600.0
"""For so long a call of a batch lets all else go first; then one at a time may go, so that a run goes on anywhere."""

DIRECT_WAITS_S = 10.0
"""So long an answer without a battle waits for a gap: of 3, 5, 7 and 10 s what keeps battles within 1.2 times as long
(docs/decisions/0034)."""

QUIET_S = 120.0
"""For so long after people's answers a batch has one call at a time: about as long as a visitor reads and asks again.
With it battles take 1.18 times as long (docs/performance.md)."""


def plan(view: View) -> list[Action]:
    """Return what to do now, starts first; an empty list means: wait until something changes."""
    waiting = in_order(view)
    closed, _ = closing(view)
    starts = _starts(view, waiting, closed)
    busy = {model for model, count in view.in_flight.items() if count} | {start.job.model for start in starts}
    if not waiting:
        return _requested(view, waiting, busy) or _prewarmed(view, busy)
    change = _change_of_models(view, waiting, busy) or _requested(view, waiting, busy)
    return [*starts, *(change or _next_of_rotation(view, busy))]


def in_order(view: View) -> tuple[Job, ...]:
    """Who waits, the next one first: by class (raised by age), then by time."""
    if len(view.waiting) < 2:
        return view.waiting
    late_s = view.late_s
    return tuple(sorted(view.waiting, key=lambda job: (_class(view, job, late_s), job.enqueued_at, job.id)))


def _class(view: View, job: Job, late_s: float) -> int:
    """The class of a job, raised by one for every ``late_s`` that it has waited."""
    highest = Priority.PREFETCH if job.priority is Priority.BATCH else Priority.INTERACTIVE
    return max(job.priority - _raised(view, job, late_s), highest)


def _raised(view: View, job: Job, late_s: float) -> int:
    """By how many classes a job counts as more urgent."""
    return int(max(view.now - job.enqueued_at, 0.0) / late_s) if late_s > 0 else 0


def _may_begin(view: View, job: Job, begun: int = 0) -> bool:
    """Whether it is the turn of ``job``; one of a batch lets all others go first. ``begun`` of batches begin now."""
    if job.priority is Priority.DIRECT:
        return _may_begin_direct(view, job)
    if job.priority is not Priority.BATCH:
        return True
    if view.viewers:
        return False
    batch = sum(view.batch.values())
    if sum(view.in_flight.values()) == batch:
        return batch + begun == 0 or view.now - view.people_at >= QUIET_S
    return view.now - job.enqueued_at >= PATIENT_S and batch + begun == 0


def _may_begin_direct(view: View, job: Job) -> bool:
    """Whether an answer without a battle begins now: in a gap between those of battles, or once it has waited."""
    return not (view.battles or view.viewers) or view.now - job.enqueued_at >= DIRECT_WAITS_S


def _starts(view: View, waiting: tuple[Job, ...], closed: frozenset[str]) -> list[Start]:
    free = {
        resident.model: view.slots - view.in_flight.get(resident.model, 0)
        for resident in view.residents
        if resident.model not in view.leaving and resident.model not in closed
    }
    starts: list[Start] = []
    others = 0
    for job in waiting:
        is_batch = job.priority is Priority.BATCH
        if free.get(job.model, 0) > 0 and not (is_batch and others) and _may_begin(view, job, len(starts)):
            free[job.model] -= 1
            others += not is_batch
            starts.append(Start(job))
    return starts


def closing(view: View) -> tuple[frozenset[str], str | None]:
    """The models that get no new answers, and the one for which they have to go; rule 5."""
    if view.is_changing or not view.absent(view.waiting):
        return frozenset(), None
    viewers = [job for job in in_order(view) if job.priority is Priority.INTERACTIVE]
    queued = view.viewers
    for model in dict.fromkeys(job.model for job in view.absent(tuple(viewers))):
        came = [job.enqueued_at for job in viewers if job.model == model]
        may = [
            resident
            for resident in _in_the_way(view, model)
            if _may_close(view, resident, model, came, queued[resident.model])
        ]
        leaving = who_leaves(view, model, order_of_leaving(view, may))
        if leaving is not None:
            return frozenset(resident.model for resident in leaving), model
    return frozenset(), None


def _may_close(view: View, resident: Resident, model: str, came: list[float], queued: int) -> bool:
    """Whether those who came at ``came`` and wait for ``model`` have waited enough for ``resident`` to stop."""
    cost_s, now = view.cost_s(model), view.now
    if not queued and view.in_flight.get(resident.model, 0) == view.batch.get(resident.model, 0):
        return True
    rent_s = sum(max(now - max(at, resident.since), 0.0) for at in came)
    late = now - min(came) >= view.late_s and now - resident.since >= cost_s
    return late or rent_s >= cost_s * max(queued, 1)


def _change_of_models(view: View, waiting: tuple[Job, ...], busy: set[str]) -> list[Action]:
    """At most one load, or the models that leave for it."""
    if view.is_changing:
        return []
    viewers = set(view.viewers)
    held_up: Job | None = None
    for job in view.absent(waiting):
        if (held_up is not None and job.priority > held_up.priority) or not _may_begin(view, job):
            continue  # its load would only delay the one that is held up, or is about to be
        idle = [] if held_up is not None else _making_way(view, job, busy, viewers)
        leaving = who_leaves(view, job.model, idle)
        if leaving is not None:
            return [Unload(victim.model, for_model=job.model) for victim in leaving] or [Load(job.model)]
        if job.priority is Priority.INTERACTIVE and held_up is None:
            held_up = job
    return []


def _making_way(view: View, job: Job, busy: set[str], viewers: set[str]) -> list[Resident]:
    """The idle residents that may be unloaded for ``job``, the first to go first."""
    kept = busy if job.priority is Priority.INTERACTIVE else busy | viewers
    if job.priority - _raised(view, job, view.late_s) > Priority.INTERACTIVE:
        kept = kept | view.pins
    return order_of_leaving(view, [one for one in _in_the_way(view, job.model) if one.model not in kept])


def _in_the_way(view: View, model: str) -> list[Resident]:
    """Who may have to leave for ``model``: those that battles are no longer drawn from, if they make room; rule 8."""
    out = view.rotated_out(view.residents)
    return out if out and who_leaves(view, model, order_of_leaving(view, out)) is not None else list(view.residents)


def _requested(view: View, waiting: tuple[Job, ...], busy: set[str]) -> list[Action]:
    """What an operator asked for, as far as it is in nobody's way; rule 9."""
    if view.is_changing:
        return []
    kept = busy | {job.model for job in waiting}
    leaving = next((model for model in view.to_unload if model in view.present - kept), None)
    if leaving is not None:
        return [Unload(leaving, "requested")]
    if any(job.priority is not Priority.BATCH for job in view.absent(waiting)):
        return []
    if not view.to_load:
        return []
    idle = order_of_leaving(view, [one for one in view.residents if one.model not in kept.union(view.to_load)])
    for model in view.to_load:
        room = None if model in view.present else who_leaves(view, model, idle)
        if room is not None:
            return [Unload(victim.model, for_model=model) for victim in room] or [Load(model, prewarm=True)]
    return []


def _next_of_rotation(view: View, busy: set[str]) -> list[Action]:
    """Load what is to be drawn from while others answer and are waited for, if all of these are there and stay."""
    if view.is_changing or view.absent(view.waiting):
        return []
    asked = busy.union(view.to_load, (job.model for job in view.waiting))
    idle = order_of_leaving(view, [one for one in view.rotated_out(view.residents) if one.model not in asked])
    for model in view.prewarm:
        leaving = who_leaves(view, model, idle) if model in view.rotation - view.present else None
        if leaving is not None:
            return [Unload(victim.model, "rotated", model) for victim in leaving] or [Load(model, prewarm=True)]
    return []


def _prewarmed(view: View, busy: set[str]) -> list[Action]:
    """The first prewarm request that can be granted while nobody waits."""
    if view.is_changing:
        return []
    present = view.present
    rotated_out = {one.model for one in view.rotated_out(view.residents)}
    may_leave = (view.foreign | rotated_out) - busy.union(view.to_load)
    foreign = sorted(
        (r for r in view.residents if r.model in may_leave),
        key=lambda r: (r.used, r.model),
    )
    for model in view.prewarm:
        if model in present:
            if model not in busy:
                return [Unload(model, "degraded", model)]
            continue
        leaving = who_leaves(view, model, foreign)
        if leaving is not None:
            why: UnloadReason = "rotated" if all(one.model in rotated_out for one in leaving) else "not_ours"
            return [Unload(victim.model, why, model) for victim in leaving] or [Load(model, prewarm=True)]
    return [] if busy else _read_anew(view)


def _read_anew(view: View) -> list[Action]:
    """Unload all in a quiet moment, so that the server measures again what is free, if that would let models in."""
    used = max([resident.used for resident in view.residents], default=view.now)
    if view.foreign or view.now - used < view.late_s * len(view.residents):
        return []
    return [Unload(resident.model, "misread") for resident in outdated(view)]
