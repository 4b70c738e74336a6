"""Checks of what fits: the models on the cards, and the server's settings as far as they show. Pure.

Ollama reports neither OLLAMA_MAX_LOADED_MODELS nor OLLAMA_NUM_PARALLEL. The first shows when a load evicts a model
though the card has room; the second shows in the times of past answers (``app.doctor.checks.slots``) and, less surely,
in a size that is too small for the caches of so many slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.doctor.checks.fit_table import OLLAMAS_MAX_MODELS, FitTable, Sized, fits, largest_context, spread, table
from app.doctor.checks.recent import recent
from app.doctor.checks.slots import slots_seen
from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import Observation, ObservedHost
from app.doctor.texts import capacity as texts
from app.doctor.texts.commands import environment
from app.hosts.names import same_model

ONE_SLOT = frozenset((
    "mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe",
    "nemotron_h", "nemotron_h_moe", "nemotron_h_omni",
))  # fmt: skip
"""Families of which Ollama runs one answer at a time, whatever OLLAMA_NUM_PARALLEL says (server/sched.go)."""

_SURELY_CACHE = 0.6
"""A resident whose memory beyond its weights is less than this share of its slots' caches has fewer slots."""


def tables(seen: Observation) -> tuple[FitTable, ...]:
    """For each host whose card is configured, its contestants against it."""
    return tuple(
        table(host.host.name, host.host.memory_bytes, _sized(host, seen))
        for host in seen.hosts
        if host.reach == "ollama" and host.host.memory_bytes is not None and seen.contestants[host.host.name]
    )


def on_capacity(seen: Observation) -> Iterator[Finding]:
    """What keeps the contestants from being in memory, all of them, at full speed."""
    all_fit = _all_fit_somewhere(seen)
    by_host = {one.host: one for one in tables(seen)}
    for host in seen.hosts:
        if host.reach != "ollama":
            continue
        weighed = by_host.get(host.host.name)
        if weighed is not None:
            yield from _too_large(weighed)
            yield from _pins(seen, weighed)
        if not host.host.fallback:  # a fallback isn't kept warm
            if weighed is not None and not all_fit:
                yield from _set(host, seen, weighed)
            yield from _max_loaded(host, seen, weighed, all_fit=all_fit)
        if host.host.num_parallel > 1:
            yield from _parallel(host, seen)


def _sized(host: ObservedHost, seen: Observation) -> list[Sized]:
    sized = []
    for model in seen.contestants[host.host.name]:
        options, installed = seen.options(model), host.installed_as(model)
        shape = host.shape(model)
        parallel = 1 if shape.family in ONE_SLOT else host.host.num_parallel
        size = installed.size_bytes if installed else 0
        sized.append(Sized(model, size, options.num_ctx, parallel, shape, "num_batch" in options.extra))
    return sized


def _all_fit_somewhere(seen: Observation) -> bool:
    """Whether every contestant finds room on some host at the same time."""
    own = [host for host in seen.hosts if not host.host.fallback]
    sizes = {host.host.name: {one.model: one for one in _sized(host, seen)} for host in own}
    cards = {host.host.name: host.host.memory_bytes for host in seen.hosts}
    most = {host.host.name: _most(host, seen) for host in seen.hosts}
    return spread(sizes, cards, most)


def _most(host: ObservedHost, seen: Observation) -> int:
    """How many models the host holds at once: as its driver has learned, else as configured, else Ollama's default."""
    report = seen.reports.get(host.host.name)
    if report is not None and report.max_models is not None:
        return report.max_models
    return host.host.max_loaded or OLLAMAS_MAX_MODELS


def _all_resident(host: ObservedHost, seen: Observation) -> bool:
    """Whether the whole set is on the card now: what is observed counts for more than what is predicted."""
    whole = [one.name for one in host.loaded if 0 < one.size_bytes <= one.vram_bytes]
    return all(any(same_model(name, model) for name in whole) for model in seen.contestants[host.host.name])


def _severity(host: ObservedHost, seen: Observation) -> Severity:
    """Models that nobody named need not all fit: then it is a note."""
    return "warning" if seen.settings.arena_models or host.host.models else "note"


