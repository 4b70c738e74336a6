"""Findings about this machine and its settings: folders, clocks, settings without effect, the doctor itself."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from app.doctor.finding import Finding, Severity
from app.doctor.texts.commands import environment
from app.settings.settings import Ignored


def data_folder_unwritable(what: str, folder: str) -> Finding:
    """``what`` can't write to ``folder``."""
    return Finding(
        "data_folder_unwritable",
        "error",
        "ARENA_DATA_DIR",
        cause=f"{what} can't write to {folder}",
        remedy="set ARENA_DATA_DIR to a folder of this user on a local disk, or make this user its owner",
        command=f'sudo chown "$USER" {quote(folder)}',
    )


def clock_skew(subject: str, machine: str, skew_s: float) -> Finding:
    """The clock of ``machine`` is more than 5 s off."""
    return Finding(
        "clock_skew",
        "warning",
        subject,
        cause=f"the clock of {machine} is {abs(skew_s):.0f} s {'ahead' if skew_s > 0 else 'behind'}: the "
        "arena goes by the database's clock, but the times in logs can't be compared, and if it is the database's, "
        "battles and votes have a wrong date",
        remedy=f"set the clock of {machine} by NTP",
        command="sudo timedatectl set-ntp true && timedatectl",
    )


def machine_too_busy(whom: Sequence[str], lost_s: float, load: float) -> Finding:
    """Limits passed while this machine did not get to listen."""
    return Finding(
        "machine_too_busy",
        "warning",
        "this machine",
        cause=f"this machine is too busy to tell: {load:.1f} processes want each core, and it lost {lost_s:.1f} s "
        f"while it waited for {', '.join(whom)}, so the answer may have been kept up or not heard here",
        remedy="run it again when this machine has less to do, or on another one that reaches the same addresses",
        command="uptime",
    )


def forwarded_for_ignored(address: str, trusted: Sequence[str]) -> Finding:
    """A proxy tells who called and is not believed."""
    return Finding(
        "forwarded_for_ignored",
        "warning",
        "FORWARDED_ALLOW_IPS",
        cause=f"requests come from {address} with X-Forwarded-For, which is ignored because {address} is not among "
        "FORWARDED_ALLOW_IPS: everybody behind it counts as one voter",
        remedy="if it is your load balancer, add it (an address, or a network such as 10.0.0.0/8); if it is not, "
        "somebody pretends to be a proxy, and nothing is to be done",
        command=environment("FORWARDED_ALLOW_IPS", ",".join((*trusted, address))),
    )


def voters_look_alike(address: str) -> Finding:
    """Everybody votes from one address."""
    return Finding(
        "voters_look_alike",
        "warning",
        "voters",
        cause=f"the newest battles were all judged from {address} by people without a session: if that is a load "
        "balancer, everybody counts as one voter, and intervals on the leaderboard are wrong",
        remedy="make it add X-Forwarded-For, and add its address to FORWARDED_ALLOW_IPS; if it really was one person, "
        "nothing is to be done",
        command="arena config | grep FORWARDED_ALLOW_IPS",
    )


def setting_ignored(ignored: Ignored) -> Finding:
    """A setting, or a part of one, that has no effect."""
    severity: Severity = "warning" if ignored.mistake else "note"
    return Finding(
        "setting_ignored",
        severity,
        ignored.setting,
        cause=f"{ignored.setting}: {ignored.why}",
        remedy=ignored.remedy,
        command=f"grep -n {ignored.setting} .env" if ignored.mistake else "",
    )


def no_settings() -> Finding:
    """Neither ``.env`` nor the environment has a setting."""
    return Finding(
        "no_settings",
        "note",
        "settings",
        cause="this folder has no .env and the environment has no setting of the arena: what is examined are the "
        "defaults, which may not be those of the arena that you mean",
        remedy="go to the arena's folder; for a new one, copy .env.example",
        command="cp .env.example .env",
    )


def examination_slow(limit_s: float) -> Finding:
    """The doctor did not end in time for an HTTP response."""
    return Finding(
        "examination_slow",
        "warning",
        "the doctor",
        cause=f"the examination did not end within {limit_s:g} s",
        remedy="run it on the command line, where it may take longer",
        command="arena doctor",
    )
