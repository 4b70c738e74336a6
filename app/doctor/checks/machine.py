"""Checks of the clocks, and of settings that have no effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from app.database.address import ignored_words
from app.doctor.finding import Finding
from app.doctor.probing.observation import SKEW_S, Observation
from app.doctor.texts import machine as texts
from app.doctor.texts.commands import THIS_MACHINE, machine_of
from app.network.proxies import is_trusted


def on_settings(seen: Observation) -> Iterator[Finding]:
    """Settings that have no effect, or that there are none."""
    if seen.settings.given == frozenset():
        yield texts.no_settings()
    for ignored in (*seen.settings.ignored, *ignored_words(seen.settings.database_url)):
        yield texts.setting_ignored(ignored)


def on_lag(seen: Observation) -> Iterator[Finding]:
    """Whom this machine can't judge, because it had no time to listen."""
    if seen.unsure:
        yield texts.machine_too_busy(seen.unsure, seen.lost_s, seen.load)


def on_voters(seen: Observation) -> Iterator[Finding]:
    """Voters who can't be told apart, since a proxy's address is theirs. What was configured since is no sign."""
    for address, sign in seen.signs.items():
        if sign == "alone":
            yield texts.voters_look_alike(address)
        elif not is_trusted(address, seen.settings.forwarded_allow_ips):
            yield texts.forwarded_for_ignored(address, seen.settings.forwarded_allow_ips)


def on_clocks(seen: Observation) -> Iterator[Finding]:
    """Clocks that differ from ours; if all do by as much, ours is wrong."""
    skews = _skews(seen)
    wrong = {name: skew_s for name, skew_s in skews.items() if abs(skew_s) > SKEW_S}
    if len(wrong) > 1 and _is_ours(wrong, skews):
        yield texts.clock_skew(THIS_MACHINE, THIS_MACHINE, -next(iter(wrong.values())))
        return
    urls = {host.host.name: host.host.url for host in seen.hosts}
    for name, skew_s in wrong.items():
        machine = machine_of(urls[name]) if name in urls else f"the machine of {name}"
        yield texts.clock_skew(name, machine, skew_s)


def _skews(seen: Observation) -> dict[str, float]:
    """By subject: the hosts, Redis and the database, as far as their clocks are known."""
    known = {host.host.name: host.skew_s for host in seen.hosts}
    known |= {"redis": seen.redis.skew_s, "database": seen.database.skew_s}
    return {name: skew_s for name, skew_s in known.items() if skew_s is not None}


def _is_ours(wrong: Mapping[str, float], skews: Mapping[str, float]) -> bool:
    return len(wrong) == len(skews) and max(wrong.values()) - min(wrong.values()) < 2 * SKEW_S
