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
from app.records.column_types import UtcTime
from app.records.ledger import utc_now
from app.records.tables import answers, battles, imported_votes, votes

log = structlog.get_logger(__name__)

CHUNK = 500
"""Battles that are erased in one transaction."""

LOG_TRIES, LOG_PAUSE_S, LOG_WAIT_MS = 5, 0.2, 200
"""How often SQLite's log is tried to be emptied, the pause between, and how long each try waits for readers."""

LOOK_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many battles were erased, and how many votes in other battles lost their voter.

    ``in_log``: SQLite's log still holds their words, as somebody was reading all the while; call again.
    """

    battles: int
    votes: int = 0
    in_log: bool = False


_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_NOW = sa.bindparam("now", type_=UtcTime())
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
_BATTLES = (
    sa.update(battles)
    .where(battles.c.id.in_(_IDS))
    .values(
        message="",
        **dict.fromkeys(("system", "session_id", "idempotency_key", "request_hash")),
        status=sa.case((battles.c.status == "running", "stopped"), else_=battles.c.status),
        ended_at=sa.func.coalesce(battles.c.ended_at, _NOW),
        forgotten_at=_NOW,
    )
)
_VOIDED = sa.case((answers.c.leak.startswith("void:"), "void:"), else_=None)
"""The word that gave a model away is erased, but a vote that was declared void stays so."""
_ANSWERS = sa.update(answers).where(answers.c.battle_id.in_(_IDS)).values(text="", system=None, leak=_VOIDED)
_NOBODY = dict.fromkeys(("voter", "idempotency_key", "request_hash", "client_at"))
_VOTES = sa.update(votes).where(votes.c.battle_id.in_(_IDS)).values(_NOBODY)
_OF_VOTER = sa.update(votes).where(votes.c.voter == sa.bindparam("whose")).values(_NOBODY)


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
    return Forgotten(count, changed, in_log=await _left_in_log(database))


async def forget_older(database: Database, before: datetime, clock: Callable[[], datetime] = utc_now) -> Forgotten:
    """Erase the battles that have ended and were opened earlier than ``before``.

    Raises:
        Unavailable: the database is unavailable; start again, what was erased stays so.
    """
    count = await _forget(database, _OLD, {"before": before}, clock())
    changed = await _forget_imported(database, before)
    return Forgotten(count, changed, in_log=await _left_in_log(database))


async def _forget_imported(database: Database, before: datetime) -> int:
    """Take the voters from old votes that were imported without a battle; nothing is written where there is none."""
    if await database.read(lambda c: c.execute(_ANY_OLD_IMPORTED, {"before": before}).first()) is None:
        return 0
    return await database.transaction(lambda c: c.execute(_IMPORTED, {"before": before}).rowcount)


async def _forget(database: Database, which: sa.Select[tuple[str]], given: dict[str, object], now: datetime) -> int:
    def work(connection: Connection) -> int:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        ids = [row[0] for row in connection.execute(which, given | {"chunk": CHUNK})]
        if ids:
            connection.execute(_BATTLES, {"ids": ids, "now": now})
            connection.execute(_ANSWERS, {"ids": ids})
            connection.execute(_VOTES, {"ids": ids})
        return len(ids)

    count = 0
    while erased := await database.transaction(work):
        count += erased
    return count


async def _left_in_log(database: Database) -> bool:
    """Empty SQLite's log; whether words are left there, as its readers did not end in time."""
    for attempt in range(LOG_TRIES):
        if attempt:
            await asyncio.sleep(LOG_PAUSE_S)
        if not await database.autocommit(_empty_log):
            return False
    return True


def _empty_log(connection: Connection) -> bool:
    """Write SQLite's log into its file and cut it to nothing; True when a reader was in the way.

    It waits for readers, and those who write for it: so not for as long as a lock is waited for elsewhere.
    """
    if connection.dialect.name != "sqlite":
        return False
    usual_ms = int(connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one())
    connection.exec_driver_sql(f"PRAGMA busy_timeout={LOG_WAIT_MS}")
    try:
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={usual_ms}")
    return bool(busy)


class Retention:
    """Erases what is older than ``keep``, every hour; several processes may, the second finds nothing."""

    def __init__(
        self,
        database: Database,
        keep: timedelta,
        clock: Callable[[], datetime] = utc_now,
        look_every: timedelta = LOOK_EVERY,
    ) -> None:
        self._database = database
        self._keep = keep
        self._clock = clock
        self._look_every = look_every

    async def run(self) -> None:
        """Erase until cancelled."""
        while True:
            try:
                done = await forget_older(self._database, self._clock() - self._keep, self._clock)
                if done.battles:
                    log.info("battles_forgotten", battles=done.battles, in_log=done.in_log)
            except Unavailable as away:
                log.warning("retention_waits", trouble=away.sentence)
            await asyncio.sleep(self._look_every.total_seconds())
