"""What viewers read: one subscription per worker, one ring of encoded frames per battle, a cursor per viewer.

Subscribe first, then read the log. News with number last+1 is taken, older news is dropped; a number skipped, a
new connection of the subscription, or two seconds of silence on a battle that somebody watches means reading the
log from the last number on. So lost news is only latency. Another name of the log empties the ring: the battle
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

from app.arena.store import Entry, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

NEWS = "arena:news"
SILENCE_S = 2.0
LOOK_AROUND_S = 0.5
#: Events after which a battle may stand differently; deltas and statuses are not among them.
_MILESTONES = frozenset({b"round", b"ready", b"vote", b"unvote", b"end", b"answer"})

log = structlog.get_logger(__name__)


def frame_of(name: str, entry: Entry) -> bytes:
    """An entry of the log as an SSE frame."""
    end = b"-end" if entry.event == b"end" else b""
    return b"id: %s-%d%s\nevent: %s\ndata: %s\n\n" % (name.encode(), entry.n, end, entry.event, entry.data)


class Feed:
    """One battle as the viewers of this worker see it: the frames of its log, from number 1 on."""

    def __init__(self, battle: str, clock: Callable[[], float]) -> None:
        self.battle = battle
        self.name = ""
        self.frames: list[bytes] = []
        self.ended = False
        self.gone = False
        self.milestones = 0
        self.viewers = 0
        self.behind = True
        self.heard = clock()
        self._clock = clock
        self._changed = asyncio.Event()

    @property
    def last(self) -> int:
        """The number of the newest event."""
        return len(self.frames)

    async def change(self) -> None:
        """Wait until something was added, or the battle was rebuilt or lost."""
        await self._changed.wait()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    def take(self, name: str, entries: Iterable[Entry]) -> None:
        """Add what is next; a gap or another name means that the log must be read."""
        self.heard = self._clock()
        before = self.last
        for entry in entries:
            if name != self.name or entry.n > self.last + 1:
                self.behind = True
                break
            if entry.n == self.last + 1:
                self._add(entry)
        if self.last > before:
            self.wake()

    def rename(self, name: str | None) -> None:
        """Start from an empty ring under another name; None: Redis has lost the battle."""
        self.name, self.gone = name or "", name is None
        self.frames, self.ended = [], False
        self.wake()

    def _add(self, entry: Entry) -> None:
        self.frames.append(frame_of(self.name, entry))
        self.milestones += entry.event in _MILESTONES
        self.ended = self.ended or entry.event == b"end"


class Hub:
    """Every battle that this worker's viewers watch. ``run`` and ``look_around`` are its tasks."""

    def __init__(self, store: Store, subscriber: Redis, clock: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._subscriber = subscriber
        self._clock = clock
        self._feeds: dict[str, Feed] = {}

    @contextmanager
    def watching(self, battle: str) -> Iterator[Feed]:
        """The feed of a battle, kept while somebody watches it; call ``catch_up`` before the first read."""
        feed = self._feeds.setdefault(battle, Feed(battle, self._clock))
        feed.viewers += 1
        try:
            yield feed
        finally:
            feed.viewers -= 1
            if feed.viewers == 0 and self._feeds.get(battle) is feed:
                del self._feeds[battle]

    async def catch_up(self, feed: Feed) -> None:
        """Read the log from the feed's last number on, until nothing is missing.

        Raises:
            redis.RedisError: Redis is away; the feed stays behind.
        """
        while feed.behind and not feed.gone:
            feed.behind = False
            try:
                await self._read_log(feed)
            except BaseException:
                feed.behind = True
                raise

    async def _read_log(self, feed: Feed) -> None:
        name = await self._store.name_of(feed.battle)
        if name != feed.name or name is None:
            feed.rename(name)
        if name is not None:
            feed.take(name, await self._store.entries(feed.battle, feed.last))

    async def run(self) -> None:
        """Follow the news until cancelled, through every loss of the connection."""
        while True:
            with suppress(RedisError, OSError):
                await self._follow()
            log.warning("hub_lost_redis")
            await asyncio.sleep(LOOK_AROUND_S)

    async def _follow(self) -> None:
        async with self._subscriber.pubsub() as pubsub:
            await pubsub.subscribe(NEWS)
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    self._all_behind()
                elif message["type"] == "message":
                    self._hear(message["data"])

    def _all_behind(self) -> None:
        for feed in self._feeds.values():
            feed.behind = True

    def _hear(self, packed: bytes) -> None:
        for battle, name, n, event, data in msgpack.unpackb(packed, raw=True):
            feed = self._feeds.get(battle.decode())
            if feed is not None:
                feed.take(name.decode(), (Entry(n, event, data),))

    async def look_around(self) -> None:
        """Read the logs of feeds that are behind or have been silent for long, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_AROUND_S)
            for feed in list(self._feeds.values()):
                silent = self._clock() - feed.heard > SILENCE_S
                if (feed.behind or silent) and not (feed.ended or feed.gone):
                    feed.behind, feed.heard = True, self._clock()
                    with suppress(RedisError, OSError):
                        await self.catch_up(feed)


async def follow(feed: Feed, name: str, after: int) -> AsyncGenerator[tuple[bytes, int]]:
    """Yield the frames after number ``after`` of the log ``name``, with the number of the last one.

    All that are ready come in one piece: sending it costs hardly more than sending one frame.

    Ends after the battle's end, or when the log is no longer the one named (rebuilt or lost).
    """
    while feed.name == name and not feed.gone:
        if feed.last > after:
            ready = feed.frames[after:]
            after += len(ready)
            yield (ready[0] if len(ready) == 1 else b"".join(ready)), after
        elif feed.ended:
            return
        else:
            await feed.change()
