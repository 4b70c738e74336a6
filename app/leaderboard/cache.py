"""The boards of one worker: it makes a snapshot when it is its turn, and serves the one that stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from time import monotonic, time

import orjson
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.database.database import Database
from app.database.repeated import RepeatedRead
from app.draw.planning.pairs import PairVotes
from app.errors import Unavailable
from app.leaderboard.bodies import DEFAULT, FACTS, SPEED, Facts, accepted
from app.leaderboard.change import CountedVote, StoredFit, changes
from app.leaderboard.gather import Current, Gathered, gather_for
from app.leaderboard.pairs import pair_votes
from app.leaderboard.query import LeaderboardQuery
from app.leaderboard.store import BoardStore, Head
from app.ranking.votes import Mark
from app.records.ended import any_votes, ended_mark
from app.redis.lock import WorkerLock
from app.tasks import until_beat

EVERY = timedelta(seconds=2)
"""How often new votes are checked for, and the shortest pause between two fits, whoever makes them."""
SHARE = 4
"""New votes are fitted after at least so many times as long as the fit before took."""
PATIENCE = timedelta(seconds=15)
"""How long a request waits for a board that has to be made first."""
FIRST_BOARD_S = 5
"""When to ask again for a board while none was made yet, and nobody knows how long that takes."""
POLL_EVERY_S = 0.1
CLOCKS_DIFFER = timedelta(seconds=5)
"""By how much two workers may be wrong about the database's clock."""
TURN = "arena:board:turn"
"""Whose turn it is to make the boards. It is not given back but left to expire after a pause, so that no worker begins
before. A turn that was lost (Redis was emptied) does no harm: two snapshots of the same votes are the same."""
TURN_TERM = timedelta(seconds=10)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BeingMade:
    """A board is being made; it should be there in so many seconds."""

    retry_after_s: int


