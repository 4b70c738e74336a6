"""What happened to an answer on its way, for ``arena why``, and marks of the whole, for ``arena restore``."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
oldest = "0009"  # what it adds is left alone by that version


def upgrade() -> None:
    op.add_column("answers", sa.Column("story", sa.JSON))
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )


def downgrade() -> None:
    op.drop_table("marks")
    op.drop_column("answers", "story")
