"""Findings about who works on the hosts: nobody, others too, or in vain. Pure.

Who else uses a server can't be asked. What shows: models in memory that are not the arena's, and models of the arena
that went or were reloaded without its doing. Where all of these look like the arena's own, another arena with the same
models is as likely as another client with the same settings, and both are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from app.doctor.checks.finding import Finding, Severity
from app.doctor.checks.fit_table import GIB
from app.doctor.checks.recent import recent
from app.doctor.checks.residents import DEFAULT_CONTEXTS
from app.doctor.probing.observation import HostSeen, Observation
from app.doctor.texts.commands import RESTART, chat, curl, environment, machine_of, ollama
from app.hosts.names import same_model
from app.network.addresses import shown
from app.scheduling.report import HostEvent, HostReport

LOAD_LIMIT_S = 180.0
"""A load that takes longer hangs; the wire gives up on it then, too."""

LOAD_FACTOR = 3.0
"""So does one that takes so many times what it usually takes on its host (and over half a minute)."""

NEARLY_FULL = 0.8
_SHORTEST_HANG_S = 30.0
_ONE_MOMENT_S = 5.0


def on_work(seen: Observation) -> Iterator[Finding]:
    """What is wrong with the work on the hosts."""
    yield from _drivers(seen)
    if seen.hosts and all(host.host.fallback for host in seen.hosts):
        yield Finding(
            "only_fallback_hosts",
            "warning",
            "arena.toml",
            "every host is a fallback: all answers are marked, and the board leaves marked votes out",
            "set fallback = false for at least one of [[hosts]]",
            "grep -n fallback arena.toml",
        )
    yield from _queues(seen)
    for host in seen.hosts:
        report = seen.reports.get(host.host.name)
        yield from _others(host, seen)
        if report is not None:
            yield from _loads(host, report, seen)
            yield from _answers(host, report, seen)
            yield from _slow(host, seen)


def _drivers(seen: Observation) -> Iterator[Finding]:
    """Whether processes drive the hosts. Before the first one serves, nobody does, and that is as it should be."""
    idle = [name for name, driven in seen.driven.items() if not driven]
    anybody = len(idle) < len(seen.driven)
    if (seen.driven and not idle) or (not seen.driven and seen.redis.state not in ("idle", "up")):
        return
    if anybody:
        yield Finding(
            "nobody_drives",
            "warning",
            ", ".join(idle),
            f"nobody drives {', '.join(idle)}, while other hosts are driven: its driver has just died, or the "
            "processes "
            "that serve know another arena.toml",
            "wait five seconds for another process to take over; else start the processes again with this "
            "configuration",
            "arena serve",
        )
    elif not seen.settings.arena_scheduler:
        yield Finding(
            "nobody_drives",
            "error",
            "ARENA_SCHEDULER",
            "ARENA_SCHEDULER is false here and no process drives a host: battles would be taken and never answered",
            "start a process that drives the hosts beside those that serve, or set ARENA_SCHEDULER to true",
            "arena scheduler",
        )
    else:
        yield Finding(
            "nobody_drives",
            "note",
            "arena",
            "no process of the arena runs with this Redis, so there are no reports of what happened on the hosts",
            "start it, and ask again when people have played: some troubles show only then",
            "arena serve",
        )


def _queues(seen: Observation) -> Iterator[Finding]:
    bound = seen.settings.arena_queue
    waiting = {name: count for name, count in seen.waiting.items() if count >= NEARLY_FULL * bound}
    hopeless = bool(seen.waiting) and all(count >= bound for count in seen.waiting.values())
    for name, count in waiting.items():
        full = count >= bound
        yield Finding(
            "queue_full" if full else "queue_nearly_full",
            "error" if hopeless else "warning",
            name,
            f"{count} answers wait for {name} and ARENA_QUEUE is {bound}"
            + (": battles that need it get 503" if full else ""),
            "add a host, or let it write more answers at once (OLLAMA_NUM_PARALLEL and num_parallel); a longer "
            "queue only "
            "lets people wait longer",
            environment("ARENA_QUEUE", str(2 * bound)),
        )


def _others(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    """What goes on there without the arena. A fallback may well be somebody's own machine."""
    events = recent(seen, host.host.name)
    taken = [event for event in events if event.kind == "unloaded_by_others"]
    foreign = _foreign(host, seen, events)
    severity: Severity = "note" if host.host.fallback else "warning"
    if foreign:
        lost = f"; it has unloaded {_models(taken)}" if taken else ""
        cause = (
            f"another client uses this server: {'; '.join(foreign)}{lost}. What it loads takes the card from "
            "the arena's "
            "models, and Ollama chooses by itself which has to go"
        )
        yield _shared(host, severity, cause)
    elif _moments(taken) > 1:
        yield Finding(
            "two_arenas",
            "warning",
            host.host.name,
            f"{_models(taken)} went {_moments(taken)} times without the arena's doing, and nothing foreign is "
            "in memory: "
            "a second arena with the same models drives this server with a Redis of its own, or a client unloads them "
            "(as ollama stop and keep_alive 0 do)",
            "give all arenas of one server the same REDIS_URL, so that they share its driver, or each its own server",
            _who_talks(host),
        )
    elif len({event.model for event in taken}) > 1:
        yield Finding(
            "server_restarted",
            "note",
            host.host.name,
            f"{_models(taken)} left at the same moment: Ollama was restarted, or its models' processes crashed (a card "
            "that runs out of memory in mid-answer takes all of them along)",
            "nothing if it was restarted; else see its log for CUDA errors",
            "journalctl -u ollama --since -20min --no-pager",
        )
    elif taken:
        yield _shared(
            host, severity, f"{_models(taken)} was unloaded by another client ({taken[-1].detail or 'no more'})"
        )


