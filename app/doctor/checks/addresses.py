"""Checks of the hosts' addresses: which do not answer, and what answers instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from urllib.parse import urlsplit

from app.doctor.finding import Finding, Severity
from app.doctor.probing.observation import Observation, ObservedHost, Reach
from app.doctor.texts import addresses as texts
from app.doctor.texts import servers
from app.doctor.texts.commands import has_no_name
from app.hosts.kinds import DEFAULT_KIND

OLDEST = (0, 30)
"""From 0.30 on (mid-2026) Ollama serves every model by llama-server, and the arena plans for its behaviour: the test of
what fits, one slot unless set otherwise, a load that is aborted when its caller disconnects. Older versions have other
runners, choose 4 or 1 slots by themselves (ollama/ollama#11125) and refuse a model with "requires more system memory"
(ollama/ollama#10920) instead."""

_UNREACHED: Mapping[Reach, Callable[[ObservedHost, Severity], Finding]] = {
    "dns": texts.host_dns_fails,
    "refused": texts.host_refuses,
    "no_connection": texts.host_times_out,
    "unreachable": texts.host_unreachable,
    "silent": texts.host_silent,
    "reset": texts.host_silent,
    "other": texts.host_not_ollama,
    "not_tls": texts.host_wrong_scheme_no_tls,
    "untrusted": texts.host_tls_untrusted,
    "forbidden": texts.host_forbids,
    "login": texts.host_wants_login,
    "put_to_sleep": servers.host_put_to_sleep,
}


def on_addresses(seen: Observation) -> Iterator[Finding]:
    """What is wrong with how the hosts are reached."""
    severity: Severity = "warning" if len(seen.catalog.models) >= 2 else "error"
    for host in seen.hosts:
        if host.answers:
            yield from _answering(host, seen, severity)
        elif host.reach == "unasked":
            yield texts.host_asleep(host)
        elif host.reach != "unsure":
            yield _unreached(host, seen, severity)
        if host.host.name in seen.other_addresses:
            yield texts.host_driven_elsewhere(host, seen.other_addresses[host.host.name])
    yield from _same_server(seen)


def _answering(host: ObservedHost, seen: Observation, severity: Severity) -> Iterator[Finding]:
    report = seen.reports.get(host.host.name)
    if report is not None and report.health == "down" and not report.fails_answers:
        yield texts.host_seen_down(host, report.why)
    if host.reach == "slow":
        yield texts.host_slow(host, severity)
    if host.reach != "chat" and _is_too_old(host.version):
        yield texts.version_too_old(host)


def _is_too_old(version: str) -> bool:
    """Whether it is older than ``OLDEST``; a build from source calls itself 0.0.0 and may be anything."""
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    return bool(numbers) and (0, 0) < numbers < OLDEST


def _unreached(host: ObservedHost, seen: Observation, severity: Severity) -> Finding:
    if host.reach == "other" and (host.found_kind or host.host.kind != DEFAULT_KIND):
        return servers.host_other_kind(host, severity)
    if host.instead:
        return _at_another_address(host, severity)
    finding = _UNREACHED[host.reach](host, severity)
    if host.host.kind != DEFAULT_KIND:
        finding = servers.in_words_for_other_kinds(finding, host)
    report = seen.reports.get(host.host.name)
    if report is not None and report.health == "up":
        return texts.but_its_driver_reports_it_up(finding)
    return finding


def _at_another_address(host: ObservedHost, severity: Severity) -> Finding:
    given, found = urlsplit(host.host.url), urlsplit(host.instead)
    if given.scheme != found.scheme and given.port == found.port:
        return texts.host_wrong_scheme(host, severity)
    return texts.host_wrong_port(host, severity)


def _same_server(seen: Observation) -> Iterator[Finding]:
    answering = [host for host in seen.hosts if host.reach in ("ollama", "chat")]
    for one, other in combinations(answering, 2):
        if _same_address(one, other) or _same_memory(one, other):
            yield texts.same_server_twice(one, other)


def _same_address(one: ObservedHost, other: ObservedHost) -> bool:
    """One address and port, and the same lists; several servers behind a name-based proxy may share an address."""
    first, second = urlsplit(one.host.url), urlsplit(other.host.url)
    shared = set(one.addresses) & set(other.addresses)
    same = (first.scheme, first.port, first.path) == (second.scheme, second.port, second.path)
    by_name = not has_no_name(one.host.url) and not has_no_name(other.host.url)
    return bool(shared) and same and not by_name and _same_lists(one, other)


def _same_lists(one: ObservedHost, other: ObservedHost) -> bool:
    """The same models; by their names where one list is Ollama's and the other that of its OpenAI API."""
    if one.reach == other.reach:
        return (one.installed, one.loaded) == (other.installed, other.loaded)
    return {model.name for model in one.installed} == {model.name for model in other.installed}


def _same_memory(one: ObservedHost, other: ObservedHost) -> bool:
    """The same models in memory that expire at the same microsecond."""
    return bool(one.loaded) and one.loaded == other.loaded and one.loaded[0].expires_at is not None
