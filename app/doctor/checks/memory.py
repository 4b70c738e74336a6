"""Findings about the card: what fits, what slipped to the CPU, and the server's settings as far as they show. Pure.

Ollama tells neither OLLAMA_MAX_LOADED_MODELS nor OLLAMA_NUM_PARALLEL. The first shows when models are pushed out though
the card has room, the second in the times of past answers (``app.doctor.checks.slots``) and, less surely, in a size
that has no room for the caches of so many slots.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.doctor.checks.finding import Finding, Severity
from app.doctor.checks.fit_table import GIB, OLLAMAS_MAX_MODELS, Sized, Table, fits, spread, table
from app.doctor.checks.recent import recent
from app.doctor.checks.slots import slots_seen
from app.doctor.probing.observation import HostSeen, Observation
from app.doctor.texts.commands import environment, server_setting
from app.hosts.names import same_model

ONE_SLOT = frozenset((
    "mllama", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen3next", "lfm2", "lfm2moe",
    "nemotron_h", "nemotron_h_moe", "nemotron_h_omni",
))  # fmt: skip
"""Families of which Ollama writes one answer at a time, whatever OLLAMA_NUM_PARALLEL says (server/sched.go)."""

_SURELY_CACHE = 0.6
"""A resident whose memory beyond its weights is less than this share of the caches of its slots has fewer slots."""


def tables(seen: Observation) -> tuple[Table, ...]:
    """For each host whose card is configured, its contestants against it."""
    return tuple(
        table(host.host.name, host.host.memory_bytes, _sized(host, seen))
        for host in seen.hosts
        if host.reach == "ollama" and host.host.memory_bytes is not None and seen.wished[host.host.name]
    )


def on_memory(seen: Observation) -> Iterator[Finding]:
    """What keeps the wished models from being in memory, all of them, at full speed."""
    together = _find_room(seen)
    by_host = {one.host: one for one in tables(seen)}
    for host in seen.hosts:
        if host.reach != "ollama":
            continue
        weighed = by_host.get(host.host.name)
        yield from _too_large(host, weighed)
        yield from _pins(seen, weighed)
        if not host.host.fallback:  # a fallback isn't kept warm
            yield from _set(host, seen, weighed) if not together else ()
            yield from _max_loaded(host, seen, weighed, together=together)
        yield from _parallel(host, seen)


def _sized(host: HostSeen, seen: Observation) -> list[Sized]:
    sized = []
    for model in seen.wished[host.host.name]:
        options, installed = seen.options(model), host.installed_as(model)
        shape = host.shape(model)
        parallel = 1 if shape.family in ONE_SLOT else host.host.num_parallel
        size = installed.size_bytes if installed else 0
        sized.append(Sized(model, size, options.num_ctx, parallel, shape, "num_batch" in options.extra))
    return sized


def _find_room(seen: Observation) -> bool:
    """Whether every contestant finds room on some host at the same time."""
    own = [host for host in seen.hosts if not host.host.fallback]
    sizes = {host.host.name: {one.model: one.predicted_bytes for one in _sized(host, seen)} for host in own}
    cards = {host.host.name: host.host.memory_bytes for host in seen.hosts}
    most = {host.host.name: _most(host, seen) for host in seen.hosts}
    return spread(sizes, cards, most)


def _most(host: HostSeen, seen: Observation) -> int:
    """How many models the host holds at once: as its driver has seen, else as configured, else Ollama's default."""
    report = seen.reports.get(host.host.name)
    if report is not None and report.max_models is not None:
        return report.max_models
    return host.host.max_loaded or OLLAMAS_MAX_MODELS


def _all_there(host: HostSeen, seen: Observation) -> bool:
    """Whether the whole set is in memory now, wholly on the card: what is seen is stronger than what is reckoned."""
    whole = [one.name for one in host.loaded if 0 < one.size_bytes <= one.vram_bytes]
    return all(any(same_model(name, model) for name in whole) for model in seen.wished[host.host.name])


def _too_large(host: HostSeen, weighed: Table | None) -> Iterator[Finding]:
    for row in weighed.rows if weighed else ():
        if row.predicted_bytes <= (weighed.memory_bytes if weighed else 0):
            continue
        name = host.host.name
        yield Finding(
            "model_too_large",
            "warning",
            f"{row.model} on {name}",
            f"alone, {row.model} takes {_gib(row.predicted_bytes)} at num_ctx {row.num_ctx} and the card has "
            f"{_gib(weighed.memory_bytes if weighed else 0)}: the rest runs on the CPU, ten times slower",
            "take it out of ARENA_MODELS, choose a smaller quantisation, or give it a smaller num_ctx in arena.toml",
            environment("ARENA_NUM_CTX", "4096") if row.num_ctx > 4096 else "",
        )


def _pins(seen: Observation, weighed: Table | None) -> Iterator[Finding]:
    pinned = [row.name for row in seen.settings.models if row.pin]
    rows = [row for row in weighed.rows if any(same_model(row.model, name) for name in pinned)] if weighed else []
    if weighed is not None and len(rows) > 1 and not fits((row.predicted_bytes for row in rows), weighed.memory_bytes):
        yield Finding(
            "pins_do_not_fit",
            "warning",
            weighed.host,
            f"{', '.join(row.model for row in rows)} are pinned and take "
            f"{_gib(sum(row.predicted_bytes for row in rows))} "
            f"together, too much for a card of {_gib(weighed.memory_bytes)}: they push each other out all the same",
            "pin fewer models (pin = true in [[models]])",
            "grep -n -B3 pin arena.toml",
        )