def _too_large(weighed: FitTable) -> Iterator[Finding]:
    for row in weighed.rows:
        if row.least_bytes > weighed.memory_bytes:
            yield texts.model_too_large(
                row.model,
                weighed.host,
                num_ctx=row.num_ctx,
                least_bytes=row.least_bytes,
                memory_bytes=weighed.memory_bytes,
                fitting_ctx=largest_context([row], weighed.memory_bytes),
            )


def _pins(seen: Observation, weighed: FitTable) -> Iterator[Finding]:
    pinned = [row.name for row in seen.settings.models if row.pin]
    rows = [row for row in weighed.rows if any(same_model(row.model, name) for name in pinned)]
    if len(rows) > 1 and not fits(rows, weighed.memory_bytes):
        models = [row.model for row in rows]
        yield texts.pins_do_not_fit(
            weighed.host, models, total_bytes=sum(row.least_bytes for row in rows), memory_bytes=weighed.memory_bytes
        )


def _set(host: ObservedHost, seen: Observation, weighed: FitTable) -> Iterator[Finding]:
    if weighed.fits or _all_resident(host, seen):
        return
    if len(weighed.rows) == 1 and weighed.total_bytes > weighed.memory_bytes:
        return  # which is model_too_large
    yield texts.set_does_not_fit(
        weighed.host,
        _severity(host, seen),
        [(row.model, row.least_bytes) for row in weighed.rows],
        weighed.memory_bytes,
        drop=weighed.drop,
        num_ctx=weighed.num_ctx,
        loads_s=seen.loads_s(weighed.host),
        command=_smaller_set(seen, weighed),
    )


def _smaller_set(seen: Observation, weighed: FitTable) -> str:
    """The command that makes the set fit; empty when there is none."""
    if weighed.num_ctx:
        return environment("ARENA_NUM_CTX", str(weighed.num_ctx))
    left = [model for model in seen.catalog.models if model not in weighed.drop]
    return environment("ARENA_MODELS", ",".join(left)) if weighed.drop else ""


def _max_loaded(host: ObservedHost, seen: Observation, weighed: FitTable | None, *, all_fit: bool) -> Iterator[Finding]:
    """Fewer models are assumed to fit than battles use, though the card (as far as known) would hold them."""
    if (weighed is not None and not weighed.fits) or _all_resident(host, seen):
        return
    name, wanted = host.host.name, len(seen.contestants[host.host.name])
    evictions = [event for event in recent(seen, name) if event.kind == "pushed_out"]
    if not evictions and (all_fit or wanted <= _most(host, seen)):
        return
    evicted = list(dict.fromkeys(event.model for event in evictions if event.model))
    why = texts.because_a_load_evicted(evicted, _most(host, seen)) if evictions else _why_so_few(host, seen)
    severity = "warning" if evictions else _severity(host, seen)
    yield texts.max_loaded_too_small(name, severity, wanted, why)


def _why_so_few(host: ObservedHost, seen: Observation) -> str:
    most, expected = _most(host, seen), host.host.max_loaded or OLLAMAS_MAX_MODELS
    if most < expected:
        return texts.because_fewer_fit(expected, most)
    return texts.because_so_many_stay(most, configured=host.host.max_loaded is not None)


def _parallel(host: ObservedHost, seen: Observation) -> Iterator[Finding]:
    """Fewer slots than configured: for the model's family, by the times of answers, or by sizes in memory."""
    models = seen.contestants[host.host.name]
    single = [model for model in models if host.shape(model).family in ONE_SLOT]
    yield from (texts.one_slot_family(model, host) for model in single)
    timed = [one for one in slots_seen(seen.answers_of(host.host.name)) if one.model not in single]
    for slots in timed:
        yield texts.num_parallel_too_large(
            host, slots.model, under_way=slots.under_way, writing=slots.writing, waited=slots.waited
        )
    known = {*single, *(slots.model for slots in timed)}
    yield from _parallel_by_size(host, [one for one in _sized(host, seen) if one.model not in known])


def _parallel_by_size(host: ObservedHost, sized: Sequence[Sized]) -> Iterator[Finding]:
    for loaded in host.loaded:
        found = next((one for one in sized if same_model(one.model, loaded.name)), None)
        if found is None or not found.shape.known or loaded.size_bytes <= 0:
            continue
        row = found.at(loaded.context_length or 1)
        if loaded.size_bytes - 0.9 * row.file_bytes < _SURELY_CACHE * row.cache_bytes:
            yield texts.num_parallel_too_large_by_size(host, row.model, loaded, row.cache_bytes)
