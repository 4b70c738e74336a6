"""Findings about hosts that are no Ollama: kinds, logins, what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import curl, machine_of
from app.network.addresses import shown

_SENTENCES: dict[str, tuple[str, str]] = {
    "refused": ("refuses the connection: no server listens there", "start the server there, or correct the url"),
    "silent": ("accepts the connection but sends no response", "look into the server's log, and restart it"),
    "reset": ("accepts the connection and closes it", "look into the server's log, and at the url's scheme"),
    "login": ("wants a login", "set api_key_env to the variable that holds its key, or headers for a proxy"),
    "forbidden": ("refuses this login", "correct the key that api_key_env names, or headers"),
}


def in_words_for_other_kinds(finding: Finding, host: ObservedHost) -> Finding:
    """``finding`` about a host that can't be used, in words that fit servers other than Ollama."""
    known = _SENTENCES.get(host.reach)
    if known is None:
        return finding
    what, remedy = known
    url = host.host.url
    return replace(
        finding,
        cause=f"{shown(url)} {what} ({host.detail})",
        remedy=f"{remedy} ({machine_of(url)})",
        command=curl(url, f"{host.host.api}/models"),
    )


def host_other_kind(host: ObservedHost, severity: Severity) -> Finding:
    """Another kind of server answers than the one that is configured."""
    url = host.host.url
    kind = host.found_kind
    return Finding(
        "host_other_kind",
        severity,
        host.host.name,
        cause=f"the server at {shown(url)} is of kind {kind}, not {host.host.kind}"
        if kind
        else f"the server at {shown(url)} is not of kind {host.host.kind} ({host.detail})",
        remedy=f'set kind = "{kind}" in [[hosts]] {host.host.name}' if kind else "correct the url, api_path or kind",
        command=curl(url, f"{host.host.api or '/v1'}/models"),
    )


def host_kind_found(host: ObservedHost) -> Finding:
    """No kind is configured, and this is what was found."""
    models = ", ".join(model.name for model in host.installed[:5]) or "no models"
    return Finding(
        "host_kind_found",
        "note",
        host.host.name,
        cause=f"no kind is set; the server at {shown(host.host.url)} is of kind {host.found_kind or host.host.kind} "
        f"({' '.join(filter(None, (host.version, f'with {models}')))})",
        remedy=f'nothing to do; to keep it so when the server is down at a start, set kind = "{host.found_kind}"',
        command=curl(host.host.url, f"{host.host.api or '/v1'}/models"),
    )


def host_put_to_sleep(host: ObservedHost, severity: Severity) -> Finding:
    """A vLLM that was put to sleep: it would not answer until somebody wakes it."""
    return Finding(
        "host_put_to_sleep",
        severity,
        host.host.name,
        cause=f"the vLLM at {shown(host.host.url)} was put to sleep: requests would hang until it is woken",
        remedy=f"wake it, and let nobody else put it to sleep ({machine_of(host.host.url)})",
        command=f"curl -sS -m 60 -X POST {shown(host.host.url)}/wake_up",
    )


def option_not_taken(model: str, host: ObservedHost, names: Sequence[str]) -> Finding:
    """Options of a model that its server does not take."""
    return Finding(
        "option_not_taken",
        "note",
        f"{model} on {host.host.name}",
        cause=f"a server of kind {host.host.kind} does not take {', '.join(names)}: left out of what is sent, so the "
        "model answers without",
        remedy=f"remove it from [[models]] {model}, or set it where the server is started",
    )


def server_busy_with_others(host: ObservedHost, running: int, ours: int) -> Finding:
    """The server counts more answers than the arena has there."""
    return Finding(
        "server_busy_with_others",
        "note",
        host.host.name,
        cause=f"{host.host.kind} on {host.host.name} works on {running} requests, and only {ours} of them are the "
        "arena's: others use it too, and answers are slower for it",
        remedy="nothing to do if that is meant; else let only the arena reach it, or lower num_parallel",
    )