def _set(host: HostSeen, seen: Observation, weighed: Table | None) -> Iterator[Finding]:
    if weighed is None or weighed.fits or _all_there(host, seen):
        return
    if any(row.predicted_bytes > weighed.memory_bytes for row in weighed.rows) and len(weighed.rows) == 1:
        return
    sizes = ", ".join(f"{row.model} {_gib(row.predicted_bytes)}" for row in weighed.rows)
    choices = [f"drop {' and '.join(weighed.drop)}"] if weighed.drop else []
    choices += [f"set num_ctx to {weighed.num_ctx}, with which all fit"] if weighed.num_ctx else []
    yield Finding(
        "set_does_not_fit",
        "warning" if seen.settings.arena_models or host.host.models else "note",
        host.host.name,
        f"{sizes} together are {_gib(weighed.total_bytes)}, and a model goes beside others only if it takes at "
        "most 80 % "
        f"of what they leave of {_gib(weighed.memory_bytes)}: the arena swaps them, 7 to 40 s each time",
        " or ".join(choices) or "choose smaller models, or add a host",
        environment("ARENA_NUM_CTX", str(weighed.num_ctx)) if weighed.num_ctx else _without(seen, weighed.drop),
    )


def _without(seen: Observation, drop: tuple[str, ...]) -> str:
    left = [model for model in seen.catalog.models if model not in drop]
    return environment("ARENA_MODELS", ",".join(left)) if drop else ""


def _max_loaded(host: HostSeen, seen: Observation, weighed: Table | None, *, together: bool) -> Iterator[Finding]:
    """Fewer models are taken to fit than are wished, though the card (as far as known) would hold them."""
    name, wished = host.host.name, seen.wished[host.host.name]
    if (weighed is not None and not weighed.fits) or _all_there(host, seen):
        return
    pushed = [event for event in recent(seen, name) if event.kind == "pushed_out"]
    most = _most(host, seen)
    if len(wished) <= most and not pushed:
        return
    if together and not pushed:
        return
    told = host.host.max_loaded or OLLAMAS_MAX_MODELS
    if pushed:
        models = ", ".join(dict.fromkeys(event.model for event in pushed if event.model)) or "a model"
        why = f"a load pushed out {models}, which the arena did not plan; {most} are taken to fit now"
    elif most < told:
        why = f"{told} were expected to fit, and a load pushed another out: {most} are taken to fit now"
    else:
        why = (
            f"{most} stay loaded at once ({'as configured' if host.host.max_loaded else 'Ollama allows three a card'})"
        )
    yield Finding(
        "max_loaded_too_small",
        "warning" if pushed or seen.settings.arena_models or host.host.models else "note",
        name,
        f"{len(wished)} models are wished on {name}: {why}",
        f"set OLLAMA_MAX_LOADED_MODELS to {len(wished)} for the server and max_loaded = {len(wished)} in [[hosts]]; if "
        "models are still pushed out, the card is too small: drop one or lower num_ctx",
        server_setting("OLLAMA_MAX_LOADED_MODELS", str(len(wished))),
    )


def _parallel(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    told, name = host.host.num_parallel, host.host.name
    if told == 1:
        return
    single = [model for model in seen.wished[name] if host.shape(model).family in ONE_SLOT]
    for model in single:
        yield Finding(
            "one_slot_family",
            "warning",
            f"{model} on {name}",
            f"num_parallel is {told}, and of the family {host.shape(model).family} Ollama writes one answer at a time",
            f"reckon with waiting for {model}, or leave it out; other models are not concerned",
            "",
        )
    timed = [one for one in slots_seen(seen.answers_of(name)) if one.model not in single]
    for slots in timed:
        yield _fewer_slots(
            host,
            slots.model,
            f"num_parallel is {told}, but of up to {slots.under_way} answers that were sent at once only "
            f"{slots.writing} "
            f"were being written ({slots.waited} recent answers had their first token only after another's end)",
            "warning",
        )
    known = {slots.model for slots in timed}
    for resident in host.loaded:
        model = next((one for one in seen.wished[name] if same_model(one, resident.name)), "")
        if not model or model in single or model in known:
            continue
        row = next(one for one in _sized(host, seen) if one.model == model).at(resident.context_length or 1)
        beyond = resident.size_bytes - 0.9 * row.file_bytes
        if row.shape.known and resident.size_bytes > 0 and beyond < _SURELY_CACHE * row.cache_bytes:
            yield _fewer_slots(
                host,
                model,
                f"num_parallel is {told}, but {model} takes {_gib(resident.size_bytes)}, too little for the caches of "
                f"{told} slots ({_gib(row.cache_bytes)}), unless OLLAMA_KV_CACHE_TYPE or sliding windows shrink them",
                "note",
            )


def _fewer_slots(host: HostSeen, model: str, cause: str, severity: Severity) -> Finding:
    told = host.host.num_parallel
    return Finding(
        "num_parallel_too_large",
        severity,
        f"{model} on {host.host.name}",
        cause,
        f"set OLLAMA_NUM_PARALLEL to {told} for the server, or num_parallel (ARENA_NUM_PARALLEL) to what it has: "
        "answers that wait inside the server can't be shown as waiting",
        server_setting("OLLAMA_NUM_PARALLEL", str(told)),
    )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
