"""Findings about what fits: models on a card, models that stay loaded, answers at once."""

from __future__ import annotations

from collections.abc import Sequence

from app.backends.base import LoadedModel
from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import environment, server_setting
from app.doctor.texts.units import gib, which_takes


def model_too_large(
    model: str, host: str, *, num_ctx: int, least_bytes: int, memory_bytes: int, fitting_ctx: int | None
) -> Finding:
    """Larger than the card, alone; ``fitting_ctx`` is the context with which it fits."""
    smaller = f"give it a num_ctx of {fitting_ctx}, with which it fits" if fitting_ctx else "no num_ctx is small enough"
    return Finding(
        "model_too_large",
        "warning",
        f"{model} on {host}",
        cause=f"alone, {model} needs {gib(least_bytes)} at num_ctx {num_ctx} and the card has "
        f"{gib(memory_bytes)}: the rest runs on the CPU, ten times slower",
        remedy=f"remove it from ARENA_MODELS or choose a smaller quantisation; {smaller}",
        command=environment("ARENA_NUM_CTX", str(fitting_ctx)) if fitting_ctx else "",
    )


def pins_do_not_fit(host: str, models: Sequence[str], *, total_bytes: int, memory_bytes: int) -> Finding:
    """The pinned models don't fit together."""
    return Finding(
        "pins_do_not_fit",
        "warning",
        host,
        cause=f"the pinned models {', '.join(models)} need {gib(total_bytes)} together, too much for a card of "
        f"{gib(memory_bytes)}: they evict each other in spite of the pins",
        remedy="pin fewer models (pin = true in [[models]])",
        command="grep -n -B3 pin arena.toml",
    )


def set_does_not_fit(
    host: str,
    severity: Severity,
    sizes: Sequence[tuple[str, int]],
    memory_bytes: int,
    *,
    drop: Sequence[str],
    num_ctx: int | None,
    loads_s: Sequence[float],
    command: str,
) -> Finding:
    """The models don't fit together; ``drop`` are the fewest to leave out, with ``num_ctx`` all would fit.

    ``loads_s`` is what loads took there lately, in seconds.
    """
    models = ", ".join(f"{model} {gib(size)}" for model, size in sizes)
    total = gib(sum(size for _, size in sizes))
    choices = [f"drop {' and '.join(drop)}"] if drop else []
    choices += [f"set num_ctx to {num_ctx}, with which all fit"] if num_ctx else []
    return Finding(
        "set_does_not_fit",
        severity,
        host,
        cause=f"{models} together need {total}, and a model is loaded beside others only if it needs at most 80 % of "
        f"what they leave free of {gib(memory_bytes)}: the arena swaps them{which_takes(loads_s)}",
        remedy=" or ".join(choices) or "choose smaller models, or add a host",
        command=command,
    )


def max_loaded_too_small(host: str, severity: Severity, wanted: int, why: str) -> Finding:
    """Fewer models stay loaded than battles use."""
    return Finding(
        "max_loaded_too_small",
        severity,
        host,
        cause=f"battles use {wanted} models on {host}: {why}",
        remedy=f"set OLLAMA_MAX_LOADED_MODELS to {wanted} for the server and max_loaded = {wanted} in [[hosts]]; if "
        "models are still evicted, the card is too small: drop one or lower num_ctx",
        command=server_setting("OLLAMA_MAX_LOADED_MODELS", str(wanted)),
    )


def because_a_load_evicted(models: Sequence[str], most: int) -> str:
    """Why ``max_loaded_too_small``: a load evicted models that the plan meant to keep."""
    evicted = ", ".join(models) or "a model"
    return f"a load evicted {evicted}, which the arena did not plan; it now assumes that {most} fit"


def because_fewer_fit(expected: int, most: int) -> str:
    """Why ``max_loaded_too_small``: an earlier load evicted a model."""
    return f"{expected} were expected to fit, and a load evicted one of them: the arena now assumes that {most} fit"


def because_so_many_stay(most: int, *, configured: bool) -> str:
    """Why ``max_loaded_too_small``: by configuration or by Ollama's default."""
    source = "as configured" if configured else "Ollama's default for each card"
    return f"{most} stay loaded at once ({source})"


def one_slot_family(model: str, host: ObservedHost) -> Finding:
    """A model of a family that writes one answer at a time."""
    name, family = host.host.name, host.shape(model).family
    return Finding(
        "one_slot_family",
        "warning",
        f"{model} on {name}",
        cause=f"num_parallel is {host.host.num_parallel}, but Ollama runs one answer at a time for models of the "
        f"family {family}",
        remedy=f"expect waiting times for {model}, or leave it out; other models are not affected",
    )


def num_parallel_too_large(host: ObservedHost, model: str, *, under_way: int, writing: int, waited: int) -> Finding:
    """The times of past answers show fewer slots than configured."""
    configured = host.host.num_parallel
    cause = (
        f"num_parallel is {configured}, but of up to {under_way} answers sent at once only {writing} were generated at "
        f"the same time ({waited} recent answers got their first token only after another had ended)"
    )
    return _num_parallel_too_large(host, model, "warning", cause)


def num_parallel_too_large_by_size(host: ObservedHost, model: str, loaded: LoadedModel, cache_bytes: int) -> Finding:
    """The model in memory is too small for the caches of so many slots."""
    configured = host.host.num_parallel
    cause = (
        f"num_parallel is {configured}, but {model} takes {gib(loaded.size_bytes)}, too little for the caches of "
        f"{configured} slots ({gib(cache_bytes)}), unless OLLAMA_KV_CACHE_TYPE or sliding windows make them smaller"
    )
    return _num_parallel_too_large(host, model, "note", cause)


def _num_parallel_too_large(host: ObservedHost, model: str, severity: Severity, cause: str) -> Finding:
    configured = str(host.host.num_parallel)
    return Finding(
        "num_parallel_too_large",
        severity,
        f"{model} on {host.host.name}",
        cause=cause,
        remedy=f"set OLLAMA_NUM_PARALLEL to {configured} for the server, or num_parallel (ARENA_NUM_PARALLEL) to what "
        "it has: the arena can't show that an answer waits inside the server",
        command=server_setting("OLLAMA_NUM_PARALLEL", configured),
    )
