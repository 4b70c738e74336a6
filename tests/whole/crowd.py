"""Viewers who come back after every cut, and what must hold of all that they have seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from time import monotonic
from typing import Any

import httpx

from app.battle.events import Event, Snapshot, fold
from tests.whole.client import BATTLES, Sse, Watched, client
from tests.whole.harness import MODELS, ModelServer

MESSAGES = ("Why do rivers bend?", "What makes bread rise?", "Who counts the stars?")


class Truth:
    """What each model says to each of ``MESSAGES``, asked of a fast server: with a fixed seed it is always the same."""

    def __init__(self) -> None:
        server = ModelServer(MODELS, tokens_per_s=5000.0)
        try:
            self._said = {(one, said): server.answer_of(one, said) for one in MODELS for said in MESSAGES}
        finally:
            server.close()

    def of(self, model: str, message: str) -> str:
        return self._said[model, message]

    def writer(self, message: str, text: str) -> str | None:
        """The model whose answer to the message begins with the text; None while that could be several."""
        first, *more = (one for one in MODELS if self.of(one, message).startswith(text))
        return None if more else first


class Viewer:
    """Reads the battle ``opened`` to its end; after a cut it goes on at another address, after ``pause_s``.

    ``address`` says where to connect each time. ``seen_at`` has the time at which each event came.
    """

    def __init__(self, opened: dict[str, Any], address: Callable[[], str], *, pause_s: float = 0.2) -> None:
        self.opened = opened
        self.watched = Watched()
        self.seen_at: list[float] = [monotonic()]
        self.cuts = 0
        self.refused: list[str] = []
        self._address = address
        self._pause_s = pause_s

    @property
    def events(self) -> list[Sse]:
        return self.watched.events

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1].event == "end"

    def can_vote(self, round_number: int) -> bool:
        ready = (event.data["round"] for event in reversed(self.events) if event.event == "ready")
        return self.ended or next(ready, 0) == round_number

    def sides_with_text(self) -> set[str]:
        return {event.data["side"] for event in self.watched.named("delta")}

    def longest_gap_s(self) -> float:
        return max(later - earlier for earlier, later in pairwise(self.seen_at))

    async def run(self) -> None:
        """View until the end."""
        while not self.ended:
            with suppress(httpx.TransportError):
                await self._read(self._address())
            if not self.ended:
                self.cuts += 1
                await asyncio.sleep(self._pause_s)

    async def _read(self, url: str) -> None:
        cursor = self.events[-1].id if self.events else self.opened["cursor"]
        address = f"{url}{BATTLES}/{self.opened['battle_id']}/events"
        left = b""
        async with client() as http, http.stream("GET", address, headers={"Last-Event-ID": cursor}) as response:
            if response.status_code != 200:
                self.refused.append(f"{response.status_code} {(await response.aread())[:200]!r}")
                return
            async for chunk in response.aiter_raw():
                *frames, left = (left + chunk).split(b"\n\n")
                for frame in frames:
                    if self.watched.take(frame) is not None:
                        self.seen_at.append(monotonic())


@asynccontextmanager
async def viewing(*viewers: Viewer) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Let them view in the background; the block's end waits for nobody."""
    tasks = [asyncio.create_task(viewer.run(), name="viewer") for viewer in viewers]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def complaints(opened: Mapping[str, Any], events: Sequence[Sse], end: Mapping[str, Any], truth: Truth) -> list[str]:
    """What is wrong with a battle as one viewer saw it; empty when everything is right.

    Every event came once and in order; at every moment each side showed the beginning of what its model says and
    nothing else; every answer is whole; the fold of all is the last snapshot; nobody has failed.
    """
    wrong = [*_numbering(opened, events), *_texts(opened, events, end, truth)]
    if end["status"] != "finished" or any(line["failed"] for line in end["reveal"]["ranking"]):
        wrong.append(f"ended as {end['status']}: {end['reveal']}")
    return [f"battle {opened['battle_id']}: {one}" for one in wrong]


def _number(cursor: str) -> int:
    return int(cursor.split("-")[1])


def _numbering(opened: Mapping[str, Any], events: Sequence[Sse]) -> Iterator[str]:
    if len({event.id.split("-")[0] for event in events}) != 1:
        yield "the log has changed its name"
    numbers = [_number(event.id) for event in events]
    expected = list(range(_number(opened["cursor"]) + 1, _number(opened["cursor"]) + 1 + len(events)))
    if numbers != expected:
        yield f"its events are {numbers}"
    if [event.event for event in events].index("end") != len(events) - 1:
        yield "something follows its end"


def _texts(opened: Mapping[str, Any], events: Sequence[Sse], end: Mapping[str, Any], truth: Truth) -> Iterator[str]:
    models = {line["alias"]: line["model"] for line in end["reveal"]["ranking"]}
    state = Snapshot.from_dict(opened)
    for event in events:
        state = fold(state, Event(event.event, event.data), event.id)
        for name, side in state.sides.items():
            said = truth.of(models[side.alias], opened["message"])
            if not said.startswith(side.text):
                yield f"at {event.id} side {name} shows {side.text!r}, but the model says {said!r}"
            if side.state == "done" and side.text != said:
                yield f"at {event.id} side {name} is complete with {side.text!r} instead of {said!r}"
            if side.state == "failed":
                yield f"at {event.id} side {name} has failed"
    if state.to_dict() != end:
        yield f"its fold {state.to_dict()} is not its snapshot {end}"