def _shared(host: HostSeen, severity: Severity, cause: str) -> Finding:
    return Finding(
        "host_shared",
        severity,
        host.host.name,
        cause,
        f"let the arena alone reach {machine_of(host.host.url)} (firewall, or OLLAMA_HOST on a private "
        "address), or give "
        "the other client a server of its own",
        _who_talks(host),
    )


def _who_talks(host: HostSeen) -> str:
    """Who is connected to the server, asked on its machine."""
    return f"sudo ss -tnp '( sport = :{urlsplit(host.host.url).port} )'"


def _moments(events: list[HostEvent]) -> int:
    """At how many different times something happened; a restart takes all models at once."""
    times = sorted(event.at for event in events)
    return sum(1 for before, at in zip([float("-inf"), *times], times, strict=False) if at - before > _ONE_MOMENT_S)


def _foreign(host: HostSeen, seen: Observation, events: tuple[HostEvent, ...]) -> list[str]:
    """What others have in memory there, in words."""
    wished = seen.wished[host.host.name]
    told = []
    for one in host.loaded if host.reach == "ollama" and wished else ():
        model = next((name for name in wished if same_model(name, one.name)), None)
        if model is None:
            told.append(f"{one.name} ({one.size_bytes / GIB:.1f} GiB) is none of the arena's models")
        elif _is_foreign_context(host, model, one.context_length, wanted := seen.options(model).num_ctx):
            told.append(f"{one.name} is loaded with num_ctx {one.context_length} instead of {wanted}")
    here = " ".join(told)
    models = dict.fromkeys(event.model for event in events if event.kind == "foreign_model" and event.model not in here)
    return told + [f"it loaded {model} lately" for model in models if model]


def _is_foreign_context(host: HostSeen, model: str, found: int | None, wanted: int) -> bool:
    """Whether somebody asked for more; a shrunk one and a server's own default are told of by themselves."""
    return found is not None and found > wanted and found not in (*DEFAULT_CONTEXTS, host.shape(model).trained_ctx)


def _loads(host: HostSeen, report: HostReport, seen: Observation) -> Iterator[Finding]:
    name, events = host.host.name, recent(seen, host.host.name)
    for_s = seen.now - report.loading_since if report.loading and report.loading_since else 0.0
    usual_s = report.load_s.get(report.loading or "", 0.0)
    limit_s = max(_SHORTEST_HANG_S, LOAD_FACTOR * usual_s) if usual_s else LOAD_LIMIT_S
    hung = [event for event in events if event.kind == "load_hung"]
    if for_s > min(limit_s, LOAD_LIMIT_S) or hung:
        what = (
            f"{report.loading} is being loaded for {for_s:.0f} s"
            if not hung
            else f"loading {_models(hung)} never ended"
        )
        yield Finding(
            "loads_hang",
            "warning",
            name,
            f"{what}{' and answers its probes' if host.answers else ''}: Ollama's scheduler waits for an unload that "
            "never comes (ollama/ollama#17408), or the disk or the card hangs; models in memory still answer",
            f"restart Ollama on {machine_of(host.host.url)}; if it comes back, look at its disk and at the card",
            RESTART,
        )
    failed = [event for event in events if event.kind == "load_failed"]
    if failed:
        yield Finding(
            "loads_fail",
            "warning",
            name,
            f"loading {_models(failed)} failed {len(failed)} times, last: {failed[-1].detail or 'no reason given'}",
            "make room (a smaller num_ctx, fewer models), or install the model again if its file is damaged",
            ollama(host.host.url, "pull", failed[-1].model or "MODEL"),
        )


def _answers(host: HostSeen, report: HostReport, seen: Observation) -> Iterator[Finding]:
    """A host that answers its probes and fails its answers. One that answers nothing is told of by its address."""
    if not host.answers or not report.fails_answers:
        return
    url, failing = host.host.url, {name for name, told in seen.reports.items() if told.fails_answers}
    others = [one for one in seen.catalog.contenders if set(one.hosts) - failing]
    model = next(iter((*seen.wished[host.host.name], *report.planned)), "MODEL")
    yield Finding(
        "answers_fail",
        "warning" if len(others) >= 2 else "error",
        host.host.name,
        f"{shown(url)} answers its probes, but its last {report.failed_answers} answers failed "
        f"({report.failure or 'no reason given'}): nothing is drawn for it but for one try every few minutes",
        f"ask it for an answer by hand; then see Ollama's log on {machine_of(url)}, and whatever stands in between (a "
        "proxy or firewall may let short calls pass and cut long ones off)",
        chat(url, model),
    )


def _slow(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    slow = [event for event in recent(seen, host.host.name) if event.kind == "slow"]
    if slow:
        yield Finding(
            "model_slow",
            "warning",
            host.host.name,
            f"{_models(slow)} is slower than usual ({slow[-1].detail or 'no detail'}): another process shares "
            "the card, it "
            "is hot or limited in power, or the model slipped to the CPU",
            "see what else runs on the card, and its temperature and power",
            "nvidia-smi" if host.answers else curl(host.host.url, "/api/ps"),
        )


def _models(events: list[HostEvent]) -> str:
    return ", ".join(dict.fromkeys(event.model for event in events if event.model)) or "a model"
