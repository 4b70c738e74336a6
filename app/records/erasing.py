"""What is erased of a battle, and what stays: its words and who voted go; models, timings, marks and verdicts stay.

What SQLite keeps of them in its file and in its write-ahead log goes, too: see ``app.records.erasure``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from app.database.database import Database
from app.records.column_types import UtcTime
from app.records.tables import answers, battles, votes

LOG_TRIES, LOG_PAUSE_S, LOG_WAIT_MS = 5, 0.2, 200
"""How often SQLite's log is tried to be emptied, the pause between, and how long each try waits for readers."""

_IDS: sa.BindParameter[str] = sa.bindparam("ids", expanding=True)
_NOW = sa.bindparam("now", type_=UtcTime())
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
#: The turns before the message are kept among the options, in which other things stay.
_HISTORIES = {
    "sqlite": "UPDATE battles SET options = json_remove(options, '$.history') WHERE id IN :ids",
    "postgresql": "UPDATE battles SET options = (options::jsonb - 'history')::json WHERE id IN :ids",
}
_VOIDED = sa.case((answers.c.leak.startswith("void:"), "void:"), else_=None)
"""The word that gave a model away is erased, but a vote that was declared void stays so."""
_ANSWERS = sa.update(answers).where(answers.c.battle_id.in_(_IDS)).values(text="", system=None, leak=_VOIDED)
NOBODY = dict.fromkeys(("voter", "idempotency_key", "request_hash", "client_at", "comment"))
"""The columns of a vote that say who gave it or hold its words, emptied; the reasons are codes and stay."""
_VOTES = sa.update(votes).where(votes.c.battle_id.in_(_IDS)).values(NOBODY)


def erase(connection: Connection, ids: Sequence[str], now: datetime) -> None:
    """Erase battles in the caller's transaction; one that runs is stopped by it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA secure_delete=ON")
    connection.execute(_BATTLES, {"ids": ids, "now": now})
    history = sa.text(_HISTORIES[connection.dialect.name]).bindparams(_IDS)
    connection.execute(history, {"ids": ids})
    connection.execute(_ANSWERS, {"ids": ids})
    connection.execute(_VOTES, {"ids": ids})


async def left_in_log(database: Database) -> bool:
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
