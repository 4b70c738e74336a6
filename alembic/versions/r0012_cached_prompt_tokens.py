"""How many tokens the prompt of a cached answer had, and an index from which sizes are summed up."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
oldest = "0009"  # what it adds is left alone by that version


def upgrade() -> None:
    op.add_column("batch_cache", sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_batch_cache_size", "batch_cache", ["scope", "created_at", "key", "size"])


def downgrade() -> None:
    op.drop_index("ix_batch_cache_size", "batch_cache")
    op.drop_column("batch_cache", "prompt_tokens")
