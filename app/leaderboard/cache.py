"""The boards of one worker: it makes a snapshot when it is its turn, and serves the one that stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from time import monotonic

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.database.database import Database
from app.errors import Unavailable
from app.leaderboard.bodies import DEFAULT, FACTS, SPEED, Facts, accepted, bodies_of
from app.leaderboard.gather import Current, gather
from app.leaderboard.query import LeaderboardQuery
from app.leaderboard.refit_turn import RefitTurn
from app.leaderboard.store import BoardStore
from app.records.ended import ended_mark

EVERY = timedelta(seconds=2)
"""How often votes are looked for, and the shortest pause between two fits, whoever makes them."""
SHARE = 4
"""A pause is at least so many times as long as the fit before it took."""
PATIENCE = timedelta(seconds=15)
"""How long a request waits for a board that has to be made first."""
LOOK_AGAIN_S = 0.1

log = structlog.get_logger(__name__)


class LeaderboardCache:
    """Serves what ``BoardStore`` holds. ``current`` names the models that may still be drawn: others are retired.

    A snapshot is made when votes came to count or somebody looks at a board that it has not; that is asked every
    ``every``, at once when a request waits. Requests never fit: they read, or wait up to ``patience``.
    """

    def __init__(
        self,
        redis: Redis,
        database: Database,
        current: Current = tuple,
        *,
        every: timedelta = EVERY,
        patience: timedelta = PATIENCE,
    ) -> None:
        self._database = database
        self._current = current
        self._snapshots = BoardStore(redis)
        self._turn = RefitTurn(redis)
        self._every = every
        self._patience_s = patience.total_seconds()
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Keep the snapshot true until cancelled."""
        while True:
            with suppress(RedisError, OSError, Unavailable):
                await self.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every.total_seconds()):
                    await self._asked.wait()
                    self._asked.clear()

    async def refresh(self) -> bool:
        """Make a snapshot if one is due and it is this worker's turn; whether it did.

        Raises:
            Unavailable: the database is unavailable.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        mark = await ended_mark(self._database)
        head = await self._snapshots.head()
        wanted = {key: query for key in await self._snapshots.wanted() if (query := LeaderboardQuery.from_key(key))}
        if head is not None and head.mark == mark and {DEFAULT.key, *wanted} <= head.keys:
            return False
        if not await self._turn.take():
            return False
        began = monotonic()
        try:
            async with self._turn.kept():
                await self._make(mark, [wanted[key] for key in sorted(wanted)])
        finally:
            took = timedelta(seconds=monotonic() - began)
            await self._turn.pause(max(self._every, SHARE * took))
        return True

    async def board(self, query: LeaderboardQuery = DEFAULT) -> bytes:
        """The body of a leaderboard.

        Raises:
            InvalidInput: its anchor names no model that was judged, or style was measured for no vote of it.
            Unavailable: it is still being made; try again.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        if query != DEFAULT:
            body, facts = await self._snapshots.bodies(query.key, FACTS)
            if facts is not None:
                known = Facts.from_bytes(facts)
                known.check_anchor(query)
                if not known.has(query):
                    return known.empty_board(query)
            await self._snapshots.want(query.key)
            if body is not None:
                return accepted(body)
        (body,) = await self._bodies(query.key)
        return accepted(body)

    async def leaders(self, count: int) -> list[dict[str, object]]:
        """The first rows of the default board as it stands, none while it is made; raises ``RedisError`` as all do."""
        (body,) = await self._snapshots.bodies(DEFAULT.key)
        rows: list[dict[str, object]] = orjson.loads(body)["leaderboard"] if body is not None else []
        return rows[:count]

    async def speed(self) -> bytes:
        """The body of the speed board; raises what ``board`` does."""
        (body,) = await self._bodies(SPEED)
        return body

    async def statistics(self) -> tuple[Facts, bytes]:
        """The counts and the default board, of the same votes; raises what ``board`` does."""
        facts, board = await self._bodies(FACTS, DEFAULT.key)
        return Facts.from_bytes(facts), board

    async def _bodies(self, *keys: str) -> tuple[bytes, ...]:
        deadline = monotonic() + self._patience_s
        while True:
            found = await self._snapshots.bodies(*keys)
            there = tuple(body for body in found if body is not None)
            if len(there) == len(keys):
                return there
            if monotonic() > deadline:
                raise Unavailable("the board is being made; try again in a few seconds", code="board_not_ready")
            self._asked.set()
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _make(self, mark: str, queries: Sequence[LeaderboardQuery]) -> None:
        began = monotonic()
        with_style = any(query.features for query in queries)
        gathered = await gather(self._database, self._current, with_style=with_style)
        bodies = await asyncio.to_thread(bodies_of, gathered, queries)
        await self._snapshots.replace(mark, bodies)
        log.info("board_made", votes=len(gathered.rows), boards=len(bodies) - 2, took_s=round(monotonic() - began, 3))