class LeaderboardCache:
    """Serves what ``BoardStore`` holds. ``current`` names the models that may still be drawn: others are retired.

    A snapshot is made when votes came to count or somebody asks for a board that it has not; that is checked every
    ``every``, at once when a request waits. Requests never fit: they read, or wait up to ``patience``. Votes with marks
    that are ``counted`` count on every board.
    """

    def __init__(
        self,
        redis: Redis,
        database: Database,
        current: Current = tuple,
        *,
        every: timedelta = EVERY,
        patience: timedelta = PATIENCE,
        categories: Collection[str] = (),
        counted: frozenset[Mark] = frozenset(),
        clock: Callable[[], float] = time,
    ) -> None:
        self._categories = categories
        self._counted = counted
        self._database = database
        self._any_votes = RepeatedRead(database, any_votes)
        self._ended_mark = RepeatedRead(database, ended_mark)
        self._current = current
        self._snapshots = BoardStore(redis, clock)
        self._turn = WorkerLock(redis, TURN, TURN_TERM)
        self._every = every
        self._patience_s = patience.total_seconds()
        self._asked = asyncio.Event()

    async def run(self) -> None:
        """Keep the snapshot true until cancelled; without votes none is made before somebody asks for it."""
        asked = False
        while True:
            with suppress(RedisError, OSError, Unavailable):
                if asked or await self._any_votes.ask():
                    await self.refresh()
            asked = await self._asked_in_time()

    async def _asked_in_time(self) -> bool:
        """Wait for the next check; whether it comes early, because a request waits."""
        with suppress(TimeoutError):
            async with asyncio.timeout(until_beat(self._every.total_seconds())):
                await self._asked.wait()
                self._asked.clear()
                return True
        return False

    async def refresh(self) -> bool:
        """Make a snapshot if one is due and it is this worker's turn; whether it did.

        Raises:
            Unavailable: the database is unavailable.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        # Which marks count belongs to it: after a change of the setting the boards are made anew.
        mark = "-".join([await self._ended_mark.ask(), *sorted(self._counted)])
        head = await self._snapshots.head()
        wanted = {key: query for key in await self._snapshots.wanted() if (query := LeaderboardQuery.from_key(key))}
        if head is not None and {DEFAULT.key, *wanted} <= head.keys and (head.mark == mark or not self._rested(head)):
            return False
        if not await self._turn.acquire():
            return False
        await self._make_in_turn(mark, [wanted[key] for key in sorted(wanted)])
        return True

    async def _make_in_turn(self, mark: str, queries: Sequence[LeaderboardQuery]) -> None:
        """Make a snapshot; the turn ends after a pause as long as that took."""
        began = monotonic()
        try:
            async with self._turn.renewed():
                await self._make(mark, queries)
        finally:
            took = timedelta(seconds=monotonic() - began)
            await self._turn.expire_in(max(self._every, took))

    def _rested(self, head: Head) -> bool:
        """Whether new votes are worth another snapshot by now; a board that somebody asks for waits for less."""
        return self._snapshots.since_made_s(head) >= SHARE * head.took_s

    async def board(self, query: LeaderboardQuery = DEFAULT) -> bytes | BeingMade:
        """The body of a leaderboard; when to ask again for one that was not asked for lately, or for the very first.

        Raises:
            InvalidInput: a name that is not on the board, or style was measured for no vote of it.
            Unavailable: the board can't be made.
            redis.exceptions.RedisError: Redis is unavailable.
        """
        bodies = await self._bodies(DEFAULT.key if query == DEFAULT else FACTS)
        if bodies is None:
            return BeingMade(FIRST_BOARD_S)
        if query == DEFAULT:
            return accepted(bodies[0])
        Facts.from_bytes(bodies[0]).check(query, self._categories)
        return await self._filtered(query)

    async def _filtered(self, query: LeaderboardQuery) -> bytes | BeingMade:
        """The board of a query that is not the default's: asked for, and waited for unless that takes too long."""
        await self._snapshots.want(query.key)
        (body,) = await self._snapshots.bodies(query.key)
        if body is not None:
            return accepted(body)
        head = await self._snapshots.head()
        if head is not None and head.took_s > self._patience_s:
            return BeingMade(ceil(2 * head.took_s))
        made = await self._bodies(query.key)
        return BeingMade(ceil(max(self._every.total_seconds(), 1.0))) if made is None else accepted(made[0])

    async def leaders(self, count: int) -> list[dict[str, object]]:
        """The first rows of the default board as it stands, none while it is made; raises ``RedisError`` as all do."""
        (body,) = await self._snapshots.bodies(DEFAULT.key)
        rows: list[dict[str, object]] = orjson.loads(body)["leaderboard"] if body is not None else []
        return rows[:count]

    async def speed(self) -> bytes | BeingMade:
        """The body of the speed board; when to ask again while the first is made. Raises ``RedisError`` as all do."""
        bodies = await self._bodies(SPEED)
        return BeingMade(FIRST_BOARD_S) if bodies is None else bodies[0]

    async def pairs(self, is_current: Callable[[str, str | None], bool]) -> list[PairVotes]:
        """The votes on each pair of the default board as it stands (``pair_votes``), none while it is made."""
        (body,) = await self._snapshots.bodies(DEFAULT.key)
        return [] if body is None else pair_votes(body, is_current)

    async def change(self, battle: str, ended_at: datetime) -> dict[str, object] | bool:
        """What the votes of an ended battle did to the default board, from two fits that are stored.

        False: they are not counted yet; True: they are, but the fits are not known any more.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        stored = await self._snapshots.change(battle)
        if stored is not None:
            change: dict[str, object] = orjson.loads(stored)
            return change
        head = await self._snapshots.head()
        return head is not None and ended_at + CLOCKS_DIFFER < self._snapshots.begun_at(head)

    async def statistics(self) -> tuple[Facts, bytes] | BeingMade:
        """The counts and the default board, of the same votes; when to ask again while the first are made.

        Raises:
            redis.exceptions.RedisError: Redis is unavailable.
        """
        bodies = await self._bodies(FACTS, DEFAULT.key)
        return BeingMade(FIRST_BOARD_S) if bodies is None else (Facts.from_bytes(bodies[0]), bodies[1])

    async def _bodies(self, *keys: str) -> tuple[bytes, ...] | None:
        """The bodies under ``keys``, of one snapshot; None if it has not all of them in time."""
        deadline = monotonic() + self._patience_s
        while True:
            found = await self._snapshots.bodies(*keys)
            bodies = tuple(body for body in found if body is not None)
            if len(bodies) == len(keys):
                return bodies
            if monotonic() > deadline:
                return None
            self._asked.set()
            await asyncio.sleep(POLL_EVERY_S)

    async def _make(self, mark: str, queries: Sequence[LeaderboardQuery]) -> None:
        began = monotonic()
        (before,), known = await self._snapshots.bodies(DEFAULT.key), await self._snapshots.counted()
        gathered = await gather_for(self._database, self._current, queries, self._counted)
        bodies = await asyncio.to_thread(_bodies_of, gathered, queries)
        counted, moved = await asyncio.to_thread(_moved, before, known, bodies[DEFAULT.key], gathered)
        took_s = round(monotonic() - began, 3)
        await self._snapshots.replace(mark, bodies, took_s, counted, moved)
        votes = sum(row.count for row in gathered.rows)
        log.info("board_made", votes=votes, boards=len(bodies) - 2, took_s=took_s)


def _bodies_of(gathered: Gathered, queries: Sequence[LeaderboardQuery]) -> dict[str, bytes]:
    # Here and not at the top: it loads numpy (20 MB), and only the worker that makes the boards needs it.
    from app.leaderboard.making import bodies_of

    return bodies_of(gathered, queries)


def _moved(
    before: bytes | None, known: bytes | None, after: bytes, gathered: Gathered
) -> tuple[bytes, dict[str, bytes]]:
    """Which battles the new fit counts, and what those that it adds to the one before did to the default board."""
    fit = StoredFit(after, CountedVote.of(gathered.rows))
    if before is None or known is None:
        return fit.counted.to_bytes(), {}
    stood = StoredFit(before, CountedVote.from_bytes(known))
    return fit.counted.to_bytes(), changes(stood, fit, gathered.rows, DEFAULT.rules.selection)
