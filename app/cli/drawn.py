"""``arena board --drawn``: which models battles are drawn from now, and how often each was, as Redis has it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.cli.leaderboard_tables import bare_table
from app.legible import visible
from app.settings.settings import Settings

if TYPE_CHECKING:
    from app.draw.shown import ShownRotation

LIMIT = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class DrawnNow:
    """The rotation, or the sentence that says ``why`` there is none to be seen."""

    rotation: ShownRotation | None = None
    why: str = ""


async def drawn_now(settings: Settings) -> DrawnNow:
    """The rotation of the arena that ``settings`` configure; never raises, whatever state Redis is in."""
    from redis.exceptions import RedisError

    from app.doctor.probing.observation import ObservedRedis
    from app.doctor.probing.observe import redis_of
    from app.draw.shown import shown
    from app.draw.store import DrawStore
    from app.metrics.counters import read_sums

    if settings.arena_draw != "rotation":
        return DrawnNow(why="Contestants are drawn uniformly from all models (ARENA_DRAW=uniform).")
    try:
        async with asyncio.timeout(LIMIT.total_seconds()), redis_of(settings) as redis:
            if isinstance(redis, ObservedRedis):
                return DrawnNow(why="The arena does not run, so nobody knows what battles are drawn from.")
            rotation = await shown(DrawStore(redis), partial(read_sums, redis))
    except (RedisError, OSError, TimeoutError):
        return DrawnNow(why="Redis does not answer, so nobody knows what battles are drawn from.")
    if rotation is None:
        return DrawnNow(why="There is no rotation yet: contestants are drawn uniformly from all models.")
    return DrawnNow(rotation)


def rotation_line(now: DrawnNow) -> str:
    """What battles are drawn from, in one line."""
    if now.rotation is None:
        return now.why
    sets = "; ".join(f"{_names(models)} on {visible(host)}" for host, models in now.rotation.sets.items() if models)
    return f"Battles are drawn from {sets or 'no host'} since {_clock(now.rotation.since)}{_warm(now.rotation)}."


def _warm(rotation: ShownRotation) -> str:
    share = rotation.without_load
    return "" if share is None else f"; {share:.0%} of all battles waited for no load".replace("%", " %")


def show_drawn(console: Console, now: DrawnNow) -> None:
    """Print the sets, when they change, and how often models and pairs were drawn."""
    console.print(escape(rotation_line(now)), highlight=False)
    if now.rotation is None:
        return
    for line in _about(now.rotation):
        console.print(escape(line), highlight=False)
    console.print(_models(console, now.rotation))
    console.print(_pairs(console, now.rotation))
    console.print(
        "drawn: beside another model, within the last day; share: of the draws of a pair now", highlight=False
    )


def _about(rotation: ShownRotation) -> list[str]:
    came = f"{visible(rotation.came)} came" if rotation.came else "it was filled"
    went = f" for {_names(rotation.went)}" if rotation.went else ""
    lines = [
        f"{rotation.battles:,} battles were drawn from this set ({rotation.set_id}): {came}{went} ({rotation.why}).",
        f"The next model comes between {_clock(rotation.earliest)} and {_clock(rotation.latest)}, if people play.",
    ]
    return lines if rotation.reserve else lines[:1]


def _models(console: Console, rotation: ShownRotation) -> Table:
    table = bare_table(console)
    table.add_column("model", overflow="fold")
    table.add_column("drawn", justify="right", no_wrap=True)
    table.add_column("is drawn now", overflow="fold")
    for model, count in sorted(rotation.drawn.items(), key=lambda one: (-one[1], one[0])):
        on = [visible(host) for host, models in rotation.sets.items() if model in models]
        table.add_row(escape(visible(model)), f"{count:,}", escape(f"on {', '.join(on)}") if on else "")
    return table


def _pairs(console: Console, rotation: ShownRotation) -> Table:
    table = bare_table(console)
    for heading in ("model", "beside"):
        table.add_column(heading, overflow="fold")
    for heading in ("drawn", "share"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in rotation.pairs:
        share = f"{pair.share:.0%}".replace("%", " %") if pair.share else ""
        table.add_row(*(escape(visible(model)) for model in pair.models), f"{pair.drawn:,}", share)
    return table


def _names(models: tuple[str, ...]) -> str:
    return ", ".join(map(visible, models))


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M} UTC"
