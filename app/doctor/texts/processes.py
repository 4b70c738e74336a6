"""Findings about the processes in which a server runs its models, and about what it believes of its memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from app.doctor.finding import Finding
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import RESTART, machine_of, ollama
from app.doctor.texts.units import span

_LOG = "journalctl -u ollama --since -20min --no-pager"


def model_crashed(host: ObservedHost, models: str, times: int, loads_s: Sequence[float]) -> Finding:
    """A model's own process ended under an answer; the server loads it again."""
    often = "once" if times == 1 else f"{times} times"
    costs = f"; each time it was loaded again, which takes {span(loads_s)}" if loads_s else ""
    return Finding(
        "model_crashed",
        "warning",
        host.host.name,
        cause=f"the process of {models} ended {often} under an answer, and Ollama itself did not{costs}: a card that "
        "ran out of memory, a fault of the runner, or somebody killed it",
        remedy=f"look for its last words in Ollama's log on {machine_of(host.host.url)} (CUDA error, out of memory, "
        "killed); a smaller num_ctx needs less memory",
        command=_LOG,
    )


def model_hangs(host: ObservedHost, models: str, model: str) -> Finding:
    """Nothing came of an answer while the server answered: the driver loads it anew, once."""
    return Finding(
        "model_hangs",
        "warning",
        host.host.name,
        cause=f"nothing came of an answer of {models} within its limits (ARENA_FIRST_TOKEN_LIMIT, "
        "ARENA_STALL_LIMIT), though Ollama answers: "
        "the model's process hangs. The arena had it loaded anew",
        remedy=f"if it hangs again, end its process: unload it, or restart Ollama on {machine_of(host.host.url)}",
        command=f"{ollama(host.host.url, 'stop', model)} || ({RESTART})",
    )


def model_replaced(host: ObservedHost, models: str) -> Finding:
    """Its keep_alive was another all at once: it was loaded by somebody else's request, or used with another one."""
    return Finding(
        "model_replaced",
        "note",
        host.host.name,
        cause=f"{models} left and came again between two probes without the arena's doing: another client made Ollama "
        "evict it or sent a keep_alive of its own, or its process ended while nobody waited. It has the arena's "
        "keep_alive again",
        remedy=f"keep other clients away from {machine_of(host.host.url)}; if there are none, look for the reason in "
        "Ollama's log",
        command=_LOG,
    )


def memory_misread(host: ObservedHost, detail: str, for_: timedelta) -> Finding:
    """The server does not measure again what is free while a model is loaded."""
    minutes = for_ / timedelta(minutes=1)
    return Finding(
        "memory_misread",
        "note",
        host.host.name,
        cause=f"{detail or 'the server believes that less memory is free than is'}: it measures its card only while no "
        f"model is loaded, and evicted a model that had room, {minutes:.0f} minutes ago. Loads take longer until then",
        remedy="nothing to do: the arena takes what the server believes into account, and unloads all models in a "
        f"quiet moment, so that it measures again; to have that now, restart Ollama on {machine_of(host.host.url)}",
        command=RESTART,
    )
