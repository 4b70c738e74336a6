"""Findings about the work on the hosts: no driver, other clients, loads and answers that fail."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import RESTART, chat, curl, environment, machine_of, ollama
from app.doctor.texts.units import gib
from app.network.addresses import shown


def only_fallback_hosts() -> Finding:
    """Every host is a fallback."""
    return Finding(
        "only_fallback_hosts",
        "warning",
        "arena.toml",
        cause="every host is a fallback: all answers are marked, and the leaderboard leaves marked votes out",
        remedy="set fallback = false for at least one of [[hosts]]",
        command="grep -n fallback arena.toml",
    )


def nobody_drives_some(hosts: Sequence[str]) -> Finding:
    """``nobody_drives`` for some of several hosts."""
    names = ", ".join(hosts)
    return Finding(
        "nobody_drives",
        "warning",
        names,
        cause=f"no process drives {names}, while other hosts are driven: its driver has just died, or the running "
        "processes have another arena.toml",
        remedy="wait five seconds for another process to take over; if none does, restart the processes with this "
        "configuration",
        command="arena serve",
    )


def nobody_drives_without_scheduler() -> Finding:
    """``nobody_drives`` because ARENA_SCHEDULER is false and no other process has drivers."""
    return Finding(
        "nobody_drives",
        "error",
        "ARENA_SCHEDULER",
        cause="ARENA_SCHEDULER is false and no process drives a host: battles would be accepted and never answered",
        remedy="start a process that drives the hosts beside those that serve, or set ARENA_SCHEDULER to true",
        command="arena scheduler",
    )


def nobody_drives() -> Finding:
    """``nobody_drives`` because the arena does not run."""
    return Finding(
        "nobody_drives",
        "note",
        "arena",
        cause="no process of the arena runs with this Redis, so there are no reports of what happened on the hosts",
        remedy="start it, and run the doctor again after some battles: some problems show only then",
        command="arena serve",
    )


def queue_nearly_full(host: str, severity: Severity, waiting: int, bound: int) -> Finding:
    """80 % of the bound."""
    return Finding(
        "queue_nearly_full",
        severity,
        host,
        cause=f"{waiting} answers wait for {host} and ARENA_QUEUE is {bound}",
        remedy=_MORE_CAPACITY,
        command=environment("ARENA_QUEUE", str(2 * bound)),
    )


def queue_full(host: str, severity: Severity, waiting: int, bound: int) -> Finding:
    """Battles get 503."""
    return Finding(
        "queue_full",
        severity,
        host,
        cause=f"{waiting} answers wait for {host} and ARENA_QUEUE is {bound}: battles that need it get 503",
        remedy=_MORE_CAPACITY,
        command=environment("ARENA_QUEUE", str(2 * bound)),
    )


_MORE_CAPACITY = (
    "add a host, or let it run more answers at once (OLLAMA_NUM_PARALLEL and num_parallel); a longer queue only makes "
    "people wait longer"
)


def host_shared(host: ObservedHost, severity: Severity, signs: Sequence[str], unloaded: str) -> Finding:
    """Another client uses the server: ``signs`` are what is in memory, ``unloaded`` the models it unloaded."""
    lost = f"; it has unloaded {unloaded}" if unloaded else ""
    return _host_shared(
        host,
        severity,
        f"another client uses this server: {'; '.join(signs)}{lost}. What it loads takes card memory from the arena's "
        "models, and Ollama decides which of them to evict",
    )


def host_shared_unloaded(host: ObservedHost, severity: Severity, models: str, detail: str) -> Finding:
    """Another client unloaded one of the arena's models."""
    return _host_shared(host, severity, f"{models} was unloaded by another client ({detail or 'no more is known'})")


def _host_shared(host: ObservedHost, severity: Severity, cause: str) -> Finding:
    return Finding(
        "host_shared",
        severity,
        host.host.name,
        cause=cause,
        remedy=f"let only the arena reach {machine_of(host.host.url)} (firewall, or OLLAMA_HOST on a private address), "
        "or give the other client a server of its own",
        command=_connections_to(host),
    )


def foreign_model(name: str, size_bytes: int) -> str:
    """A sign of another client: a model in memory that is no contestant."""
    return f"{name} ({gib(size_bytes)}) is none of the arena's models"


def foreign_context(name: str, found: int, wanted: int) -> str:
    """A sign of another client: a contestant in memory with another context."""
    return f"{name} is loaded with num_ctx {found} instead of {wanted}"


