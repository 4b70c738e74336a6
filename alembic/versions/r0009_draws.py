"""How a battle's contestants were drawn: from which set, and with which probabilities."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

COLUMNS = (("draw_set", sa.Text), ("draw_set_probability", sa.Double), ("draw_probability", sa.Double))


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("battles", sa.Column(name, kind))


def downgrade() -> None:
    for name, _ in COLUMNS:
        op.drop_column("battles", name)
