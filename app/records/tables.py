"""The tables, the same on SQLite and PostgreSQL; ``alembic/versions`` builds them, a test holds both alike.

``battles`` is a battle and how far its verdicts have brought it, ``rounds`` the pairs that were on stage, ``answers``
what a contestant wrote, with what it was asked and how long it took, ``contestants`` the models that wrote
(``ModelIdentity``: another digest, quantisation or option is another contestant), ``votes`` the verdicts. A vote is
never deleted: taking it back sets ``retracted_at``, and only one vote without it may stand for a round, which a
partial unique index holds on both databases. ``forgotten_at`` says that a battle's words and voters were erased on
purpose, ``imported_at`` that another arena played it.

Times are UTC with microseconds; SQLite keeps them as text without a zone, so they still sort as times. Neither
database can hold what JSON lets through, the character NUL (PostgreSQL) and half a surrogate pair (both): such a
character is kept as U+FFFD, since a model's answer must never fail to be stored for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcTime(sa.types.TypeDecorator[datetime]):
    """A moment: aware and in UTC on the way out, refused when naive on the way in."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn any zone into UTC; SQLite gets it without the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone can't be stored")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CleanText(sa.types.TypeDecorator[str]):
    """Text that both databases can hold: NUL and lone surrogates become U+FFFD."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Replace what can't be stored."""
        return None if value is None else storable(value)


class CleanJson(sa.types.TypeDecorator[Any]):
    """JSON that both databases can hold; None is NULL, and texts are cleaned as those of ``CleanText`` are."""

    impl = sa.JSON(none_as_null=True)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """Replace what can't be stored."""
        return _clean(value)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): _clean(part) for key, part in value.items()}
    return [_clean(part) for part in value] if isinstance(value, list | tuple) else value


def storable(text: str) -> str:
    """``text`` with NUL and lone surrogates replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "\ufffd")


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


battles = sa.Table(
    "battles",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("session_id", CleanText),
    sa.Column("message", CleanText, nullable=False),
    sa.Column("system", CleanText),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("contestants", sa.JSON, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("idempotency_key", CleanText),
    sa.Column("request_hash", CleanText),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("language", CleanText),
    sa.Column("categories", CleanJson),
    sa.Column("imported_at", UtcTime),
    sa.Column("forgotten_at", UtcTime),
    sa.UniqueConstraint("idempotency_key"),
    _one_of("status", "running", "finished", "stopped", "failed"),
    sa.CheckConstraint("round >= 1", name="round"),
    sa.Index(None, "session_id", "created_at"),
)

# The sweeper asks for running battles every few seconds; they are few among many.
sa.Index(
    "ix_battles_running",
    battles.c.created_at,
    sqlite_where=battles.c.status == "running",
    postgresql_where=battles.c.status == "running",
)

# Retention asks for old battles that still hold words.
sa.Index(
    "ix_battles_remembered",
    battles.c.created_at,
    sqlite_where=battles.c.forgotten_at.is_(None),
    postgresql_where=battles.c.forgotten_at.is_(None),
)

rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("battle_id", CleanText, sa.ForeignKey("battles.id"), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry_a", sa.Integer, nullable=False),
    sa.Column("entry_b", sa.Integer, nullable=False),
    sa.Column("opened_at", UtcTime),
    sa.Column("ready_at", UtcTime),
    sa.CheckConstraint("round >= 1", name="round"),
    sa.CheckConstraint("entry_a <> entry_b", name="entries"),
)

contestants = sa.Table(
    "contestants",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("digest", CleanText, nullable=False),
    sa.Column("quantization", CleanText, nullable=False),
    sa.Column("options", CleanJson, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("battle_id", CleanText, sa.ForeignKey("battles.id"), primary_key=True),
    sa.Column("entry", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("side", CleanText),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("contestant_id", CleanText, sa.ForeignKey("contestants.id")),
    sa.Column("digest", CleanText),
    sa.Column("quantization", CleanText),
    sa.Column("options", CleanJson),
    sa.Column("system", CleanText),
    sa.Column("host", CleanText),
    sa.Column("text", CleanText, nullable=False),
    sa.Column("finish_reason", CleanText, nullable=False),
    sa.Column("error_code", CleanText),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("fallback", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leaked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leak", CleanText),
    sa.Column("queue_s", sa.Double),
    sa.Column("load_s", sa.Double),
    sa.Column("prompt_s", sa.Double),
    sa.Column("ttft_s", sa.Double),
    sa.Column("decode_s", sa.Double),
    sa.Column("total_s", sa.Double),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("tokens_per_s", sa.Double),
    sa.Column("thinking_s", sa.Double, nullable=False),
    sa.Column("cold", sa.Boolean, nullable=False),
    sa.Column("cached_prompt", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    _one_of("finish_reason", "stop", "length", "error", "cancelled"),
    _one_of("side", "a", "b"),
    sa.CheckConstraint("entry >= 0", name="entry"),
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("battle_id", CleanText, sa.ForeignKey("battles.id"), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("verdict", CleanText, nullable=False),
    sa.Column("entry_a", sa.Integer, nullable=False),
    sa.Column("entry_b", sa.Integer, nullable=False),
    sa.Column("idempotency_key", CleanText),
    sa.Column("request_hash", CleanText),
    sa.Column("voter", CleanText),
    sa.Column("leaked_a", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leaked_b", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("client_at", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("retracted_at", UtcTime),
    sa.UniqueConstraint("battle_id", "idempotency_key"),
    _one_of("verdict", "a", "b", "tie", "both_bad"),
    sa.CheckConstraint("entry_a <> entry_b", name="entries"),
)

sa.Index(
    "uq_votes_standing",
    votes.c.battle_id,
    votes.c.round,
    unique=True,
    sqlite_where=votes.c.retracted_at.is_(None),
    postgresql_where=votes.c.retracted_at.is_(None),
)

# A voter's votes are found when he asks to be forgotten; votes that were taken back are few among many.
sa.Index(
    "ix_votes_voter",
    votes.c.voter,
    sqlite_where=votes.c.voter.is_not(None),
    postgresql_where=votes.c.voter.is_not(None),
)
sa.Index(
    "ix_votes_retracted",
    votes.c.retracted_at,
    sqlite_where=votes.c.retracted_at.is_not(None),
    postgresql_where=votes.c.retracted_at.is_not(None),
)
