"""The records of pairs, and the speed of models, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.leaderboard_tables import Body, bare_table, printable
from app.legible import visible


def show_pairs(console: Console, body: Body) -> None:
    """Print the record of each pair, and what the ratings expect of it."""
    if not body["head_to_head"]:
        console.print("No votes of ended battles yet.")
        return
    for warning in body["warnings"]:
        console.print(escape(printable(warning["sentence"])), highlight=False)
    table = bare_table(console)
    for heading in ("model", "against"):
        table.add_column(heading, overflow="fold", min_width=10)
    for heading in ("won", "lost", "tied", "bad", "share", "expected", "off"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in body["head_to_head"]:
        table.add_row(*(escape(visible(pair[side])) for side in ("model", "opponent")), *_figures(pair))
    console.print(table)
    console.print("share: wins and half the ties; off: its distance from what the ratings expect, in standard errors")


def _figures(pair: Mapping[str, Any]) -> list[str]:
    counts = [str(pair[name]) for name in ("wins", "losses", "ties", "both_bad")]
    shares = ["" if pair[name] is None else f"{100 * pair[name]:.0f} %" for name in ("share", "expected")]
    return [*counts, *shares, "" if pair["surprise"] is None else f"{pair['surprise']:+.1f}"]


def show_speed(console: Console, body: Body) -> None:
    """Print how fast each model writes on each host."""
    if not body["speed"]:
        console.print("No answers of ended battles yet.")
        return
    table = Table("model", "host", caption="seconds to the first token; tokens a second", caption_justify="left")
    for column in table.columns:
        column.overflow = "fold"
    for heading in ("answers", "cold", "ttft p50", "ttft p95", "warm p50", "warm p95", "tok/s p50", "tok/s p95"):
        table.add_column(heading, justify="right")
    for row in body["speed"]:
        ttft = (row[f"{which}ttft_s_{share}"] for which in ("", "warm_") for share in ("p50", "p95"))
        rate = (row["tokens_per_s_p50"], row["tokens_per_s_p95"])
        numbers = (*(_measured(figure, 2) for figure in ttft), *(_measured(figure, 1) for figure in rate))
        names = (escape(visible(row["model"])), escape(visible(row["host"])))
        table.add_row(*names, str(row["answers"]), str(row["cold_answers"]), *numbers)
    console.print(table)


def _measured(figure: float | None, digits: int) -> str:
    return "" if figure is None else f"{figure:.{digits}f}"
