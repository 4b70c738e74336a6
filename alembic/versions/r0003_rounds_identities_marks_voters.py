"""Rounds, model identities, what an answer was asked with, leak marks, and who voted when."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Columns with a constraint are added by plain SQL, which both databases take: Alembic would have SQLite build the
# table anew, and lose the CHECK constraints on the way.
ANSWERS_WITH_CONSTRAINTS = (
    "side TEXT CONSTRAINT ck_answers_side CHECK (side IN ('a', 'b'))",
    "contestant_id TEXT CONSTRAINT fk_answers_contestant_id REFERENCES contestants (id)",
)
ANSWERS = ("digest", "quantization", "system", "leak")
MARKS = (("answers", "leaked"), ("votes", "leaked_a"), ("votes", "leaked_b"))


def upgrade() -> None:
    _battles()
    _rounds()
    _contestants()
    _answers()
    _votes()


def _moment(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _partial_index(name: str, table: str, column: str, where: str) -> None:
    condition = sa.text(where)
    op.create_index(name, table, [column], sqlite_where=condition, postgresql_where=condition)


def _battles() -> None:
    op.add_column("battles", sa.Column("language", sa.Text))
    op.add_column("battles", sa.Column("categories", sa.JSON))
    op.add_column("battles", _moment("imported_at"))
    op.add_column("battles", _moment("forgotten_at"))
    _partial_index("ix_battles_remembered", "battles", "created_at", "forgotten_at IS NULL")


def _rounds() -> None:
    op.create_table(
        "rounds",
        sa.Column("battle_id", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("entry_a", sa.Integer, nullable=False),
        sa.Column("entry_b", sa.Integer, nullable=False),
        _moment("opened_at"),
        _moment("ready_at"),
        sa.PrimaryKeyConstraint("battle_id", "round", name="pk_rounds"),
        sa.ForeignKeyConstraint(["battle_id"], ["battles.id"], name="fk_rounds_battle_id"),
        sa.CheckConstraint("round >= 1", name="ck_rounds_round"),
        sa.CheckConstraint("entry_a <> entry_b", name="ck_rounds_entries"),
    )
    # Of the rounds before this, those are known that were judged; they were ready at their vote at the latest.
    op.execute(
        "INSERT INTO rounds (battle_id, round, entry_a, entry_b, ready_at) "
        "SELECT battle_id, round, entry_a, entry_b, created_at FROM votes WHERE retracted_at IS NULL"
    )


def _contestants() -> None:
    op.create_table(
        "contestants",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("quantization", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        _moment("created_at", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_contestants"),
    )


def _answers() -> None:
    for column in ANSWERS_WITH_CONSTRAINTS:
        op.execute(f"ALTER TABLE answers ADD COLUMN {column}")
    for name in ANSWERS:
        op.add_column("answers", sa.Column(name, sa.Text))
    op.add_column("answers", sa.Column("options", sa.JSON))
    op.execute(
        "UPDATE answers SET side = (SELECT CASE WHEN r.entry_a = answers.entry THEN 'a' ELSE 'b' END FROM rounds r "
        "WHERE r.battle_id = answers.battle_id AND answers.entry IN (r.entry_a, r.entry_b) ORDER BY r.round LIMIT 1)"
    )


def _votes() -> None:
    op.add_column("votes", sa.Column("voter", sa.Text))
    op.add_column("votes", _moment("client_at"))
    for table, name in MARKS:
        op.add_column(table, sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
    _partial_index("ix_votes_voter", "votes", "voter", "voter IS NOT NULL")
    _partial_index("ix_votes_retracted", "votes", "retracted_at", "retracted_at IS NOT NULL")


def downgrade() -> None:
    op.drop_index("ix_votes_retracted", "votes")
    op.drop_index("ix_votes_voter", "votes")
    for table, name in MARKS:
        op.drop_column(table, name)
    for name in ("client_at", "voter"):
        op.drop_column("votes", name)
    for name in ("options", *reversed(ANSWERS), "contestant_id", "side"):
        op.drop_column("answers", name)
    op.drop_table("contestants")
    op.drop_table("rounds")
    op.drop_index("ix_battles_remembered", "battles")
    for name in ("forgotten_at", "imported_at", "categories", "language"):
        op.drop_column("battles", name)
