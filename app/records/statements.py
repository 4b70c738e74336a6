"""The ledger's SQL, built once: SQLAlchemy compiles each statement once, and both drivers keep it prepared."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.sql.dml import Insert

from app.records.column_types import CleanText
from app.records.tables import answers, battles, contestants, import_sources, rounds, votes

_DialectInsert = sqlite.Insert | postgresql.Insert


def _for_each(table: sa.Table, conflict: Callable[[_DialectInsert], Insert]) -> dict[str, Insert]:
    """INSERT … ON CONFLICT …, for each dialect (the same words, but not the same class)."""
    return {"sqlite": conflict(sqlite.insert(table)), "postgresql": conflict(postgresql.insert(table))}


def _if_absent(insert: _DialectInsert) -> Insert:
    return insert.on_conflict_do_nothing()


def _or_its_side(insert: _DialectInsert) -> Insert:
    """An answer that is there stays as it is, but comes on stage later than it was stored, if it was prefetched."""
    written = insert.values(text=_REMEMBERED)
    return written.on_conflict_do_update(
        index_elements=["battle_id", "entry"],
        set_={"side": written.excluded.side},
        where=answers.c.side.is_(None) & written.excluded.side.is_not(None),
    )


def _or_its_pair(insert: _DialectInsert) -> Insert:
    """Until it is judged, a round's pair may change: a contestant fails, or the verdict before it is taken back."""
    new, old = insert.excluded, rounds.c
    same = sa.and_(new.entry_a == old.entry_a, new.entry_b == old.entry_b)
    ready_at = sa.case((same, sa.func.coalesce(old.ready_at, new.ready_at)), else_=new.ready_at)
    return insert.on_conflict_do_update(
        index_elements=["battle_id", "round"],
        set_={"entry_a": new.entry_a, "entry_b": new.entry_b, "ready_at": ready_at},
        where=~_JUDGED,
    )


_FORGOTTEN = sa.exists().where(battles.c.id == sa.bindparam("of"), battles.c.forgotten_at.is_not(None))
_REMEMBERED = sa.case((_FORGOTTEN, ""), else_=sa.bindparam("written", type_=CleanText))
"""What is written after its battle was forgotten is forgotten, too."""

_JUDGED = sa.exists().where(
    votes.c.battle_id == sa.bindparam("of"), votes.c.round == sa.bindparam("at"), votes.c.retracted_at.is_(None)
)

_OPEN_BATTLE = _for_each(battles, _if_absent)
_SAVE_ANSWER = _for_each(answers, _or_its_side)
_SAVE_ROUND = _for_each(rounds, _or_its_pair)
_MEET = _for_each(contestants, _if_absent)
_VOTE_IF_ABSENT = _for_each(votes, _if_absent)


def open_battle(connection: Connection) -> Insert:
    """Insert a battle unless its id or idempotency key is taken."""
    return _OPEN_BATTLE[connection.dialect.name]


def save_answer(connection: Connection) -> Insert:
    """Insert an answer; of one that is there, only the side is added."""
    return _SAVE_ANSWER[connection.dialect.name]


def save_round(connection: Connection) -> Insert:
    """Insert a round, or bring it up to date."""
    return _SAVE_ROUND[connection.dialect.name]


def meet(connection: Connection) -> Insert:
    """Insert a contestant unless it is known."""
    return _MEET[connection.dialect.name]


def vote_if_absent(connection: Connection) -> Insert:
    """Insert a vote unless one stands for its round."""
    return _VOTE_IF_ABSENT[connection.dialect.name]


