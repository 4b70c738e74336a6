"""Checks of the models in memory: on the CPU, with another context, about to expire, stuck. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from app.backends.base import LoadedModel
from app.doctor.checks.capacity import tables
from app.doctor.checks.fit_table import FitTable
from app.doctor.checks.recent import recent
from app.doctor.finding import Finding
from app.doctor.probing.observation import Observation, ObservedHost, key
from app.doctor.texts import residents as texts
from app.hosts.names import same_model

DEFAULT_CONTEXTS = (32768, 262144)
"""Ollama's context when a request names no num_ctx, by the sum of its cards: from 23 GiB on, from 47 GiB on."""

SOON = timedelta(minutes=10)
STUCK = timedelta(seconds=60)
SHORT = timedelta(minutes=15)
"""With a shorter keep_alive, models are unloaded between two visitors."""

_IDLE_S = 120.0


def on_residents(seen: Observation) -> Iterator[Finding]:
    """What is wrong with the models in memory."""
    keep_alive = seen.settings.arena_keep_alive
    if keep_alive < SHORT and any(not host.host.scale_to_zero for host in seen.hosts):
        yield texts.keep_alive_too_short(keep_alive, seen.loads_s())
    for host in seen.hosts:
        if not host.answers:
            continue
        yield from _processors(host, seen)
        for resident in host.loaded:
            model = next((one for one in seen.contestants[host.host.name] if same_model(one, resident.name)), None)
            if model is not None:
                yield from _context(host, seen, model, resident)
        if not host.host.scale_to_zero and keep_alive >= SHORT:
            yield from _expiring(host, seen)


def _processors(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    sized = [one for one in host.loaded if one.size_bytes > 0]
    on_cpu = [one for one in sized if one.vram_bytes == 0]
    others_on_card = len(on_cpu) < len(sized)
    if on_cpu and host.host.memory_bytes is None and not others_on_card:
        yield texts.host_on_cpu(host)
        return
    for one in on_cpu:
        yield texts.model_on_cpu_beside_others(host, one) if others_on_card else texts.model_on_cpu(host, one)
    for one in sized:
        if 0 < one.vram_bytes < one.size_bytes:
            yield texts.model_partly_offloaded(host, one, _why_offloaded(host, seen, one))


def _why_offloaded(host: ObservedHost, seen: Observation, model: LoadedModel) -> str:
    weighed = next((one for one in tables(seen) if one.host == host.host.name), None)
    others = [one.name for one in host.loaded if one is not model]
    return _by_the_table(model, weighed, others) or texts.because_the_card_was_full(model.context_length)


def _by_the_table(model: LoadedModel, weighed: FitTable | None, others: list[str]) -> str:
    """What the prediction for the model explains; empty when it explains nothing."""
    row = next((row for row in weighed.rows if same_model(row.model, model.name)), None) if weighed else None
    if weighed is None or row is None:
        return ""
    if model.context_length and model.context_length > row.num_ctx:
        return texts.because_of_another_context(model.context_length, row.num_ctx)
    if model.context_length == row.num_ctx and row.least_bytes > weighed.memory_bytes:
        return texts.because_it_is_too_large(row.least_bytes, weighed.memory_bytes)
    return texts.because_it_shares_the_card(others) if others else ""


def _context(host: ObservedHost, seen: Observation, model: str, resident: LoadedModel) -> Iterator[Finding]:
    wanted, found = seen.options(model).num_ctx, resident.context_length
    trained = host.shape(model).trained_ctx
    if found is None or found == wanted or found == trained < wanted:
        return
    if found < wanted:
        yield texts.context_shrunk(host, model, found=found, wanted=wanted)
    elif found in (*DEFAULT_CONTEXTS, trained):
        yield texts.default_context_too_large(host, model, found=found, wanted=wanted)


def _expiring(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    """Contestants that expire soon though the arena asked for much more, and those that should have left."""
    left = _seconds_left(host, seen)
    busy = _busy(host, seen)
    stuck = [name for name, seconds in left.items() if seconds < -STUCK.total_seconds() and key(name) not in busy]
    yield from (texts.model_stuck(host, name, -left[name]) for name in stuck)
    keep_alive = seen.settings.arena_keep_alive
    near_s = min(SOON, keep_alive / 10).total_seconds()
    soon = [name for name, seconds in left.items() if seconds < near_s and name not in stuck]
    expired = [event.model for event in recent(seen, host.host.name) if event.kind == "expired" and event.model]
    if soon or expired:
        models = list(dict.fromkeys([*soon, *expired]))
        shortest = min((left[name] for name in soon), default=None)
        yield texts.keep_alive_too_short_on_host(host, models, keep_alive, shortest)


def _busy(host: ObservedHost, seen: Observation) -> set[str]:
    """The models that are writing answers, by canonical name."""
    report = seen.reports.get(host.host.name)
    return {key(model) for model, count in report.running_by_model.items() if count} if report is not None else set()


def _seconds_left(host: ObservedHost, seen: Observation) -> dict[str, float]:
    """By contestant, until it expires; without those that simply were not used for a whole keep_alive."""
    report, keep_s = seen.reports.get(host.host.name), seen.settings.arena_keep_alive.total_seconds()
    used = {key(one.model): one.used for one in report.residents} if report is not None else {}
    left = {}
    for resident in host.loaded:
        ours = any(same_model(resident.name, model) for model in seen.contestants[host.host.name])
        expires_at = seen.expires_at(host, resident)
        if not ours or expires_at is None:
            continue
        as_asked = used.get(key(resident.name), 0.0) + keep_s
        if abs(expires_at - as_asked) > _IDLE_S:
            left[resident.name] = expires_at - seen.now
    return left
