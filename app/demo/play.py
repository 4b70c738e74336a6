"""A client as anybody could write one: it opens a battle, folds the events, draws both sides, votes."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.battle.battle import Side, Status, Verdict
from app.battle.events import Event, SideView, Snapshot, fold
from app.demo.votes import Voter

_WORDS = {
    Verdict.A: "the left one is better",
    Verdict.B: "the right one is better",
    Verdict.TIE: "a tie",
    Verdict.BOTH_BAD: "neither is good",
}
_QUESTION = Text("[a] left is better   [b] right is better   [t] tie   [n] neither", style="bold green")
_STATES = {"waiting": "…", "queued": "waits for its turn", "loading": "is being loaded", "writing": "writes"}


async def play(client: httpx.AsyncClient, console: Console, message: str, voter: Voter) -> None:
    """Play one battle to its end and print the ranking."""
    opened = await client.post("/api/arena/battles", json={"message": message})
    opened.raise_for_status()
    snapshot = Snapshot.from_dict(opened.json())
    console.print(Text.assemble(("The question: ", "bold"), message), "")
    while snapshot.status == Status.RUNNING:
        snapshot = await _watch_round(client, console, snapshot)
        if snapshot.can_vote:
            console.print(_QUESTION if console.is_terminal else "")
            await _vote(client, console, snapshot, await voter(snapshot))
    console.print(_ranking(snapshot))


async def _watch_round(client: httpx.AsyncClient, console: Console, snapshot: Snapshot) -> Snapshot:
    """Follow the stream until the round can be judged or the battle has ended; the resumed stream starts there."""
    height = max(8, console.height - 8)
    with Live(_picture(snapshot, height), console=console, refresh_per_second=15, transient=True) as live:
        async for event, cursor in _events(client, snapshot):
            snapshot = fold(snapshot, event, cursor)
            live.update(_picture(snapshot, height))
            if snapshot.can_vote or snapshot.status != Status.RUNNING:
                break
    console.print(_picture(snapshot))
    return snapshot


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
    console.print(Text.assemble(("Verdict: ", "bold"), _WORDS[verdict]), "")


def _picture(snapshot: Snapshot, height: int | None = None) -> RenderableType:
    title = Text(f"Round {snapshot.round} of {snapshot.rounds_total}", style="bold")
    panels = Table.grid(expand=True)
    for _ in Side:
        panels.add_column(ratio=1)
    panels.add_row(*(_panel(snapshot.sides[side], height) for side in Side))
    return Group(title, panels)


def _panel(side: SideView, height: int | None) -> Panel:
    colour = {"writing": "cyan", "done": "green", "failed": "red"}.get(side.state, "dim")
    note = _STATES.get(side.state, "")
    text = Text(side.text) if side.text else Text(note, style="dim italic")
    return Panel(text, title=side.alias, subtitle=note if side.text else None, border_style=colour, height=height)


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
