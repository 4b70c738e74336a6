"""The ledger of battles, answers and votes: SQL is the judge, and here is where it judges.

Everything that two callers may do at once is decided by one statement's condition: a vote moves its battle on with
``UPDATE … WHERE id AND round AND status = 'running'``, a stop ends it with ``UPDATE … WHERE status = 'running'``.
Who changes no row has lost, and gets what stands. Every method may be called again after ``Unavailable``: what
had been committed is found and not done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.battle.battle import Pair, Status, Verdict, Vote
from app.database.database import Database
from app.records import statements
from app.records.conflicts import moving, no_such_battle, read_battle, reused, same_request, standing_vote
from app.records.erasing import erase, left_in_log
from app.records.feedback import FeedbackBook
from app.records.rows import (
    answer_value,
    battle_row,
    battle_value,
    summary_value,
    vote_row,
    vote_value,
)
from app.records.saving import save
from app.records.values import (
    BEFORE_ALL,
    AnswerRecord,
    BattleCounts,
    BattleRecord,
    BattleSummary,
    CastVote,
    LastVote,
    NewBattle,
    RoundRecord,
    Unended,
)


def utc_now() -> datetime:
    """The time of this machine's clock."""
    return datetime.now(UTC)


class Ledger:
    """Reads and writes the records of all battles; every method raises ``Unavailable`` while the database is.

    ``clock`` dates all rows and is what their ages are compared with: the same on all machines (``DatabaseClock``).
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = utc_now) -> None:
        self._database = database
        self.clock = clock
        self.feedback = FeedbackBook(database)

    def version(self) -> Hashable | None:
        """What is equal for as long as nothing changes here (``Database.version``)."""
        return self._database.version()

    async def open_battle(self, battle: NewBattle) -> BattleRecord:
        """Store a battle that begins now, in round 1.

        The same battle again, or the same request under the same idempotency key, gives the record that exists,
        whose ``created`` is false.

        Raises:
            Conflict: the key was used for another request, or the id for another battle.
        """
        row = battle_row(battle, self.clock())

        def work(connection: Connection) -> BattleRecord | None:
            if connection.execute(statements.open_battle(connection), row).rowcount == 1:
                return None
            return read_battle(connection, statements.SAME_BATTLE, {"of": battle.id, "key": battle.idempotency_key})

        existing = await self._database.autocommit(work)
        if existing is None:
            return battle_value(row, created=True)
        return same_request(battle, existing)

    async def opened_with(self, key: str, request_hash: str) -> BattleRecord | None:
        """The battle that was opened under an idempotency key, or None.

        Raises:
            Conflict: the key was used for another request.
        """
        given = {"of": "", "key": key}
        existing = await self._database.read(lambda c: read_battle(c, statements.SAME_BATTLE, given))
        if existing is not None and existing.request_hash != request_hash:
            raise reused("another request")
        return existing

    async def battle(self, battle_id: str) -> BattleRecord | None:
        """The battle with the votes that stand, or None."""
        return await self._database.read(lambda c: read_battle(c, statements.BATTLE, {"of": battle_id}))

    async def among(self, ids: Sequence[str]) -> tuple[BattleSummary, ...]:
        """Those of ``ids`` that are battles, the newest first."""
        rows = await self._database.read(lambda c: c.execute(statements.AMONG, {"ids": list(ids)}).mappings().all())
        return tuple(map(summary_value, rows))

    async def newest(self, limit: int, before: str | None = None) -> tuple[BattleSummary, ...]:
        """A page of all battles, the newest first: those that follow the battle ``before``."""
        which = statements.NEWEST if before is None else statements.NEWEST_BEFORE
        given = {"limit": limit, "before": before}
        rows = await self._database.read(lambda c: c.execute(which, given).mappings().all())
        return tuple(map(summary_value, rows))

    async def erase(self, battle_id: str) -> Status:
        """Erase the words and the voters of a battle that has ended; one that runs stays as it is.

        Returns:
            The battle's status: with ``running`` nothing was erased.

        Raises:
            NotFound: there is no such battle.
        """
        now = self.clock()

        def work(connection: Connection) -> Status:
            found = connection.execute(statements.STATUS, {"of": battle_id}).scalar()
            if found is None:
                raise no_such_battle()
            status = Status(found)  # an end is never taken back, so that it still holds when the words go
            if status is not Status.RUNNING:
                erase(connection, [battle_id], now)
            return status

        status = await self._database.transaction(work)
        if status is not Status.RUNNING:
            await left_in_log(self._database)
        return status

    async def newest_of_session(self, session_id: str) -> str | None:
        """The id of the newest battle that was opened under ``session_id``, or None."""
        return await self._database.read(
            lambda c: c.execute(statements.NEWEST_OF_SESSION, {"session": session_id}).scalar()
        )

    async def unended(self, older_than: timedelta, limit: int, after: Unended = BEFORE_ALL) -> tuple[Unended, ...]:
        """Battles that still run and were opened longer ago than ``older_than``: the oldest that come ``after`` one."""
        given = {"before": self.clock() - older_than, "limit": limit, "at": after.created_at, "after": after.id}
        rows = await self._database.read(lambda c: c.execute(statements.UNENDED, given).all())
        return tuple(Unended(*row) for row in rows)

    async def save_answers(
        self, battle_id: str, answers: Sequence[AnswerRecord], rounds: Sequence[RoundRecord] = ()
    ) -> bool:
        """Store answers that have ended, and rounds as they are now.

        An answer that is stored already stays as it is, but for its side, which it has from when it comes on stage. A
        round stays as it is once it was judged.

        Returns:
            False when an entry has the answer of another attempt already.

        Raises:
            NotFound: there is no such battle.
        """
        if not answers and not rounds:
            return True
        now = self.clock()

        try:
            return await self._database.transaction(lambda c: save(c, battle_id, answers, rounds, now))
        except sa.exc.IntegrityError:
            if await self.battle(battle_id) is None:
                raise no_such_battle() from None
            raise

    async def answers(self, battle_id: str) -> dict[int, AnswerRecord]:
        """The stored answers of a battle by entry."""
        rows = await self._database.read(lambda c: c.execute(statements.ANSWERS, {"of": battle_id}).mappings().all())
        return {row["entry"]: answer_value(row) for row in rows}

    async def counts(self) -> BattleCounts:
        """How many battles there are and how many were judged to their end, whoever played them."""

        def work(connection: Connection) -> BattleCounts:
            opened, finished = connection.execute(statements.COUNTS).one()
            alone = int(connection.execute(statements.IMPORTED).scalar_one())
            return BattleCounts(opened + alone, finished + alone)

        return await self._database.read(work)

    async def last_vote(self, battle_id: str) -> LastVote | None:
        """The battle's newest vote that stands, with the request that it came by; None when there is none."""
        given = {"of": battle_id}
        row = await self._database.read(lambda c: c.execute(statements.LAST_VOTE, given).mappings().first())
        return None if row is None else LastVote(vote_value(row), row["request_hash"])

    async def cast_vote(
        self,
        battle_id: str,
        round: int,
        verdict: Verdict,
        pair: Pair,
        *,
        outcome: Status,
        key: str | None,
        request_hash: str | None = None,
        voter: str | None = None,
        client_at: datetime | None = None,
    ) -> CastVote:
        """Judge ``round``, in which ``pair`` was on stage, and bring the battle to ``outcome``, in one transaction.

        ``outcome`` is ``running`` while rounds are left. The first vote of a round counts; any later one, or one
        for a battle that has ended, changes nothing and learns what stands. ``request_hash`` is kept with the vote
        for ``last_vote``; ``voter`` is a keyed hash of who voted, ``client_at`` the time that his clock showed.

        Raises:
            NotFound: there is no such battle.
            Conflict: ``key`` was used in this battle for another round or verdict, or its vote was taken back.
        """
        now = self.clock()
        move = moving(battle_id, round, outcome, now)
        judged = Vote(round, verdict, pair)
        row = vote_row(battle_id, judged, now) | {"idempotency_key": key, "request_hash": request_hash}
        row |= {"voter": voter, "client_at": client_at}

        def work(connection: Connection) -> CastVote:
            if connection.execute(statements.MOVE, move).rowcount == 0:
                return standing_vote(connection, battle_id, round, verdict, key)
            connection.execute(statements.VOTE, row)
            return CastVote(True, False, judged, outcome, read_battle(connection, statements.BATTLE, {"of": battle_id}))

        try:
            return await self._database.transaction(work)
        except sa.exc.IntegrityError:
            # Rolled back, for the key was used in this battle before: what stands says for what.
            standing = await self._database.read(lambda c: standing_vote(c, battle_id, round, verdict, key))
            if standing.standing is None:
                raise
            return standing

    async def check_key(self, battle_id: str, round: int, verdict: Verdict, key: str | None) -> None:
        """Refuse a key that can't bear this vote; without a key there is nothing to refuse.

        Raises:
            NotFound: there is no such battle.
            Conflict: ``key`` was used in this battle for another round or verdict, or its vote was taken back.
        """
        if key is not None:
            await self._database.read(lambda c: standing_vote(c, battle_id, round, verdict, key))

    async def retract_vote(self, battle_id: str, round: int, within: timedelta) -> bool:
        """Take back the vote on ``round`` if it is the newest of a running battle and not older than ``within``.

        The row stays, with the time at which it was taken back; another vote may then judge the round.
        """
        now = self.clock()
        taken = {"of": battle_id, "at": round, "since": now - within, "now": now}
        move = {"of": battle_id, "at": round, "next": round + 1}

        def work(connection: Connection) -> bool:
            # In this order a vote on the next round and this one meet at the battle's row, and one of them is first.
            if connection.execute(statements.MOVE_BACK, move).rowcount == 0:
                return False
            if connection.execute(statements.RETRACT, taken).rowcount == 0:
                raise _TooLate
            return True

        try:
            return await self._database.transaction(work)
        except _TooLate:
            return False

    async def end_battle(self, battle_id: str, status: Status) -> Status:
        """End a battle that runs, and return the status that stands: another's, if it had ended already.

        Raises:
            NotFound: there is no such battle.
        """
        end = {"of": battle_id, "to": status.value, "ended": self.clock()}

        def work(connection: Connection) -> Status | None:
            if connection.execute(statements.END, end).rowcount == 1:
                return status
            standing = connection.execute(statements.STATUS, {"of": battle_id}).scalar()
            return None if standing is None else Status(standing)

        standing = await self._database.autocommit(work)
        if standing is None:
            raise no_such_battle()
        return standing


class _TooLate(Exception):
    """Rolls a step back: there is no vote to take back any more."""
