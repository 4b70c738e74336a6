"""The request that a vote came by, to know a double click again."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("votes", sa.Column("request_hash", sa.Text))


def downgrade() -> None:
    op.drop_column("votes", "request_hash")
