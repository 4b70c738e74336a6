"""What a viewer gets: the battle's events from a cursor on, or the snapshot once it is worth showing.

An event's id, ``<name>-<n>``, is the SSE id and the cursor of snapshots; that of the end is ``<name>-<n>-end``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta

import orjson
from redis.exceptions import RedisError

from app.arena.hub import Feed, Hub, follow
from app.battle.battle import Status
from app.battle.events import Snapshot
from app.errors import NotFound, Unavailable

#: How long an event stream waits between two tries while Redis is unavailable, or the database where only it has the
#: battle.
REDIS_PAUSE_S = 0.5
DATABASE_PAUSE_S = 2.0
#: How long a client waits before it connects again, should the stream break meanwhile.
RETRY_FRAME = b"retry: 3000\n\n"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a battle's log: after event ``n`` of the log ``name``."""

    name: str
    n: int


def parse_cursor(text: str) -> tuple[Cursor, bool]:
    """Read ``<name>-<n>`` or ``<name>-<n>-end``; the flag says that it is the end's.

    Raises:
        ValueError: it is neither.
    """
    name, _, rest = text.partition("-")
    number, dash, end = rest.partition("-")
    well_formed = name.isascii() and name.isalnum() and number.isascii() and number.isdigit()
    if not well_formed or (dash and end != "end") or len(text) > 64:
        raise ValueError(f"{text[:64]!r} is not a cursor")
    return Cursor(name, int(number)), end == "end"


class Viewing:
    """Reads battles for viewers; ``snapshot`` gives a battle's snapshot of now."""

    def __init__(self, hub: Hub, snapshot: Callable[[str], Awaitable[Snapshot]]) -> None:
        self._hub = hub
        self._snapshot = snapshot

    async def wait(self, battle_id: str, limit: timedelta, done: Callable[[Snapshot], bool]) -> Snapshot:
        """Wait until ``done`` is true of the snapshot, the battle has ended or ``limit`` is over.

        Raises:
            NotFound: there is no such battle.
            redis.RedisError: Redis is unavailable.
        """
        deadline = asyncio.get_running_loop().time() + limit.total_seconds()
        with self._hub.watching(battle_id) as feed:
            await self._hub.catch_up(feed)
            while True:
                seen = feed.milestones
                snapshot = await self._snapshot(battle_id)
                if done(snapshot) or snapshot.status != Status.RUNNING:
                    return snapshot
                if not await _milestone(feed, seen, deadline):
                    return await self._snapshot(battle_id)  # texts have grown since

    async def events(self, battle_id: str, cursor: Cursor | None) -> AsyncGenerator[bytes]:
        """Yield the battle as SSE frames after ``cursor`` (None: from its first event), until its end.

        A cursor that can't be continued gets a ``snapshot`` first. While Redis is unavailable, or the database when
        Redis has lost the battle, the stream stays open, sends how long to wait should the connection break, and
        goes on where it was. It ends at once if there turns out to be no such battle: the client connects again and
        gets a 404.
        """
        retry_sent = False
        while True:
            try:
                async with aclosing(self._frames(battle_id, cursor)) as frames:
                    async for frame, reached in frames:
                        retry_sent, cursor = False, reached
                        yield frame
                return
            except NotFound:
                return
            except (RedisError, OSError, Unavailable) as error:
                if not retry_sent:
                    yield RETRY_FRAME
                retry_sent = True
                await asyncio.sleep(DATABASE_PAUSE_S if isinstance(error, Unavailable) else REDIS_PAUSE_S)

    async def _frames(self, battle_id: str, cursor: Cursor | None) -> AsyncGenerator[tuple[bytes, Cursor]]:
        with self._hub.watching(battle_id) as feed:
            while True:
                if not await self._catch_up_with(cursor, feed):
                    snapshot = await self._snapshot(battle_id)
                    cursor = parse_cursor(snapshot.cursor)[0]
                    yield _snapshot_frame(snapshot), cursor
                    if snapshot.status != Status.RUNNING:
                        yield _end_frame(snapshot), cursor
                        return
                    feed.stale, feed.lost = True, False
                    await self._hub.catch_up(feed)
                cursor = cursor or Cursor(feed.name, 0)
                async for frame, n in follow(feed, cursor.name, cursor.n):
                    cursor = Cursor(cursor.name, n)
                    yield frame, cursor
                if feed.ended and feed.name == cursor.name:
                    return

    async def _catch_up_with(self, cursor: Cursor | None, feed: Feed) -> bool:
        """Whether ``feed`` goes on at ``cursor`` once it is up to date."""
        await self._hub.catch_up(feed)
        if cursor is not None and cursor.name == feed.name and cursor.n > feed.last:
            feed.stale = True  # another worker was faster: the entry is still on its way to this one
            await self._hub.catch_up(feed)
        return not feed.lost and (cursor is None or (cursor.name == feed.name and cursor.n <= feed.last))


async def _milestone(feed: Feed, seen: int, deadline: float) -> bool:
    """Wait until the feed has passed more milestones than ``seen`` or was lost; False when the deadline came."""
    try:
        async with asyncio.timeout_at(deadline):
            while feed.milestones == seen and not feed.lost:
                await feed.change()
    except TimeoutError:
        return False
    return True


def _snapshot_frame(snapshot: Snapshot) -> bytes:
    return b"id: %s\nevent: snapshot\ndata: %s\n\n" % (snapshot.cursor.encode(), orjson.dumps(snapshot.to_dict()))


def _end_frame(snapshot: Snapshot) -> bytes:
    data = orjson.dumps({"status": snapshot.status, "reveal": snapshot.reveal})
    return b"id: %s\nevent: end\ndata: %s\n\n" % (snapshot.cursor.encode(), data)
