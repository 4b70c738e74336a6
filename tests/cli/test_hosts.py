"""``arena hosts``: what each host costs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.hosts_today import row_of, today
from app.cli.main import app
from app.database.address import database_url
from app.database.schema import ready
from app.hosts.host import Host
from app.scheduling.spending import Spent
from app.settings.settings import HostTable
from tests.services import settings_with


def test_cost_and_shares_are_of_the_time_awake() -> None:
    spent = Spent(awake_s=1800, busy_s=450, requests=9, wakes=2)
    row = row_of(Host("gpu", "http://x", price_per_hour=2.0), spent, {"gpu": (4, 3)})
    assert (row.awake_minutes, row.idle_share, row.requests, row.wakes) == (30.0, 0.75, 9, 2)
    assert (row.answers, row.users, row.cost, row.cost_per_answer) == (4, 3, 1.0, 0.25)
    free = row_of(Host("own", "http://x"), Spent(), {})
    assert (free.idle_share, free.cost, free.cost_per_answer) == (None, None, None)


async def test_a_day_without_anything_is_a_row_of_noughts(tmp_path: Path) -> None:
    row = HostTable(name="gpu", url="http://x", price_per_hour=1.0)
    settings = settings_with(**{"[[hosts]]": (row,), "arena_data_dir": tmp_path})
    await ready(database_url(settings))
    (shown,) = await today(settings)
    assert (shown.host, shown.answers, shown.users, shown.cost, shown.cost_per_answer) == ("gpu", 0, 0, 0.0, None)


def test_the_command_prints_a_line_for_each_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.cli.hosts import hosts

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARENA_DATA_DIR", str(tmp_path / "data"))
    settings = settings_with(arena_data_dir=tmp_path / "data")
    asyncio.run(ready(database_url(settings)))
    if "hosts" not in {command.name for command in app.registered_commands}:
        app.command("hosts")(hosts)
    shown = CliRunner().invoke(app, ["hosts"])
    assert shown.exit_code == 0, shown.output
    assert "local" in shown.output
