"""Findings about what is in memory now: on the CPU, with another context, about to leave, stuck. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from app.backends.base import LoadedModel
from app.doctor.checks.finding import Finding
from app.doctor.checks.fit_table import GIB
from app.doctor.checks.memory import tables
from app.doctor.checks.recent import recent
from app.doctor.probing.observation import HostSeen, Observation, key
from app.doctor.texts.commands import RESTART, environment, machine_of, ollama, server_setting
from app.hosts.names import same_model

DEFAULT_CONTEXTS = (32768, 262144)
"""What Ollama takes when nobody names a num_ctx, by the sum of its cards: from 23 GiB on, from 47 GiB on."""

SOON = timedelta(minutes=10)
STUCK = timedelta(seconds=60)
SHORT = timedelta(minutes=15)
"""Below this a keep_alive lets models leave between two players."""

_IDLE_S = 120.0


def on_residents(seen: Observation) -> Iterator[Finding]:
    """What is wrong with the models in memory."""
    yield from _short_setting(seen)
    for host in seen.hosts:
        if not host.answers:
            continue
        yield from _processors(host, seen)
        for resident in host.loaded:
            model = next((one for one in seen.wished[host.host.name] if same_model(one, resident.name)), None)
            if model is not None:
                yield from _context(host, seen, model, resident)
        yield from _leaving(host, seen)


def _processors(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    sized = [one for one in host.loaded if one.size_bytes > 0]
    on_cpu = [one for one in sized if one.vram_bytes == 0]
    has_card = host.host.memory_bytes is not None or len(on_cpu) < len(sized)
    if on_cpu and not has_card:
        yield Finding(
            "host_on_cpu",
            "note",
            host.host.name,
            "every model is in main memory: an 8B model writes 5 to 10 tokens a second there, on a card 30 to 50",
            "all is well if the machine has no card; if it has one, Ollama does not see it (see its log, and "
            "set memory_gb "
            "in [[hosts]])",
            "nvidia-smi",
        )
        return
    for one in on_cpu:
        yield _on_cpu(host, one, others=len(on_cpu) < len(sized))
    for one in sized:
        if 0 < one.vram_bytes < one.size_bytes:
            yield _partly(host, seen, one)


def _on_cpu(host: HostSeen, model: LoadedModel, *, others: bool) -> Finding:
    why = (
        "the card was full when it was loaded, as it may be for a second after another model has left"
        if others
        else "Ollama did not find the card when it was loaded (a new driver, a suspend, or it started before "
        "the driver)"
    )
    return Finding(
        "model_on_cpu",
        "warning",
        f"{model.name} on {host.host.name}",
        f"{model.name} runs on the CPU though the machine has a card, ten times slower: {why}",
        f"on {machine_of(host.host.url)}, look whether the driver sees the card, and restart Ollama"
        if not others
        else "unload it, so that it is loaded again",
        ollama(host.host.url, "stop", model.name) if others else f"nvidia-smi && {RESTART}",
    )


def _partly(host: HostSeen, seen: Observation, model: LoadedModel) -> Finding:
    share = 1 - model.vram_bytes / model.size_bytes
    weighed = next((one for one in tables(seen) if one.host == host.host.name), None)
    wished = any(same_model(row.model, model.name) for row in weighed.rows) if weighed else False
    own = next((row for row in weighed.rows if same_model(row.model, model.name)), None) if weighed else None
    ours = own is not None and model.context_length == own.num_ctx
    if model.context_length and own is not None and model.context_length > own.num_ctx:
        why = f"it was loaded with a context of {model.context_length} instead of {own.num_ctx}, by another client"
    elif ours and own is not None and weighed is not None and own.predicted_bytes > weighed.memory_bytes:
        why = f"alone it takes {own.predicted_bytes / GIB:.1f} GiB of the card's {weighed.memory_bytes / GIB:.1f}"
    elif wished and len(host.loaded) > 1:
        why = f"it shares the card with {', '.join(one.name for one in host.loaded if one is not model)}"
    else:
        why = f"with a context of {model.context_length or 'unknown length'} it does not fit on what the card has free"
    return Finding(
        "model_partly_offloaded",
        "warning",
        f"{model.name} on {host.host.name}",
        f"{share:.0%} of {model.name} ({model.size_bytes / GIB:.1f} GiB) run on the CPU: {why}",
        "lower num_ctx, choose a smaller quantisation, or let fewer models share the card; then unload it",
        ollama(host.host.url, "stop", model.name),
    )


def _context(host: HostSeen, seen: Observation, model: str, resident: LoadedModel) -> Iterator[Finding]:
    wanted, found = seen.options(model).num_ctx, resident.context_length
    trained = host.shape(model).trained_ctx
    if found is None or found == wanted or found == trained < wanted:
        return
    subject = f"{model} on {host.host.name}"
    if found > wanted and (found in DEFAULT_CONTEXTS or found == trained):
        yield Finding(
            "default_context_too_large",
            "warning",
            subject,
            f"{model} is loaded with Ollama's own context of {found}, which another client asked for by naming "
            "none; the "
            f"arena asks for {wanted}, so each makes Ollama load it again for itself, and {found} may take the card",
            "give the server a default that is the arena's, or keep other clients away from it",
            server_setting("OLLAMA_CONTEXT_LENGTH", str(wanted)),
        )
    elif found < wanted:
        yield Finding(
            "context_shrunk",
            "warning",
            subject,
            f"{model} is loaded with a context of {found} instead of {wanted}: Ollama ran out of memory and "
            "tried again "
            "smaller, another client asked for less, or it was loaded before num_ctx was changed",
            f"lower num_ctx to {found}, or make room on the card",
            environment("ARENA_NUM_CTX", str(found)),
        )


def _short_setting(seen: Observation) -> Iterator[Finding]:
    if seen.settings.arena_keep_alive < SHORT and any(not host.host.scale_to_zero for host in seen.hosts):
        minutes = seen.settings.arena_keep_alive / timedelta(minutes=1)
        yield Finding(
            "keep_alive_too_short",
            "warning",
            "ARENA_KEEP_ALIVE",
            f"ARENA_KEEP_ALIVE is {minutes:g} minutes: models leave between two players, and the next one waits "
            "7 to 40 s "
            "for each",
            "leave it at 72h; what has to go is unloaded by the arena itself",
            environment("ARENA_KEEP_ALIVE", "72h"),
        )


def _leaving(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    """Models of ours whose time is nearly over, though the arena asks for much more; and those that never go."""
    if host.host.scale_to_zero or seen.settings.arena_keep_alive < SHORT:
        return
    left = _seconds_left(host, seen)
    report = seen.reports.get(host.host.name)
    busy = {key(model) for model, count in report.running_by_model.items() if count} if report is not None else set()
    stuck = [name for name, seconds in left.items() if seconds < -STUCK.total_seconds() and key(name) not in busy]
    for name in stuck:
        yield Finding(
            "model_stuck",
            "warning",
            f"{name} on {host.host.name}",
            f"{name} should have left {-left[name]:.0f} s ago and is still there: Ollama waits for a request "
            "that never "
            "ends, or its scheduler hangs",
            f"unload it; if it stays, restart Ollama on {machine_of(host.host.url)}",
            f"{ollama(host.host.url, 'stop', name)} || ({RESTART})",
        )
    near = min(SOON, seen.settings.arena_keep_alive / 10).total_seconds()
    soon = [name for name, seconds in left.items() if seconds < near and name not in stuck]
    expired = [event.model for event in recent(seen, host.host.name) if event.kind == "expired" and event.model]
    if soon or expired:
        yield _loses(
            host, seen, list(dict.fromkeys([*soon, *expired])), min((left[name] for name in soon), default=None)
        )


def _seconds_left(host: HostSeen, seen: Observation) -> dict[str, float]:
    """By model of ours, until it leaves; without those that simply were not used for a whole keep_alive."""
    report, keep_s = seen.reports.get(host.host.name), seen.settings.arena_keep_alive.total_seconds()
    used = {key(one.model): one.used for one in report.residents} if report is not None else {}
    left = {}
    for resident in host.loaded:
        ours = any(same_model(resident.name, model) for model in seen.wished[host.host.name])
        if not ours or resident.expires_at is None:
            continue
        as_asked = used.get(key(resident.name), 0.0) + keep_s
        if abs(resident.expires_at - as_asked) > _IDLE_S:
            left[resident.name] = resident.expires_at - seen.now
    return left


def _loses(host: HostSeen, seen: Observation, names: list[str], left_s: float | None) -> Finding:
    told = "they have left by themselves" if left_s is None else f"{max(left_s, 0.0) / 60:.0f} minutes are left"
    return Finding(
        "keep_alive_too_short",
        "warning",
        host.host.name,
        f"{', '.join(names)}: {told}, though the arena loads with a keep_alive of "
        f"{seen.settings.arena_keep_alive / timedelta(hours=1):g} h: another client loaded it with the server's own "
        "(OLLAMA_KEEP_ALIVE, 5 minutes unless set), or sent one",
        "let the server keep models for ever, and keep other clients away from it",
        server_setting("OLLAMA_KEEP_ALIVE", "-1"),
    )
