"""Findings about this machine and its settings: folders, clocks, settings without effect, the doctor itself."""

from __future__ import annotations

from shlex import quote

from app.doctor.finding import Finding, Severity
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