def foreign_load(name: str) -> str:
    """A sign of another client: a model that was in memory lately."""
    return f"it loaded {name} lately"


def two_arenas(host: ObservedHost, models: str, times: int) -> Finding:
    """The arena's models are unloaded again and again, and nothing foreign is in memory."""
    return Finding(
        "two_arenas",
        "warning",
        host.host.name,
        cause=f"{models} disappeared {times} times without the arena unloading it, and nothing foreign is in memory: "
        "a second arena with the same models drives this server with a Redis of its own, or a client unloads them (as "
        "ollama stop and keep_alive 0 do)",
        remedy="give all arenas that use one server the same REDIS_URL, so that they share its driver, or give each "
        "its own server",
        command=_connections_to(host),
    )


def server_restarted(host: ObservedHost, models: str) -> Finding:
    """All models left at the same moment."""
    return Finding(
        "server_restarted",
        "note",
        host.host.name,
        cause=f"{models} disappeared at the same moment: Ollama was restarted, or its model processes crashed (a card "
        "that runs out of memory in the middle of an answer ends all of them)",
        remedy="nothing to do if it was restarted; if not, look for CUDA errors in its log",
        command="journalctl -u ollama --since -20min --no-pager",
    )


def _connections_to(host: ObservedHost) -> str:
    """Who is connected to the server, asked on its machine."""
    return f"sudo ss -tnp '( sport = :{urlsplit(host.host.url).port} )'"


def loads_hang(host: ObservedHost, what: str) -> Finding:
    """A load that does not end; ``what`` is one of the two below."""
    state = " while the host answers its probes" if host.answers else ""
    return Finding(
        "loads_hang",
        "warning",
        host.host.name,
        cause=f"{what}{state}: Ollama's scheduler waits for an unload that never comes (ollama/ollama#17408), or the "
        "disk or the card hangs; models in memory still answer",
        remedy=f"restart Ollama on {machine_of(host.host.url)}; if it happens again, check its disk and its card",
        command=RESTART,
    )


def load_under_way(model: str | None, for_s: float) -> str:
    """What hangs: a load that has not ended yet."""
    return f"{model} has been loading for {for_s:.0f} s"


def load_never_ended(models: str) -> str:
    """What hangs: a load that the driver gave up on."""
    return f"loading {models} never ended"


def loads_fail(host: ObservedHost, models: str, times: int, *, last: str, model: str) -> Finding:
    """Loads failed; ``last`` is the newest reason, ``model`` the newest model."""
    return Finding(
        "loads_fail",
        "warning",
        host.host.name,
        cause=f"loading {models} failed {times} times, last: {last or 'no reason given'}",
        remedy="free memory (a smaller num_ctx, fewer models), or pull the model again if its file is damaged",
        command=ollama(host.host.url, "pull", model or "MODEL"),
    )


def requests_refused(host: ObservedHost, models: str, last: str) -> Finding:
    """The server refuses what it is asked (4xx): it is reached, and nothing is wrong with its memory."""
    return Finding(
        "requests_refused",
        "warning",
        host.host.name,
        cause=f"the server refuses the requests for {models} as they are: {last}",
        remedy="correct the model's options (ARENA_THINK, [[models]]), or the proxy in front that refuses",
        command=curl(host.host.url, "/api/version"),
    )


def answers_fail(host: ObservedHost, severity: Severity, *, failed: int, failure: str, model: str) -> Finding:
    """It answers its probes and fails its answers."""
    url = host.host.url
    return Finding(
        "answers_fail",
        severity,
        host.host.name,
        cause=f"{shown(url)} answers its probes, but its last {failed} answers failed ({failure or 'no reason given'}):"
        " it gets no battles except one trial every few minutes",
        remedy=f"request an answer by hand; then check Ollama's log on {machine_of(url)} and whatever is in between (a "
        "proxy or firewall may let short requests pass and cut long ones off)",
        command=chat(url, model),
    )


def model_slow(host: ObservedHost, models: str, detail: str) -> Finding:
    """Slower than its usual rate."""
    return Finding(
        "model_slow",
        "warning",
        host.host.name,
        cause=f"{models} is slower than usual ({detail or 'no detail'}): another process shares the card, the card is "
        "hot or limited in power, or the model moved to the CPU",
        remedy="check what else runs on the card, its temperature and its power",
        command="nvidia-smi" if host.answers else curl(host.host.url, "/api/ps"),
    )
