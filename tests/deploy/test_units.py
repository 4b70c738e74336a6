"""Systemd's units: they call commands that there are, and wait long enough for the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.main import get_command

from app.cli.main import app
from app.settings.settings import Settings

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
COMMANDS = set(get_command(app).list_commands(None))  # type: ignore[attr-defined]  # a group, without a context


def lines(unit: str, key: str) -> list[str]:
    found = [line.partition("=") for line in (UNITS / unit).read_text().splitlines()]
    return [value for name, _, value in found if name == key]


@pytest.mark.parametrize("unit", ["arena-serve.service", "arena-scheduler.service"])
def test_a_unit_starts_a_command_and_gives_it_time_to_end(unit: str) -> None:
    (start,) = lines(unit, "ExecStart")
    assert start.split()[1] in COMMANDS
    assert lines(unit, "Type") == ["notify"]
    drain_s = Settings.model_fields["arena_drain"].default.total_seconds()
    assert int(lines(unit, "TimeoutStopSec")[0]) > drain_s + 5 + 15
    assert lines(unit, "Restart") == ["on-failure"]


def test_what_ollama_is_told_is_what_the_doctor_asks_for() -> None:
    variables = dict(line.split("=", 1) for line in lines("ollama.service.d-arena.conf", "Environment"))
    assert variables["OLLAMA_KEEP_ALIVE"] == "72h"
    assert int(variables["OLLAMA_NUM_PARALLEL"]) >= 1
