"""A client as anybody could write one: it opens a battle, folds the events, draws both sides, votes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

import httpx
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.battle.battle import Side, Status, Verdict
from app.battle.events import Event, SideView, Snapshot, fold
from app.demo.votes import Voter

_STATES = {"waiting": "…", "queued": "waits for its turn", "loading": "is being loaded", "writing": "writes"}


async def play(client: httpx.AsyncClient, console: Console, message: str, voter: Voter) -> None:
    """Play one battle to its end and print the ranking."""
    opened = await client.post("/api/arena/battles", json={"message": message})
    opened.raise_for_status()
    snapshot = Snapshot.from_dict(opened.json())
    client.headers["X-Battle-Token"] = opened.json()["token"]
    console.print(Text.assemble(("The question: ", "bold"), message), "")
    while snapshot.status == Status.RUNNING:
        snapshot = await _watch_round(client, console, snapshot)
        if snapshot.can_vote:
            console.print(_picture(snapshot))
            console.print(_question(snapshot) if console.is_terminal else "")
            await _vote(client, console, snapshot, await voter(snapshot))
    console.print(_ranking(snapshot))


async def _watch_round(client: httpx.AsyncClient, console: Console, snapshot: Snapshot) -> Snapshot:
    """Follow the stream until the round takes a vote or the battle has ended; the resumed stream starts there."""
    # The alternate screen is drawn anew as a whole: a terminal that is resized in between keeps no ruins.
    with Live(
        _Newest(snapshot), console=console, refresh_per_second=15, screen=console.is_terminal, transient=True
    ) as live:
        async for event, cursor in _events(client, snapshot):
            snapshot = fold(snapshot, event, cursor)
            live.update(_Newest(snapshot))
            if snapshot.can_vote or snapshot.status != Status.RUNNING:
                break
    return snapshot


@dataclass(frozen=True, slots=True)
class _Newest:
    """A round as it is being written; of an answer that is longer than the terminal, its newest lines."""

    snapshot: Snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = max((options.height or console.height) - 3, 3)  # the title and the panel's two edges
        width = max(options.max_width // 2 - 4, 10)  # a panel's edge and padding on either side
        sides = {
            side: replace(view, text="\n".join(line.plain for line in Text(view.text).wrap(console, width)[-lines:]))
            for side, view in self.snapshot.sides.items()
        }
        yield _picture(replace(self.snapshot, sides=sides))


def _in_words(snapshot: Snapshot, verdict: Verdict) -> str:
    match verdict:
        case Verdict.TIE:
            return "a tie"
        case Verdict.BOTH_BAD:
            return "neither is good"
        case _:
            return f"{snapshot.sides[Side(verdict.value)].alias} is better"


def _question(snapshot: Snapshot) -> Text:
    a, b = snapshot.sides[Side.A].alias, snapshot.sides[Side.B].alias
    return Text(f"[a] {a} is better   [b] {b} is better   [t] tie   [n] neither", style="bold green")


async def _events(client: httpx.AsyncClient, snapshot: Snapshot) -> AsyncGenerator[tuple[Event, str]]:
    async with client.stream("GET", snapshot.events, params={"after": snapshot.cursor}) as response:
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            name, colon, value = line.partition(": ")
            if colon and name:
                fields[name] = value
            elif not line and "event" in fields:
                yield Event(fields["event"], json.loads(fields["data"])), fields["id"]
                fields = {}


async def _vote(client: httpx.AsyncClient, console: Console, snapshot: Snapshot, verdict: Verdict) -> None:
    path = f"/api/arena/battles/{snapshot.battle_id}/votes"
    answer = await client.post(path, json={"round": snapshot.round, "verdict": verdict.value})
    answer.raise_for_status()
    console.print(Text.assemble(("Verdict: ", "bold"), _in_words(snapshot, verdict)), "")


def _picture(snapshot: Snapshot) -> RenderableType:
    title = Text(f"Round {snapshot.round} of {snapshot.rounds_total}", style="bold")
    panels = Table.grid(expand=True)
    for _ in Side:
        panels.add_column(ratio=1)
    panels.add_row(*(_panel(snapshot.sides[side]) for side in Side))
    return Group(title, panels)


def _panel(side: SideView) -> Panel:
    colour = {"writing": "cyan", "done": "green", "failed": "red"}.get(side.state, "dim")
    note = _STATES.get(side.state, "")
    text = Text(side.text) if side.text else Text(note, style="dim italic")
    return Panel(text, title=side.alias, subtitle=note if side.text else None, border_style=colour)


def _ranking(snapshot: Snapshot) -> RenderableType:
    table = Table("place", "alias", "model", "first token", "tokens/s", title="Final ranking", title_style="bold")
    for line in (snapshot.reveal or {"ranking": []})["ranking"]:
        table.add_row(*_ranking_row(line))
    return table


def _ranking_row(line: dict[str, Any]) -> tuple[str, ...]:
    timing = line["timing"] or {}
    place = "failed" if line["failed"] else str(line["place"] or "-")
    first, rate = timing.get("ttft_s"), timing.get("tokens_per_s")
    return (
        place,
        line["alias"],
        line["model"],
        "-" if first is None else f"{first:.2f} s",
        "-" if rate is None else f"{rate:.0f}",
    )
