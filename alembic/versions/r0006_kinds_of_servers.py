"""Which kind of server ran a contestant, and whether an answer's rate is by the arena's own clock."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("contestants", sa.Column("server", sa.Text))
    op.add_column("answers", sa.Column("server", sa.Text))
    op.add_column("answers", sa.Column("own_clock", sa.Boolean, nullable=False, server_default=sa.false()))


def downgrade() -> None:
    op.drop_column("answers", "own_clock")
    op.drop_column("answers", "server")
    op.drop_column("contestants", "server")
