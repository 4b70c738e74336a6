"""``arena hosts``: what each host costs and does today (UTC)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from app.cli.folder import load_settings

if TYPE_CHECKING:
    from app.cli.hosts_today import HostToday

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


def hosts(as_json: AsJson = False) -> None:
    """Show for each host, of today (UTC): time awake, idle share, requests, answers, users, cost, cost per answer."""
    from app.cli.hosts_today import today

    rows = asyncio.run(today(load_settings()))
    if as_json:
        written = [asdict(row) for row in rows]
        sys.stdout.write(f"{orjson.dumps({'hosts': written}, option=orjson.OPT_INDENT_2).decode()}\n")
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("host", title="Today (UTC)", title_justify="left", padding=(0, 0, 0, 1), collapse_padding=True)
    for heading in ("awake", "idle", "asked", "woken", "answers", "users", "cost", "each"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    Console().print(table)


def _cells(row: HostToday) -> Sequence[str]:
    idle = "" if row.idle_share is None else f"{row.idle_share:.0%}"
    of_budget = "" if row.budget_per_day is None else f" of {row.budget_per_day:g}"
    cost = "" if row.cost is None else f"{row.cost:.2f}{of_budget}"
    each = "" if row.cost_per_answer is None else f"{row.cost_per_answer:.4f}"
    counts = (row.requests, row.wakes, row.answers, row.users)
    return (f"{row.host} ({row.kind})", f"{row.awake_minutes:.0f} min", idle, *map(str, counts), cost, each)
