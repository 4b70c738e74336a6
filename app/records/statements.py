"""The ledger's SQL, built once: SQLAlchemy compiles each statement once, and both drivers keep it prepared."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from app.records.tables import answers, battles, votes


def _unless_there(table: sa.Table) -> dict[str, Insert]:
    """INSERT … ON CONFLICT DO NOTHING, for each dialect (the same words, but not the same class)."""
    return {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing(),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing(),
    }


_OPEN_BATTLE = _unless_there(battles)
_SAVE_ANSWER = _unless_there(answers)


def open_battle(connection: Connection) -> Insert:
    """Insert a battle unless its id or idempotency key is taken."""
    return _OPEN_BATTLE[connection.dialect.name]


def save_answer(connection: Connection) -> Insert:
    """Insert an answer unless it is there."""
    return _SAVE_ANSWER[connection.dialect.name]


_VOTED = tuple(votes.c["verdict", "entry_a", "entry_b"])
_STANDS = sa.and_(votes.c.battle_id == battles.c.id, votes.c.retracted_at.is_(None))
_WITH_VOTES = (
    sa.select(battles, votes.c.round.label("voted_round"), *_VOTED)
    .select_from(battles.outerjoin(votes, _STANDS))
    .order_by(battles.c.id, votes.c.round)
)

BATTLE = _WITH_VOTES.where(battles.c.id == sa.bindparam("of"))
"""A battle, once for each vote that stands, in round order (once if there is none)."""

SAME_BATTLE = _WITH_VOTES.where(
    battles.c.id
    == sa.func.coalesce(
        sa.select(battles.c.id).where(battles.c.idempotency_key == sa.bindparam("key")).scalar_subquery(),
        sa.bindparam("of"),
    )
)
"""The battle that was opened under the key, else the one with the id."""

NEWEST_OF_SESSION = (
    sa.select(battles.c.id)
    .where(battles.c.session_id == sa.bindparam("session"))
    .order_by(battles.c.created_at.desc(), battles.c.id.desc())
    .limit(1)
)

_LATER = sa.or_(
    battles.c.created_at > sa.bindparam("at"),
    sa.and_(battles.c.created_at == sa.bindparam("at"), battles.c.id > sa.bindparam("after")),
)
UNENDED = (
    sa.select(*battles.c["id", "round", "created_at"])
    .where(battles.c.status == sa.literal_column("'running'"), battles.c.created_at <= sa.bindparam("before"), _LATER)
    .order_by(battles.c.created_at, battles.c.id)
    .limit(sa.bindparam("limit"))
)
"""A page of the battles that run, the oldest first: those that follow the battle ``after`` of the moment ``at``."""

ANSWERS = sa.select(answers).where(answers.c.battle_id == sa.bindparam("of")).order_by(answers.c.entry)

_RUNNING = sa.and_(battles.c.id == sa.bindparam("of"), battles.c.status == "running")

MOVE = (
    sa.update(battles)
    .where(_RUNNING, battles.c.round == sa.bindparam("at"))
    .values(round=sa.bindparam("next"), status=sa.bindparam("to"), ended_at=sa.bindparam("ended"))
)
"""Bring a battle from the round ``at`` to the next, or to its end."""

END = sa.update(battles).where(_RUNNING).values(status=sa.bindparam("to"), ended_at=sa.bindparam("ended"))

STATUS = sa.select(battles.c.status).where(battles.c.id == sa.bindparam("of"))

VOTE = sa.insert(votes).inline()
"""Insert a vote; its id is of no interest, so it is not asked for."""

LAST_VOTE = (
    sa.select(*votes.c["round", "request_hash", "created_at"], *_VOTED)
    .where(votes.c.battle_id == sa.bindparam("of"), votes.c.retracted_at.is_(None))
    .order_by(votes.c.round.desc())
    .limit(1)
)
"""The newest vote of a battle that stands, with the request it came by."""

COUNTS = sa.select(
    sa.func.count(), sa.func.count().filter(battles.c.status == sa.literal_column("'finished'"))
).select_from(battles)
"""How many battles there are, and how many of them were judged to their end."""

STANDING = (
    sa.select(battles.c.status, *votes.c["round", "idempotency_key", "retracted_at"], *_VOTED)
    .select_from(
        battles.outerjoin(
            votes,
            sa.and_(
                votes.c.battle_id == battles.c.id,
                sa.or_(
                    sa.and_(votes.c.round == sa.bindparam("round"), votes.c.retracted_at.is_(None)),
                    votes.c.idempotency_key == sa.bindparam("key"),
                ),
            ),
        )
    )
    .where(battles.c.id == sa.bindparam("of"))
)
"""The battle's status with the vote that stands for a round and the vote that bears a key."""
