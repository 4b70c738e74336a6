"""What viewers read: one subscription per worker, one ring of encoded frames per battle, a cursor per viewer.

Subscribe first, then read the log. A published entry with number last+1 is added, an older one is dropped; a number
skipped, a new connection of the subscription, or two seconds of silence on a battle that has viewers means reading the
log from the last number on. So a lost message only costs time. Another name of the log empties the ring: the battle
was rebuilt, and every viewer gets a snapshot. A viewer holds a place in the shared ring and no queue, so a slow
one costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import contextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

import msgpack
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.arena.store import Store
from app.battle.events import MILESTONES
from app.store_errors import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNEL = "arena:news"
SILENCE_S = 2.0
REFRESH_EVERY_S = 0.5
_MILESTONES = frozenset(name.value.encode() for name in MILESTONES)

log = structlog.get_logger(__name__)


def frame_of(name: bytes, n: int, event: bytes, data: bytes) -> bytes:
    """An entry of the log as an SSE frame."""
    end = b"-end" if event == b"end" else b""
    return b"id: %b-%d%b\nevent: %b\ndata: %b\n\n" % (name, n, end, event, data)


class Feed:
    """One battle as the viewers of this worker see it: the frames of its log, from number 1 on.

    ``stale``: entries may be missing, read the log. ``lost``: Redis has no such battle. ``disconnected``: the
    subscription has no connection.
    """

    def __init__(self, battle: str, clock: Callable[[], float]) -> None:
        self.battle = battle
        self._name = b""
        self.frames: list[bytes] = []
        self.ended = False
        self.lost = False
        self.milestones = 0
        self.viewers = 0
        self.stale = True
        self.disconnected = False
        self.reading: asyncio.Task[None] | None = None
        self.last_entry_at = clock()
        self._clock = clock
        self._waiting: set[asyncio.Future[None]] = set()
        self._woken = False
        self._joined = (0, 0, b"")

    @property
    def name(self) -> str:
        """The log's name; empty before it was read."""
        return self._name.decode()

    @property
    def waiting(self) -> int:
        """How many wait for a change."""
        return len(self._waiting)

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return len(self.frames)

    def since(self, after: int) -> bytes:
        """All frames after number ``after`` in one piece, which is the same object for all who are at this place."""
        if self._joined[:2] != (after, self.last):
            self._joined = after, self.last, b"".join(self.frames[after:])
        return self._joined[2]

    async def change(self) -> None:
        """Wait until something was added, or the battle was rebuilt or lost."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:  # who gives up must not be kept until the next change: a battle that waits for a verdict has none
            self._waiting.discard(waiter)

    def wake(self) -> None:
        """Wake all who wait for a change, once for all entries that were added together."""
        self._woken = False
        waiting, self._waiting = self._waiting, set()
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def take(self, name: bytes, entries: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Add the entries that follow; a gap or another name means that the log must be read."""
        self.last_entry_at = self._clock()
        for n, event, data in entries:
            if name != self._name or n > len(self.frames) + 1:
                self.stale = True
                return
            if n == len(self.frames) + 1:
                self._add(n, event, data)

    def rename(self, name: str | None) -> None:
        """Start with an empty ring under another name; None: Redis has lost the battle."""
        self._name, self.lost = (name or "").encode(), name is None
        self.frames, self.ended, self._joined = [], False, (0, 0, b"")
        self.wake()

    def _add(self, n: int, event: bytes, data: bytes) -> None:
        self.frames.append(frame_of(self._name, n, event, data))
        if event in _MILESTONES:
            self.milestones += 1
            self.ended = self.ended or event == b"end"
        if self._waiting and not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self.wake)


