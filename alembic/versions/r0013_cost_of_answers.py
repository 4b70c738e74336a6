"""What an answer cost, where its host has a price."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
oldest = "0009"  # what it adds is left alone by that version


def upgrade() -> None:
    op.add_column("answers", sa.Column("cost", sa.Double))


def downgrade() -> None:
    op.drop_column("answers", "cost")