_VOTED = tuple(votes.c["verdict", "entry_a", "entry_b"])
_STANDS = sa.and_(votes.c.battle_id == battles.c.id, votes.c.retracted_at.is_(None))
_STORED = (
    sa.select(sa.func.count()).where(answers.c.battle_id == battles.c.id).scalar_subquery().label("answers_stored")
)
_WITH_VOTES = (
    sa.select(battles, votes.c.round.label("voted_round"), votes.c.created_at.label("voted_at"), *_VOTED, _STORED)
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

_SUMMARY = sa.select(
    *battles.c["id", "message", "status", "round", "created_at", "ended_at"],
    battles.c.forgotten_at.is_not(None).label("erased"),
).order_by(battles.c.created_at.desc(), battles.c.id.desc())
AMONG = _SUMMARY.where(battles.c.id.in_(sa.bindparam("ids", expanding=True)))
"""Battles by their ids, the newest first."""

NEWEST = _SUMMARY.limit(sa.bindparam("limit"))
_MARK = battles.alias("mark")
_MARKED_AT = sa.select(_MARK.c.created_at).where(_MARK.c.id == sa.bindparam("before")).scalar_subquery()
NEWEST_BEFORE = NEWEST.where(
    sa.or_(
        battles.c.created_at < _MARKED_AT,
        sa.and_(battles.c.created_at == _MARKED_AT, battles.c.id < sa.bindparam("before")),
    )
)
"""A page of all battles, the newest first: those that follow the battle ``before``."""

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

_OF_ATTEMPTS = answers.c["entry", "side", "host", "queue_s", "ttft_s", "total_s", "tokens"]
STORED = sa.select(*_OF_ATTEMPTS).where(answers.c.battle_id == sa.bindparam("of"))
"""Which answers of a battle are stored, the sides on which they were on stage, and by which attempts."""

_RUNNING = sa.and_(battles.c.id == sa.bindparam("of"), battles.c.status == "running")

MOVE = (
    sa.update(battles)
    .where(_RUNNING, battles.c.round == sa.bindparam("at"))
    .values(round=sa.bindparam("next"), status=sa.bindparam("to"), ended_at=sa.bindparam("ended"))
)
"""Bring a battle from the round ``at`` to the next, or to its end."""

END = sa.update(battles).where(_RUNNING).values(status=sa.bindparam("to"), ended_at=sa.bindparam("ended"))

STATUS = sa.select(battles.c.status).where(battles.c.id == sa.bindparam("of"))


def _leaked(entry: str) -> sa.ColumnElement[bool]:
    """Whether the answer that is judged bears a leak mark now."""
    judged = sa.and_(answers.c.battle_id == sa.bindparam("of"), answers.c.entry == sa.bindparam(entry))
    return sa.exists().where(judged, answers.c.leaked)


VOTE = sa.insert(votes).values(leaked_a=_leaked("judged_a"), leaked_b=_leaked("judged_b")).inline()
"""Insert a vote with the leak marks of what it judged; its id is of no interest, so it is not asked for."""

LAST_VOTE = (
    sa.select(*votes.c["round", "request_hash"], *_VOTED)
    .where(votes.c.battle_id == sa.bindparam("of"), votes.c.retracted_at.is_(None))
    .order_by(votes.c.round.desc())
    .limit(1)
)
"""The newest vote of a battle that stands, with the request it came by."""

COUNTS = sa.select(
    sa.func.count(), sa.func.count().filter(battles.c.status == sa.literal_column("'finished'"))
).select_from(battles)
"""How many battles there are, and how many of them were judged to their end."""

IMPORTED = sa.select(sa.func.coalesce(sa.func.sum(import_sources.c.votes), 0))
"""How many votes were imported without a battle; their sources are few, and each knows its number."""

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

RETRACT = (
    sa.update(votes)
    .where(
        votes.c.battle_id == sa.bindparam("of"),
        votes.c.round == sa.bindparam("at"),
        votes.c.retracted_at.is_(None),
        votes.c.created_at >= sa.bindparam("since"),
    )
    .values(retracted_at=sa.bindparam("now"), **dict.fromkeys(("reasons_a", "reasons_b", "comment"), sa.null()))
)
"""Take a vote back that is not older than ``since``; the row stays, what was said of it goes."""

MOVE_BACK = sa.update(battles).where(_RUNNING, battles.c.round == sa.bindparam("next")).values(round=sa.bindparam("at"))
"""Bring a running battle from the round ``next`` back to the one before."""
