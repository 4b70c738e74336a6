"""The response that streams a round: it follows the battle's log on any worker and ends with the round.

An init and a final event are always sent, also when the process ends or the battle is lost in between: a page that
misses one of them waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import orjson
from fastapi import Response

from app.arena.viewing import parse_cursor
from app.battle.events import Event, Snapshot, fold
from app.errors import ArenaError
from app.tasks import cancel_and_wait
from app.web.legacy.encoder import Reader, RoundEncoder, frame, is_over
from app.web.legacy.history import BattleHistory, history_of
from app.web.shared.event_stream import EventStream
from app.web.shared.services import Services

#: How long a stream may take for its final event once the process is about to end.
CLOSING_S = 2.0


def _stream(content: AsyncGenerator[bytes], ending: asyncio.Event | None = None) -> Response:
    return EventStream(content, ending=ending, grace_s=CLOSING_S)


async def round_stream(services: Services, snapshot: Snapshot, reader: Reader) -> Response:
    """The round on stage in ``snapshot``, as ``reader`` needs it.

    Raises:
        NotFound: there is no such battle.
    """
    record = await services.manager.entered(snapshot.battle_id)

    def history_at(now: Snapshot) -> BattleHistory:
        return history_of(now, record, services.settings.arena_reveal)

    ending = asyncio.Event()
    return _stream(_round_events(services, snapshot, RoundEncoder(history_at, reader), ending), ending)


def single_event(event: dict[str, object]) -> Response:
    """A stream of one event."""

    async def content() -> AsyncGenerator[bytes]:
        yield frame(event)

    return _stream(content())


async def _round_events(
    services: Services, first: Snapshot, encoder: RoundEncoder, ending: asyncio.Event
) -> AsyncGenerator[bytes]:
    now = first
    yield frame(encoder.init(first))
    async with aclosing(_until(_snapshots(services, first), ending)) as snapshots:
        with suppress(ArenaError):
            async for later in snapshots:
                if later.round != first.round:
                    break
                now = later
                if is_over(now, first.round):
                    break
                news = encoder.news(now)
                if news:
                    yield b"".join(map(frame, news))
    yield b"".join(map(frame, encoder.final(now)))


async def _until(snapshots: AsyncGenerator[Snapshot], ending: asyncio.Event) -> AsyncGenerator[Snapshot]:
    """``snapshots`` until the process is about to end."""
    end = asyncio.ensure_future(ending.wait())
    async with aclosing(snapshots):
        try:
            while True:
                coming = asyncio.ensure_future(anext(snapshots, None))
                try:
                    await asyncio.wait({coming, end}, return_when=asyncio.FIRST_COMPLETED)
                    snapshot = coming.result() if coming.done() else None
                finally:
                    await cancel_and_wait(coming)
                if snapshot is None:
                    return
                yield snapshot
        finally:
            await cancel_and_wait(end)


async def _snapshots(services: Services, first: Snapshot) -> AsyncGenerator[Snapshot]:
    """The battle from ``first`` on: one snapshot for all that is ready at once, and one at the end of the round."""
    yield first
    if is_over(first, first.round):
        return
    now = first
    async with aclosing(services.viewing.events(first.battle_id, parse_cursor(first.cursor)[0])) as chunks:
        async for chunk in chunks:
            for event in events_of(chunk):
                now = fold(now, event)
                if is_over(now, first.round):
                    yield now
                    return
            yield now


def events_of(chunk: bytes) -> list[Event]:
    """The events in a piece of the native stream; comments and ``retry`` are none."""
    fields = [
        dict(line.split(b": ", 1) for line in part.split(b"\n") if b": " in line) for part in chunk.split(b"\n\n")
    ]
    return [Event(one[b"event"].decode(), orjson.loads(one[b"data"])) for one in fields if b"data" in one]
