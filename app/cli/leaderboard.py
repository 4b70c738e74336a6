"""``arena board``: the leaderboard in the terminal, made of the database itself; no server needs to run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import orjson
import typer

from app.cli.folder import load_settings, settings_with_records
from app.cli.json_output import write_json

if TYPE_CHECKING:
    from app.leaderboard.query import LeaderboardQuery
    from app.settings.settings import Settings

Category = Annotated[str, typer.Option(help="Only votes on questions of this category.")]
Language = Annotated[str, typer.Option(help="Only votes on questions in this language.")]
Style = Annotated[str, typer.Option(help="Correct for style: all, or a list of length,headers,lists,bold.")]
Include = Annotated[str, typer.Option(help="Let marked votes in: a list of fallback,leaked,cut_prompt,named,batch.")]
Ties = Annotated[str, typer.Option(help="How ties count: half_win, davidson or rao_kupper.")]
Anchor = Annotated[str, typer.Option(help="The model whose rating is 1000; without it, the mean is.")]
BothBad = Annotated[str, typer.Option(help="A verdict that both are bad: drop, or tie as public boards count it.")]
Effects = Annotated[str, typer.Option(help="Fit what seats are worth, too: all, or a list of side,champion.")]
Cluster = Annotated[str, typer.Option(help="Which votes err together: auto, battle or voter.")]
Since = Annotated[str, typer.Option(help="Only votes since a day (2026-08-31), or of so many days (30d).")]
Pairs = Annotated[bool, typer.Option("--pairs", help="Who did what against whom, instead.")]
Explain = Annotated[bool, typer.Option("--explain", help="Say in one line each what the figures mean.")]
Speed = Annotated[bool, typer.Option("--speed", help="How fast each model writes on each host, instead.")]
Drawn = Annotated[bool, typer.Option("--drawn", help="Which models battles are drawn from now, and how often.")]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="As GET /api/arena/leaderboard answers; with --drawn, as /api/arena/hosts does.",
    ),
]


def board(
    category: Category = "",
    language: Language = "",
    style: Style = "",
    include: Include = "",
    ties: Ties = "",
    anchor: Anchor = "",
    both_bad: BothBad = "",
    effects: Effects = "",
    cluster: Cluster = "",
    since: Since = "",
    pairs: Pairs = False,
    explain: Explain = False,
    speed: Speed = False,
    drawn: Drawn = False,
    as_json: AsJson = False,
) -> None:
    """Show who is best, and how sure that is, from the votes of ended battles."""
    if drawn:
        _drawn(load_settings(), as_json=as_json)
        return
    from app.leaderboard.query import LeaderboardQuery

    query = LeaderboardQuery.of(category, language, style, include, ties, anchor, both_bad, effects, cluster, since)
    settings = settings_with_records()
    body = asyncio.run(_body(settings, query, speed=speed))
    if as_json:
        write_json(body)
        return
    from rich.console import Console
    from rich.markup import escape

    from app.cli.drawn import drawn_now, rotation_line
    from app.cli.leaderboard_tables import show_board
    from app.cli.pair_tables import show_pairs, show_speed

    shown = orjson.loads(body)
    if speed:
        show_speed(Console(), shown)
    elif pairs:
        show_pairs(Console(), shown)
    else:
        show_board(Console(), shown, explain=explain)
        Console().print(escape(rotation_line(asyncio.run(drawn_now(settings)))), highlight=False)


def _drawn(settings: Settings, *, as_json: bool) -> None:
    from rich.console import Console

    from app.cli.drawn import drawn_now, show_drawn

    now = asyncio.run(drawn_now(settings))
    if not as_json:
        show_drawn(Console(), now)
        return
    from app.web.api.host_views import rotation_view

    write_json(orjson.dumps(rotation_view(now.rotation), option=orjson.OPT_INDENT_2))


async def _body(settings: Settings, query: LeaderboardQuery, *, speed: bool) -> bytes:
    from app.database.address import database_url
    from app.database.database import Database
    from app.database.schema import ready
    from app.leaderboard.bodies import SPEED, accepted
    from app.leaderboard.gather import counted_marks, gather_for
    from app.leaderboard.making import bodies_of, facts_of

    url = database_url(settings)
    await ready(url)
    database, counted = Database(url), counted_marks(settings.arena_named_votes)
    try:
        gathered = await gather_for(database, lambda: settings.arena_models, [query], counted)
    finally:
        await database.aclose()
    facts_of(gathered).check(query, [table.name for table in settings.categories])
    return accepted(bodies_of(gathered, [query])[SPEED if speed else query.key])
