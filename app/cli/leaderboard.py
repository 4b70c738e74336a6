"""``arena board``: the leaderboard in the terminal, made of the database itself; no server needs to run."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.settings.settings import Settings, load_settings

if TYPE_CHECKING:
    from app.leaderboard.query import LeaderboardQuery

Category = Annotated[str, typer.Option(help="Only votes on questions of this category.")]
Language = Annotated[str, typer.Option(help="Only votes on questions in this language.")]
Style = Annotated[str, typer.Option(help="Set looks aside: all, or a list of length,headers,lists,bold.")]
Include = Annotated[str, typer.Option(help="Let marked votes in: a list of fallback,leaked.")]
Ties = Annotated[str, typer.Option(help="How ties count: half_win, davidson or rao_kupper.")]
Anchor = Annotated[str, typer.Option(help="The model whose rating is 1000; without it, the mean is.")]
BothBad = Annotated[str, typer.Option(help="A verdict that both are bad: drop, or tie as public boards count it.")]
Speed = Annotated[bool, typer.Option("--speed", help="How fast each model writes on each host, instead.")]
AsJson = Annotated[bool, typer.Option("--json", help="The body that GET /api/arena/leaderboard answers.")]


def board(
    category: Category = "",
    language: Language = "",
    style: Style = "",
    include: Include = "",
    ties: Ties = "",
    anchor: Anchor = "",
    both_bad: BothBad = "",
    speed: Speed = False,
    as_json: AsJson = False,
) -> None:
    """Show who is best, and how sure that is, from the votes of ended battles."""
    from app.leaderboard.query import LeaderboardQuery  # numpy takes a while, and other commands don't need it

    query = LeaderboardQuery.of(category, language, style, include, ties, anchor, both_bad)
    body = asyncio.run(_body(load_settings(), query, speed=speed))
    if as_json:
        sys.stdout.write(f"{body.decode()}\n")
        return
    shown = orjson.loads(body)
    (_show_speed if speed else _show_board)(Console(), shown)


async def _body(settings: Settings, query: LeaderboardQuery, *, speed: bool) -> bytes:
    from app.database.database import Database, database_url
    from app.database.schema import ready
    from app.leaderboard.bodies import SPEED, accepted, bodies_of, facts_of
    from app.leaderboard.gather import gather

    url = database_url(settings)
    await ready(url)
    database = Database(url)
    try:
        gathered = await gather(database, lambda: settings.arena_models, with_style=bool(query.features))
    finally:
        await database.aclose()
    facts_of(gathered).check_anchor(query)
    return accepted(bodies_of(gathered, [query])[SPEED if speed else query.key])


def _show_board(console: Console, body: dict[str, Any]) -> None:
    if not body["leaderboard"]:
        console.print("No votes of ended battles yet.")
        return
    table = Table("rank", "model", caption=escape(_caption(body)), caption_justify="left")
    for heading in ("rating", "interval", "P(best)", "battles", "votes", "wins", "notes"):
        table.add_column(heading, justify="left" if heading == "notes" else "right")
    for row in body["leaderboard"]:
        table.add_row(*_cells(row), style="dim" if row["provisional"] else "")
    console.print(table)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    low, high = row["rank_low"], row["rank_high"]
    rank = str(low) if low == high else f"{low} to {high}"
    lower, upper = row["rating_lower"], row["rating_upper"]
    interval = " … ".join("" if end is None else f"{end:.0f}" for end in (lower, upper)).strip()
    return (
        "" if row["provisional"] else rank,
        escape(row["display_name"]),
        f"{row['elo_rating']:.0f}",
        "" if lower is None and upper is None else interval,
        "" if row["p_best"] is None else f"{row['p_best']:.0%}",
        str(row["battles_fought"]),
        str(row["votes"]),
        f"{row['win_rate']:.0f} %",
        ", ".join([*(reason.replace("_", " ") for reason in row["reasons"]), *(["retired"] if row["retired"] else [])]),
    )


def _caption(body: dict[str, Any]) -> str:
    method, counts, finding = body["method"], body["counts"], body["finding"]
    gauge = f"{method['anchor']} is {method['gauge_at']:.0f}" if method["anchor"] else f"mean {method['gauge_at']:.0f}"
    left_out = ", ".join(f"{number} {reason.replace('_', ' ')}" for reason, number in counts["left_out"].items())
    flips = f" {finding['flips']} flipped votes would put another first." if finding["flips"] else ""
    return (
        f"{finding['sentence']}{flips}\n{counts['votes']} votes of ended battles"
        f"{f' (left out: {left_out})' if left_out else ''}; {method['level']:.0%} intervals; {gauge}"
    )


def _show_speed(console: Console, body: dict[str, Any]) -> None:
    if not body["speed"]:
        console.print("No answers of ended battles yet.")
        return
    table = Table("model", "host", caption="seconds to the first token; tokens a second", caption_justify="left")
    for heading in ("answers", "cold", "ttft p50", "ttft p95", "warm p50", "warm p95", "tok/s p50", "tok/s p95"):
        table.add_column(heading, justify="right")
    for row in body["speed"]:
        ttft = (row[f"{which}ttft_s_{share}"] for which in ("", "warm_") for share in ("p50", "p95"))
        pace = (row["tokens_per_s_p50"], row["tokens_per_s_p95"])
        numbers = (*(_number(figure, 2) for figure in ttft), *(_number(figure, 1) for figure in pace))
        table.add_row(escape(row["model"]), row["host"], str(row["answers"]), str(row["cold_answers"]), *numbers)
    console.print(table)


def _number(figure: float | None, digits: int) -> str:
    return "" if figure is None else f"{figure:.{digits}f}"
