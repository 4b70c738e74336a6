"""Findings about hosts' addresses: who does not answer there, and what answers instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from urllib.parse import urlsplit

from app.doctor.checks.finding import AddressCode, Finding, Severity
from app.doctor.probing.observation import HostSeen, Observation, Reach
from app.doctor.texts.commands import RESTART, curl, has_no_name, is_here, machine_of, server_setting
from app.network.addresses import shown

OLDEST = (0, 30)
"""From 0.30 on (mid-2026) Ollama serves every model by llama-server, and what is planned here (the test of what fits,
one slot unless told otherwise, a load that is aborted when its caller leaves) is what it does. Older ones have other
runners, choose 4 or 1 slots by themselves (ollama/ollama#11125) and refuse a model with "requires more system memory"
(ollama/ollama#10920) instead."""


_SCHEME_PORTS = {80: "http:// without a port means port 80", 443: "https:// without a port means port 443"}


def on_addresses(seen: Observation) -> Iterator[Finding]:
    """What is wrong with how the hosts are reached."""
    enough = len(seen.catalog.models) >= 2
    for host in seen.hosts:
        if host.answers:
            yield from _of_one_that_answers(host, seen)
        elif host.reach == "unasked":
            yield _asleep(host)
        else:
            yield _of_one_that_does_not(host, "warning" if enough else "error", _told_up(host, seen))
    yield from _same_server(seen)


def _of_one_that_answers(host: HostSeen, seen: Observation) -> Iterator[Finding]:
    name, url = host.host.name, host.host.url
    report = seen.reports.get(name)
    if report is not None and report.health == "down" and not report.fails_answers:
        yield Finding(
            "host_seen_down",
            "warning",
            name,
            f"{shown(url)} answers this machine, but the process that drives it can't use it "
            f"({report.why or 'no why'})",
            "see from the machine that drives it whether the address is reached there (firewall, DNS, container), and "
            "Ollama's log for requests that fail",
            curl(url, "/api/version"),
        )
    if host.reach == "slow":
        yield Finding(
            "host_slow",
            "warning" if len(seen.catalog.models) >= 2 else "error",
            name,
            f"{shown(url)} tells its version, but not what it holds ({host.detail}): it is evicting a model, its disk "
            "is busy, or its scheduler hangs",
            f"if it stays so, restart Ollama on {machine_of(url)}",
            RESTART,
        )
    numbers = tuple(int(part) for part in re.findall(r"\d+", host.version)[:2])
    if numbers and (0, 0) < numbers < OLDEST:  # a build from source calls itself 0.0.0
        yield Finding(
            "version_too_old",
            "warning",
            name,
            f"Ollama {host.version} has other runners than 0.30 and later: memory, slots and errors are planned "
            "for those",
            f"install the current Ollama on {machine_of(url)}",
            "curl -fsSL https://ollama.com/install.sh | sh",
        )


def _asleep(host: HostSeen) -> Finding:
    return Finding(
        "host_asleep",
        "note",
        host.host.name,
        f"{host.host.name} scales to zero and was not asked, for a question would wake it",
        "nothing; or let it be woken and asked, which may take a minute and a half and may cost money",
        "arena doctor --wake",
    )


def _told_up(host: HostSeen, seen: Observation) -> str:
    """What its driver says, which may sit where the host can be reached, or not have noticed yet."""
    report = seen.reports.get(host.host.name)
    return "; its driver tells that it is up" if report is not None and report.health == "up" else ""


def _of_one_that_does_not(host: HostSeen, severity: Severity, told: str) -> Finding:
    if host.instead:
        return _elsewhere(host, severity)
    code, tell = _TOLD[host.reach]
    cause, remedy, command = tell(host)
    return Finding(code, severity, host.host.name, f"{cause}{told}", remedy, command)


def _elsewhere(host: HostSeen, severity: Severity) -> Finding:
    """An Ollama answers at another address of the same machine."""
    given, found = urlsplit(host.host.url), urlsplit(host.instead)
    if given.scheme != found.scheme and given.port == found.port:
        return Finding(
            "host_wrong_scheme",
            severity,
            host.host.name,
            f"{given.scheme}:// is asked at {shown(host.host.url)}, but {found.scheme}:// is spoken there",
            f"write {host.instead} in {_where(host)}",
            curl(host.instead, "/api/version"),
        )
    why = _SCHEME_PORTS.get(given.port or 0, f"nothing of Ollama's answers on port {given.port}")
    return Finding(
        "host_wrong_port",
        severity,
        host.host.name,
        f"{why}, and Ollama answers on {found.port} instead ({host.detail or host.reach})",
        f"write {host.instead} in {_where(host)}",
        curl(host.instead, "/api/version"),
    )


def _where(host: HostSeen) -> str:
    return "OLLAMA_HOST" if host.host.name == "local" else f"[[hosts]] {host.host.name}: url, in arena.toml"


def _dns(host: HostSeen) -> tuple[str, str, str]:
    name = urlsplit(host.host.url).hostname or ""
    return (
        f"the name {name} can't be resolved ({host.detail})",
        f"correct the name in {_where(host)}, or write the machine's IP address",
        f"getent hosts {name}",
    )


def _refused(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    port = urlsplit(url).port
    scheme = f" ({_SCHEME_PORTS[port]}; Ollama's own is 11434)" if port in _SCHEME_PORTS else ""
    if is_here(url):
        return (
            f"{shown(url)} refuses the connection: Ollama does not run on this machine, or on another port{scheme}",
            "start it; where the arena runs in a container, 127.0.0.1 is the container itself: set OLLAMA_HOST to "
            "host.docker.internal or the machine's address",
            "ollama serve",
        )
    return (
        f"{shown(url)} refuses the connection: Ollama does not run there, or listens on that machine's loopback only "
        f"(which it does unless told otherwise){scheme}",
        f"on {machine_of(url)}, let it listen on all addresses, behind a firewall: it knows no passwords",
        server_setting("OLLAMA_HOST", f"0.0.0.0:{urlsplit(url).port}"),
    )


def _no_connection(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"{shown(url)} does not take the connection ({host.detail}): the machine is off, or a firewall or security "
        "group drops it",
        f"start the machine, or open port {urlsplit(url).port} for this one",
        f"nc -vz -w 3 {urlsplit(url).hostname} {urlsplit(url).port}",
    )


def _unreachable(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"there is no way from here to {shown(url)} ({host.detail})",
        "check the address, the route and the VPN",
        f"ip route get {', '.join(host.addresses[:1]) or urlsplit(url).hostname}",
    )


def _silent(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"{shown(url)} takes the connection and then says nothing ({host.detail}): Ollama hangs, or a proxy waits "
        "for it in vain",
        f"restart Ollama on {machine_of(url)}",
        RESTART,
    )


def _other(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"what answers at {shown(url)} is not an Ollama ({host.detail})",
        f"correct {_where(host)}: Ollama's own port is 11434, and GET / there says that Ollama is running",
        curl(url, "/"),
    )


def _not_tls(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"https:// is asked, but no TLS is spoken at {shown(url)} ({host.detail})",
        f"write http:// in {_where(host)} unless a proxy with a certificate stands in front: Ollama itself has no TLS",
        curl(url.replace("https://", "http://", 1), "/api/version"),
    )


def _untrusted(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"the certificate of {shown(url)} is not trusted here ({host.detail})",
        "give the machine a certificate for that very name, or tell this one of the authority that signed it "
        "(SSL_CERT_FILE)",
        f"openssl s_client -connect {urlsplit(url).hostname}:{urlsplit(url).port} </dev/null",
    )


def _forbidden(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"{shown(url)} answers 403 without a reason: an Ollama that listens on loopback only takes no requests under "
        "another host name",
        f"use its IP address in {_where(host)}, or on {machine_of(url)} let it listen on all addresses",
        server_setting("OLLAMA_HOST", f"0.0.0.0:{urlsplit(url).port}"),
    )


def _login(host: HostSeen) -> tuple[str, str, str]:
    url = host.host.url
    return (
        f"a proxy in front of {shown(url)} wants a name and a password ({host.detail})",
        f"write them into {_where(host)}: http://user:password@host:port",
        curl(url, "/api/version"),
    )


_TOLD: dict[Reach, tuple[AddressCode, Callable[[HostSeen], tuple[str, str, str]]]] = {
    "dns": ("host_dns_fails", _dns),
    "refused": ("host_refuses", _refused),
    "no_connection": ("host_times_out", _no_connection),
    "unreachable": ("host_unreachable", _unreachable),
    "silent": ("host_silent", _silent),
    "reset": ("host_silent", _silent),
    "other": ("host_not_ollama", _other),
    "not_tls": ("host_wrong_scheme", _not_tls),
    "untrusted": ("host_tls_untrusted", _untrusted),
    "forbidden": ("host_forbids", _forbidden),
    "login": ("host_wants_login", _login),
}


def _same_server(seen: Observation) -> Iterator[Finding]:
    """Two hosts that are one: each would be driven as if it had the card for itself."""
    answering = [host for host in seen.hosts if host.reach == "ollama"]
    for one, other in combinations(answering, 2):
        if _same_place(one, other) or _same_memory(one, other):
            yield Finding(
                "same_server_twice",
                "warning",
                f"{one.host.name}, {other.host.name}",
                f"{shown(one.host.url)} and {shown(other.host.url)} are one server: two drivers load and unload "
                "models on "
                "it and take each other's away",
                "leave one of the two [[hosts]] tables in arena.toml",
                f"getent ahosts {urlsplit(other.host.url).hostname}",
            )


def _same_place(one: HostSeen, other: HostSeen) -> bool:
    """One address and port, and the same lists; behind a proxy that goes by names, several servers may share these."""
    here, there = urlsplit(one.host.url), urlsplit(other.host.url)
    shared = set(one.addresses) & set(other.addresses)
    same = (here.scheme, here.port, here.path) == (there.scheme, there.port, there.path)
    by_name = not has_no_name(one.host.url) and not has_no_name(other.host.url)
    return bool(shared) and same and not by_name and (one.installed, one.loaded) == (other.installed, other.loaded)


def _same_memory(one: HostSeen, other: HostSeen) -> bool:
    """The same models in memory that leave at the same microsecond."""
    return bool(one.loaded) and one.loaded == other.loaded and one.loaded[0].expires_at is not None
