"""What batch runs waited for, and when."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
oldest = "0009"  # what it adds is left alone by that version


def upgrade() -> None:
    op.create_table(
        "batch_waits",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "since", name="pk_batch_waits"),
        # CASCADE: a version that does not know this table still removes runs.
        sa.ForeignKeyConstraint(["run_id"], ["batch_runs.id"], name="fk_batch_waits_run_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    op.drop_table("batch_waits")
