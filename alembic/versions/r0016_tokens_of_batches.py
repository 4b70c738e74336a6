"""How many tokens the prompts of a run's calls had, and the model of a batch."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
oldest = "0009"  # what it adds is left alone by that version


def upgrade() -> None:
    op.add_column("batch_calls", sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"))
    op.add_column("batch_stages", sa.Column("prompt_tokens", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("openai_batches", sa.Column("model", sa.Text))


def downgrade() -> None:
    op.drop_column("openai_batches", "model")
    op.drop_column("batch_stages", "prompt_tokens")
    op.drop_column("batch_calls", "prompt_tokens")
