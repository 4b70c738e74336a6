"""Battles, what was answered in them, and the votes."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _battles()
    _answers()
    _votes()


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _battles() -> None:
    op.create_table(
        "battles",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("system", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("contestants", sa.JSON, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("request_hash", sa.Text),
        _moment("created_at"),
        _moment("ended_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_battles"),
        sa.UniqueConstraint("idempotency_key", name="uq_battles_idempotency_key"),
        sa.CheckConstraint("status IN ('running', 'finished', 'stopped', 'failed')", name="ck_battles_status"),
        sa.CheckConstraint("round >= 1", name="ck_battles_round"),
    )
    op.create_index("ix_battles_session_id_created_at", "battles", ["session_id", "created_at"])
    running = sa.text("status = 'running'")
    op.create_index("ix_battles_running", "battles", ["created_at"], sqlite_where=running, postgresql_where=running)


def _answers() -> None:
    op.create_table(
        "answers",
        sa.Column("battle_id", sa.Text, nullable=False),
        sa.Column("entry", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("host", sa.Text),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("finish_reason", sa.Text, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("fallback", sa.Boolean, nullable=False, server_default=sa.false()),
        *(sa.Column(f"{name}_s", sa.Double) for name in ("queue", "load", "prompt", "ttft", "decode", "total")),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("tokens_per_s", sa.Double),
        sa.Column("thinking_s", sa.Double, nullable=False),
        sa.Column("cold", sa.Boolean, nullable=False),
        sa.Column("cached_prompt", sa.Boolean, nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("battle_id", "entry", name="pk_answers"),
        sa.ForeignKeyConstraint(["battle_id"], ["battles.id"], name="fk_answers_battle_id"),
        sa.CheckConstraint(
            "finish_reason IN ('stop', 'length', 'error', 'cancelled')", name="ck_answers_finish_reason"
        ),
        sa.CheckConstraint("entry >= 0", name="ck_answers_entry"),
    )


def _votes() -> None:
    op.create_table(
        "votes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("battle_id", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("entry_a", sa.Integer, nullable=False),
        sa.Column("entry_b", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        _moment("created_at"),
        _moment("retracted_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_votes"),
        sa.ForeignKeyConstraint(["battle_id"], ["battles.id"], name="fk_votes_battle_id"),
        sa.UniqueConstraint("battle_id", "idempotency_key", name="uq_votes_battle_id_idempotency_key"),
        sa.CheckConstraint("verdict IN ('a', 'b', 'tie', 'both_bad')", name="ck_votes_verdict"),
        sa.CheckConstraint("entry_a <> entry_b", name="ck_votes_entries"),
    )
    standing = sa.text("retracted_at IS NULL")
    op.create_index(
        "uq_votes_standing",
        "votes",
        ["battle_id", "round"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )


def downgrade() -> None:
    op.drop_table("votes")
    op.drop_table("answers")
    op.drop_table("battles")