class Hub:
    """Every battle that this worker's viewers watch. ``run`` and ``refresh_stale`` are its tasks."""

    def __init__(self, store: Store, subscriber: Redis, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._subscriber = subscriber
        self._clock = clock
        self._feeds: dict[bytes, Feed] = {}
        self._watched = asyncio.Event()
        self._lost = False

    @contextmanager
    def watching(self, battle: str) -> Iterator[Feed]:
        """The feed of a battle, kept while somebody watches it; call ``catch_up`` before the first read."""
        key = battle.encode()
        feed = self._feeds.setdefault(key, Feed(battle, self._clock))
        feed.viewers += 1
        self._watched.set()
        try:
            yield feed
        finally:
            feed.viewers -= 1
            if feed.viewers == 0 and self._feeds.get(key) is feed:
                del self._feeds[key]
                if not self._feeds:
                    self._watched.clear()

    async def catch_up(self, feed: Feed) -> None:
        """Read the log from the feed's last number on, until nothing is missing.

        A second caller waits for the read that is under way: two at once would take a part of the log for another log.

        Raises:
            redis.RedisError: Redis is unavailable; the feed stays behind.
        """
        while feed.reading is not None or (feed.stale and not feed.lost):
            before = (feed.name, feed.last)
            if feed.reading is None:
                feed.reading = asyncio.create_task(self._read_once(feed), name=f"read the log of {feed.battle}")
            await asyncio.shield(feed.reading)
            if feed.stale and (feed.name, feed.last) == before and feed.name:
                return  # a log with a gap: ``refresh_stale`` reads it again later

    async def _read_once(self, feed: Feed) -> None:
        feed.stale = False
        try:
            await self._read_log(feed)
            feed.disconnected = False
        except BaseException:
            feed.stale = True
            raise
        finally:
            feed.reading = None

    async def _read_log(self, feed: Feed) -> None:
        name, entries = await self._store.log(feed.battle, feed.last)
        if name != feed.name or name is None:
            read_from = feed.last
            feed.rename(name)
            if read_from:  # what was read continues another log: read this one from its beginning
                feed.stale = True
                return
        if name is not None:
            feed.take(name.encode(), entries)

    async def run(self) -> None:
        """Receive what is published until cancelled, through every loss of the connection."""
        while True:
            reason = "the subscription ended"
            try:
                await self._follow()
            except (RedisError, OSError) as error:
                reason = reason_of(error)
            if not self._lost:
                log.warning("hub_lost_redis", reason=reason)
            self._lost = True
            self._mark_disconnected()
            await asyncio.sleep(REFRESH_EVERY_S)

    async def _follow(self) -> None:
        async with self._subscriber.pubsub() as pubsub:
            await pubsub.subscribe(CHANNEL)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    self._lost = False
                    self._mark_all_stale()
                elif message["type"] == "message":
                    self._deliver(message["data"])

    def _mark_disconnected(self) -> None:
        """Wake the viewers of silent battles, too: nothing else would."""
        for feed in self._feeds.values():
            feed.stale = feed.disconnected = True
            feed.wake()

    def _mark_all_stale(self) -> None:
        for feed in self._feeds.values():
            feed.stale = True

    def _deliver(self, packed: bytes) -> None:
        for battle, name, n, event, data in msgpack.unpackb(packed, raw=True):
            feed = self._feeds.get(battle)
            if feed is not None:
                feed.take(name, ((n, event, data),))

    async def refresh_stale(self) -> None:
        """Read the logs of feeds that are behind or have been silent for long, until cancelled; without feeds wait."""
        while True:
            await self._watched.wait()
            await asyncio.sleep(REFRESH_EVERY_S)
            for feed in list(self._feeds.values()):
                silent = self._clock() - feed.last_entry_at > SILENCE_S
                if (feed.stale or silent) and not (feed.ended or feed.lost):
                    feed.stale, feed.last_entry_at = True, self._clock()
                    with suppress(RedisError, OSError):
                        await self.catch_up(feed)


async def follow(feed: Feed, name: str, after: int) -> AsyncGenerator[tuple[bytes, int]]:
    """Yield the frames after number ``after`` of the log ``name``, with the number of the last one.

    All that are ready come in one piece: sending it costs hardly more than sending one frame.

    Ends after the battle's end, or when the log is no longer the one named (rebuilt or lost).

    Raises:
        ConnectionError: the subscription was lost; read the log again.
    """
    while feed.name == name and not feed.lost and (feed.last > after or not feed.ended):
        if feed.last > after:
            ready, after = feed.since(after), feed.last
            yield ready, after
        elif feed.disconnected:
            raise ConnectionError("the subscription was lost")
        else:
            await feed.change()
