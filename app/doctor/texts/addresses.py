"""Findings about the addresses of hosts."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import ObservedHost
from app.doctor.texts.commands import RESTART, curl, is_here, machine_of, server_setting
from app.network.addresses import shown

_SCHEME_PORTS = {80: "http:// without a port means port 80", 443: "https:// without a port means port 443"}


def but_its_driver_reports_it_up(finding: Finding) -> Finding:
    """The driver may run where the host can be reached, or may not have noticed yet."""
    return replace(finding, cause=f"{finding.cause}; its driver reports that it is up")


def host_dns_fails(host: ObservedHost, severity: Severity) -> Finding:
    """The name does not resolve."""
    name = urlsplit(host.host.url).hostname or ""
    return Finding(
        "host_dns_fails",
        severity,
        host.host.name,
        cause=f"the name {name} can't be resolved ({host.detail})",
        remedy=f"correct the name in {_setting_of(host)}, or use the machine's IP address",
        command=f"getent hosts {name}",
    )


def host_refuses(host: ObservedHost, severity: Severity) -> Finding:
    """No process listens at the address."""
    if is_here(host.host.url):
        return _host_refuses_here(host, severity)
    url = host.host.url
    return Finding(
        "host_refuses",
        severity,
        host.host.name,
        cause=f"{shown(url)} refuses the connection: Ollama does not run there, or it listens on loopback only, which "
        f"is its default{_implied_port(url)}",
        remedy=f"on {machine_of(url)}, make it listen on all addresses, behind a firewall: Ollama has no "
        "authentication",
        command=server_setting("OLLAMA_HOST", f"0.0.0.0:{urlsplit(url).port}"),
    )


def _host_refuses_here(host: ObservedHost, severity: Severity) -> Finding:
    url = host.host.url
    return Finding(
        "host_refuses",
        severity,
        host.host.name,
        cause=f"{shown(url)} refuses the connection: Ollama does not run on this machine, or it listens on another "
        f"port{_implied_port(url)}",
        remedy="start Ollama; if the arena runs in a container, 127.0.0.1 is the container itself: set OLLAMA_HOST to "
        "host.docker.internal or the machine's address",
        command="ollama serve",
    )


def host_times_out(host: ObservedHost, severity: Severity) -> Finding:
    """The TCP connection is never accepted."""
    url = host.host.url
    return Finding(
        "host_times_out",
        severity,
        host.host.name,
        cause=f"{shown(url)} does not accept the connection ({host.detail}): the machine is off, or a firewall or "
        "security group drops it",
        remedy=f"start the machine, or open port {urlsplit(url).port} for this one",
        command=f"nc -vz -w 3 {urlsplit(url).hostname} {urlsplit(url).port}",
    )


def host_unreachable(host: ObservedHost, severity: Severity) -> Finding:
    """There is no route."""
    url = host.host.url
    return Finding(
        "host_unreachable",
        severity,
        host.host.name,
        cause=f"there is no route from this machine to {shown(url)} ({host.detail})",
        remedy="check the address, the route and the VPN",
        command=f"ip route get {', '.join(host.addresses[:1]) or urlsplit(url).hostname}",
    )


def host_silent(host: ObservedHost, severity: Severity) -> Finding:
    """The connection is accepted, and nothing comes back or it is reset."""
    url = host.host.url
    return Finding(
        "host_silent",
        severity,
        host.host.name,
        cause=f"{shown(url)} accepts the connection but sends no response ({host.detail}): Ollama hangs, or a proxy "
        "gets no answer from it",
        remedy=f"restart Ollama on {machine_of(url)}",
        command=RESTART,
    )


def host_slow(host: ObservedHost, severity: Severity) -> Finding:
    """The version comes, the lists of models do not."""
    url = host.host.url
    return Finding(
        "host_slow",
        severity,
        host.host.name,
        cause=f"{shown(url)} returns its version but not its lists of models ({host.detail}): it is evicting a model, "
        "its disk is busy, or its scheduler hangs",
        remedy=f"if this lasts, restart Ollama on {machine_of(url)}",
        command=RESTART,
    )


def host_not_ollama(host: ObservedHost, severity: Severity) -> Finding:
    """Another server answers."""
    url = host.host.url
    return Finding(
        "host_not_ollama",
        severity,
        host.host.name,
        cause=f"the server at {shown(url)} is not Ollama ({host.detail})",
        remedy=f'correct {_setting_of(host)}: Ollama\'s default port is 11434, and GET / returns "Ollama is running"',
        command=curl(url, "/"),
    )


def host_wrong_scheme(host: ObservedHost, severity: Severity) -> Finding:
    """The other scheme is spoken on the same port; ``host.instead`` is the address that works."""
    given, found = urlsplit(host.host.url), urlsplit(host.instead)
    return Finding(
        "host_wrong_scheme",
        severity,
        host.host.name,
        cause=f"{shown(host.host.url)} is configured with {given.scheme}://, but the server there speaks "
        f"{found.scheme}://",
        remedy=f"use {host.instead} in {_setting_of(host)}",
        command=curl(host.instead, "/api/version"),
    )


def host_wrong_scheme_no_tls(host: ObservedHost, severity: Severity) -> Finding:
    """Https is configured and there is no TLS on that port, nor an Ollama at another address."""
    url = host.host.url
    return Finding(
        "host_wrong_scheme",
        severity,
        host.host.name,
        cause=f"{shown(url)} is configured with https://, but the server there does not speak TLS ({host.detail})",
        remedy=f"use http:// in {_setting_of(host)} unless a proxy with a certificate is in front: Ollama itself has "
        "no TLS",
        command=curl(url.replace("https://", "http://", 1), "/api/version"),
    )


def host_wrong_port(host: ObservedHost, severity: Severity) -> Finding:
    """Ollama answers on another port of the same machine: ``host.instead``."""
    given, found = urlsplit(host.host.url), urlsplit(host.instead)
    why = _SCHEME_PORTS.get(given.port or 0, f"Ollama does not answer on port {given.port}")
    return Finding(
        "host_wrong_port",
        severity,
        host.host.name,
        cause=f"{why}, and Ollama answers on port {found.port} instead ({host.detail or host.reach})",
        remedy=f"use {host.instead} in {_setting_of(host)}",
        command=curl(host.instead, "/api/version"),
    )


def host_tls_untrusted(host: ObservedHost, severity: Severity) -> Finding:
    """The certificate is not trusted on this machine."""
    url = host.host.url
    return Finding(
        "host_tls_untrusted",
        severity,
        host.host.name,
        cause=f"this machine does not trust the certificate of {shown(url)} ({host.detail})",
        remedy="give the server a certificate for exactly that name, or trust the authority that signed it on this "
        "machine (SSL_CERT_FILE)",
        command=f"openssl s_client -connect {urlsplit(url).hostname}:{urlsplit(url).port} </dev/null",
    )


def host_forbids(host: ObservedHost, severity: Severity) -> Finding:
    """403 without a body: Ollama on loopback rejects other host names."""
    url = host.host.url
    return Finding(
        "host_forbids",
        severity,
        host.host.name,
        cause=f"{shown(url)} answers 403 without a reason: an Ollama that listens on loopback only rejects requests "
        "for any other host name",
        remedy=f"use its IP address in {_setting_of(host)}, or make it listen on all addresses on {machine_of(url)}",
        command=server_setting("OLLAMA_HOST", f"0.0.0.0:{urlsplit(url).port}"),
    )


def host_wants_login(host: ObservedHost, severity: Severity) -> Finding:
    """A proxy asks for credentials."""
    url = host.host.url
    return Finding(
        "host_wants_login",
        severity,
        host.host.name,
        cause=f"a proxy in front of {shown(url)} requires a user name and a password ({host.detail})",
        remedy=f"add them to {_setting_of(host)}: http://user:password@host:port",
        command=curl(url, "/api/version"),
    )


def host_seen_down(host: ObservedHost, why: str) -> Finding:
    """It answers this machine, but its driver reports it down."""
    url = host.host.url
    return Finding(
        "host_seen_down",
        "warning",
        host.host.name,
        cause=f"{shown(url)} answers from this machine, but the process that drives it can't use it "
        f"({why or 'no reason given'})",
        remedy="check from the driver's machine whether the address can be reached (firewall, DNS, container), and "
        "look for failed requests in Ollama's log",
        command=curl(url, "/api/version"),
    )


def host_driven_elsewhere(host: ObservedHost, address: str) -> Finding:
    """The process that drives the host of this name reaches it at another address."""
    name = host.host.name
    return Finding(
        "host_driven_elsewhere",
        "warning",
        name,
        cause=f"{name} is at {shown(host.host.url)} in this configuration, but the process that drives it uses "
        f"{address}: it was started before the address was changed, or has other settings, and what it reports is not "
        "about this server",
        remedy="restart the arena with this configuration",
        command="arena config",
    )


def host_asleep(host: ObservedHost) -> Finding:
    """It scales to zero and was not probed."""
    name = host.host.name
    return Finding(
        "host_asleep",
        "note",
        name,
        cause=f"{name} scales to zero and was not probed, because a probe would wake it",
        remedy="nothing to do; to wake and probe it, which may take 90 s and may cost money, run the command",
        command="arena doctor --wake",
    )


def same_server_twice(one: ObservedHost, other: ObservedHost) -> Finding:
    """Two hosts are one server: each would be driven as if it had the card to itself."""
    ollamas = one.reach == other.reach == "ollama"
    what = "load models on it and unload each other's" if ollamas else "together send it more answers than it has slots"
    return Finding(
        "same_server_twice",
        "warning",
        f"{one.host.name}, {other.host.name}",
        cause=f"{shown(one.host.url)} and {shown(other.host.url)} are the same server: two drivers {what}",
        remedy="keep only one of the two [[hosts]] tables in arena.toml",
        command=f"getent ahosts {urlsplit(other.host.url).hostname}",
    )


def version_too_old(host: ObservedHost) -> Finding:
    """Ollama before 0.30."""
    return Finding(
        "version_too_old",
        "warning",
        host.host.name,
        cause=f"Ollama {host.version} manages memory, slots and errors differently from 0.30 and later, which the "
        "arena plans for",
        remedy=f"install the current Ollama on {machine_of(host.host.url)}",
        command="curl -fsSL https://ollama.com/install.sh | sh",
    )


def _setting_of(host: ObservedHost) -> str:
    return "OLLAMA_HOST" if host.host.name == "local" else f"[[hosts]] {host.host.name}: url, in arena.toml"


def _implied_port(url: str) -> str:
    port = urlsplit(url).port
    return f" ({_SCHEME_PORTS[port]}; Ollama's default is 11434)" if port in _SCHEME_PORTS else ""
