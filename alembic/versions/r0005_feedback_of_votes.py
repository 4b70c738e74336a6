"""What voters say of their verdicts: reasons for each side, and a comment."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("votes", sa.Column("reasons_a", sa.JSON))
    op.add_column("votes", sa.Column("reasons_b", sa.JSON))
    op.add_column("votes", sa.Column("comment", sa.Text))


def downgrade() -> None:
    for name in ("comment", "reasons_b", "reasons_a"):
        op.drop_column("votes", name)
