"""Findings about the models in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.backends.base import LoadedModel
from app.doctor.finding import Finding
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import RESTART, environment, machine_of, ollama, server_setting
from app.doctor.texts.units import gib, span


def host_on_cpu(host: ObservedHost) -> Finding:
    """Everything is in main memory, and no card is configured."""
    return Finding(
        "host_on_cpu",
        "note",
        host.host.name,
        cause="every model is in main memory: an 8B model generates 5 to 10 tokens a second there, and 30 to 50 on a "
        "card",
        remedy="nothing to do if the machine has no card; if it has one, Ollama does not detect it: see Ollama's log, "
        "and set memory_gb in [[hosts]]",
        command="nvidia-smi",
    )


def model_on_cpu(host: ObservedHost, model: LoadedModel) -> Finding:
    """No model is on the card: Ollama has not found it."""
    return Finding(
        "model_on_cpu",
        "warning",
        f"{model.name} on {host.host.name}",
        cause=f"{model.name} runs on the CPU though the machine has a card, ten times slower: Ollama did not find the "
        "card when it loaded the model (after a driver update or a suspend, or because it started before the driver)",
        remedy=f"on {machine_of(host.host.url)}, check that the driver detects the card, and restart Ollama",
        command=f"nvidia-smi && {RESTART}",
    )


def model_on_cpu_beside_others(host: ObservedHost, model: LoadedModel) -> Finding:
    """Other models are on the card: it was full."""
    return Finding(
        "model_on_cpu",
        "warning",
        f"{model.name} on {host.host.name}",
        cause=f"{model.name} runs on the CPU though the machine has a card, ten times slower: the card was full when "
        "it was loaded, which can be so for a second after another model was unloaded",
        remedy="unload it, so that it is loaded again",
        command=ollama(host.host.url, "stop", model.name),
    )


def model_partly_offloaded(host: ObservedHost, model: LoadedModel, why: str) -> Finding:
    """Partly on the CPU; ``why`` is one of the sentences below."""
    share = 1 - model.vram_bytes / model.size_bytes
    return Finding(
        "model_partly_offloaded",
        "warning",
        f"{model.name} on {host.host.name}",
        cause=f"{share:.0%} of {model.name} ({gib(model.size_bytes)}) runs on the CPU: {why}",
        remedy="lower num_ctx, choose a smaller quantisation, or let fewer models share the card; then unload it",
        command=ollama(host.host.url, "stop", model.name),
    )


def because_of_another_context(found: int, wanted: int) -> str:
    """Why ``model_partly_offloaded``: another client asked for more context."""
    return f"another client loaded it with a context of {found} instead of {wanted}"


def because_it_is_too_large(least_bytes: int, memory_bytes: int) -> str:
    """Why ``model_partly_offloaded``: the card is too small for it."""
    return f"alone it needs {gib(least_bytes)} and the card has {gib(memory_bytes)}"


def because_it_shares_the_card(others: Sequence[str]) -> str:
    """Why ``model_partly_offloaded``: other models are on the card."""
    return f"it shares the card with {', '.join(others)}"


def because_the_card_was_full(context_length: int | None) -> str:
    """Why ``model_partly_offloaded``: nothing else explains it."""
    return f"with a context of {context_length or 'unknown length'} it does not fit in the card's free memory"


def default_context_too_large(host: ObservedHost, model: str, *, found: int, wanted: int) -> Finding:
    """In memory with the server's default context."""
    return Finding(
        "default_context_too_large",
        "warning",
        f"{model} on {host.host.name}",
        cause=f"{model} is loaded with the server's default context of {found}, because another client named none; "
        f"the arena asks for {wanted}, so each request of the one makes Ollama reload it for the other, and {found} "
        "may fill the card",
        remedy="set the server's default to the arena's num_ctx, or keep other clients away from it",
        command=server_setting("OLLAMA_CONTEXT_LENGTH", str(wanted)),
    )


def context_shrunk(host: ObservedHost, model: str, *, found: int, wanted: int) -> Finding:
    """In memory with less context than asked for."""
    return Finding(
        "context_shrunk",
        "warning",
        f"{model} on {host.host.name}",
        cause=f"{model} is loaded with a context of {found} instead of {wanted}: Ollama ran out of memory and retried "
        "with less, another client asked for less, or it was loaded before num_ctx was changed",
        remedy=f"lower num_ctx to {found}, or free memory on the card",
        command=environment("ARENA_NUM_CTX", str(found)),
    )


def keep_alive_too_short(keep_alive: timedelta, loads_s: Sequence[float]) -> Finding:
    """ARENA_KEEP_ALIVE itself is short; ``loads_s`` is what loads took lately, in seconds."""
    waits = f"waits {span(loads_s)} for each" if loads_s else "waits for each to be loaded"
    return Finding(
        "keep_alive_too_short",
        "warning",
        "ARENA_KEEP_ALIVE",
        cause=f"ARENA_KEEP_ALIVE is {keep_alive / timedelta(minutes=1):g} minutes: models are unloaded between two "
        f"visitors, and the next one {waits}",
        remedy="leave it at 72h; the arena itself unloads what has to make room",
        command=environment("ARENA_KEEP_ALIVE", "72h"),
    )


def keep_alive_too_short_on_host(
    host: ObservedHost, models: Sequence[str], keep_alive: timedelta, left_s: float | None
) -> Finding:
    """Models leave the server sooner than the arena asked for; ``left_s`` is None when they have left."""
    state = "they expired" if left_s is None else f"only {max(left_s, 0.0) / 60:.0f} minutes are left"
    return Finding(
        "keep_alive_too_short",
        "warning",
        host.host.name,
        cause=f"{', '.join(models)}: {state}, though the arena loads with a keep_alive of "
        f"{keep_alive / timedelta(hours=1):g} h: another client sent a shorter one, or none, which means the server's "
        "own (OLLAMA_KEEP_ALIVE, 5 minutes unless set)",
        remedy="let the server keep models forever, and keep other clients away from it",
        command=server_setting("OLLAMA_KEEP_ALIVE", "-1"),
    )


def model_stuck(host: ObservedHost, model: str, overdue_s: float) -> Finding:
    """It has expired and is still in memory."""
    return Finding(
        "model_stuck",
        "warning",
        f"{model} on {host.host.name}",
        cause=f"{model} expired {overdue_s:.0f} s ago and is still in memory: Ollama waits for a request that never "
        "ends, or its scheduler hangs",
        remedy=f"unload it; if it stays, restart Ollama on {machine_of(host.host.url)}",
        command=f"{ollama(host.host.url, 'stop', model)} || ({RESTART})",
    )
