"""Erases what was said and who voted, and keeps what was measured and decided, so that the board stays true.

Of a forgotten battle its prompt, system prompts, texts, session, keys and voters are gone; models, timings, marks and
verdicts stay. A battle that runs is stopped by it. What Redis holds of a battle goes with its time to live.

SQLite overwrites what is erased with zeros (``secure_delete``), and then its write-ahead log is emptied: what was
asked would else stay there, readable, until it grows over. PostgreSQL keeps the rows of before until its next VACUUM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.errors import Unavailable
from app.records.erasing import NOBODY, erase, left_in_log
from app.records.ledger import utc_now
from app.records.tables import battles, imported_votes, votes

log = structlog.get_logger(__name__)

CHUNK = 500
"""Battles that are erased in one transaction."""

CHECK_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many battles were erased, and how many votes in other battles lost their voter.

    ``in_log``: SQLite's log still holds their words, as somebody was reading all the while; call again.
    """

    battles: int
    votes: int = 0
    in_log: bool = False


_OF_SESSION = (
    sa.select(battles.c.id).where(battles.c.session_id == sa.bindparam("session")).limit(sa.bindparam("chunk"))
)
_OLD = (
    sa.select(battles.c.id)
    .where(
        battles.c.forgotten_at.is_(None), battles.c.created_at < sa.bindparam("before"), battles.c.status != "running"
    )
    .limit(sa.bindparam("chunk"))
)
_OF_VOTER = sa.update(votes).where(votes.c.voter == sa.bindparam("whose")).values(NOBODY)


_OF_IMPORTED_VOTER = sa.update(imported_votes).where(imported_votes.c.voter == sa.bindparam("whose")).values(voter=None)
_OF_VOTERS = (_OF_VOTER, _OF_IMPORTED_VOTER)
_OLD_IMPORTED = sa.and_(imported_votes.c.voter.is_not(None), imported_votes.c.voted_at < sa.bindparam("before"))
_ANY_OLD_IMPORTED = sa.select(imported_votes.c.id).where(_OLD_IMPORTED).limit(1)
_IMPORTED = sa.update(imported_votes).where(_OLD_IMPORTED).values(voter=None)


async def forget_session(
    database: Database, session: str, voter: str, clock: Callable[[], datetime] = utc_now
) -> Forgotten:
    """Erase the battles of a session, and the ``voter`` that it was known by from votes in other battles.

    Raises:
        Unavailable: the database is unavailable; start again, what was erased stays so.
    """
    count = await _forget(database, _OF_SESSION, {"session": session}, clock())
    changed = await database.transaction(lambda c: sum(c.execute(of, {"whose": voter}).rowcount for of in _OF_VOTERS))
    return Forgotten(count, changed, in_log=await left_in_log(database))


async def forget_older(database: Database, before: datetime, clock: Callable[[], datetime] = utc_now) -> Forgotten:
    """Erase the battles that have ended and were opened earlier than ``before``.

    Raises:
        Unavailable: the database is unavailable; start again, what was erased stays so.
    """
    count = await _forget(database, _OLD, {"before": before}, clock())
    changed = await _forget_imported(database, before)
    return Forgotten(count, changed, in_log=await left_in_log(database))


async def _forget_imported(database: Database, before: datetime) -> int:
    """Take the voters from old votes that were imported without a battle; nothing is written where there is none."""
    if await database.read(lambda c: c.execute(_ANY_OLD_IMPORTED, {"before": before}).first()) is None:
        return 0
    return await database.transaction(lambda c: c.execute(_IMPORTED, {"before": before}).rowcount)


async def _forget(database: Database, which: sa.Select[tuple[str]], given: dict[str, object], now: datetime) -> int:
    def work(connection: Connection) -> int:
        ids = [str(one) for one in connection.execute(which, given | {"chunk": CHUNK}).scalars()]
        if ids:
            erase(connection, ids, now)
        return len(ids)

    count = 0
    while erased := await database.transaction(work):
        count += erased
    return count


class Retention:
    """Erases what is older than ``keep``, every hour; several processes may, the second finds nothing."""

    def __init__(
        self,
        database: Database,
        keep: timedelta,
        clock: Callable[[], datetime] = utc_now,
        check_every: timedelta = CHECK_EVERY,
    ) -> None:
        self._database = database
        self._keep = keep
        self._clock = clock
        self._check_every = check_every

    async def run(self) -> None:
        """Erase until cancelled."""
        while True:
            try:
                done = await forget_older(self._database, self._clock() - self._keep, self._clock)
                if done.battles:
                    log.info("battles_forgotten", battles=done.battles, in_log=done.in_log)
            except Unavailable as error:
                log.warning("retention_waits", trouble=error.sentence)
            await asyncio.sleep(self._check_every.total_seconds())
