"""Findings about settings that have no effect. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from app.database.address import ignored_words
from app.doctor.checks.finding import Finding, Severity
from app.doctor.probing.observation import Observation


def on_settings(seen: Observation) -> Iterator[Finding]:
    """What is set and does nothing."""
    for one in (*seen.settings.ignored, *ignored_words(seen.settings.database_url)):
        severity: Severity = "warning" if one.mistake else "note"
        command = f"grep -n {one.setting} .env" if one.mistake else ""
        yield Finding("setting_ignored", severity, one.setting, f"{one.setting}: {one.why}", one.remedy, command)
