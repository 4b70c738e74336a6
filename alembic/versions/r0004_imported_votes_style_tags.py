"""Narrow rows for imported votes, the look of every answer, and when a battle's language was looked for."""

from __future__ import annotations

import re

import sqlalchemy as sa

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STYLES = ("length", "headers", "lists", "bold")
LABELS = "import_labels.id"
CHUNK = 1000

# As app.records.style measured when this was written; a migration does not follow what the code becomes.
_FENCED = re.compile(r"^(```|~~~).*?(?:^\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_COUNTED = {
    "headers": re.compile(r"^ {0,3}#{1,6}[^\S\n]+\S", re.MULTILINE),
    "lists": re.compile(r"^[^\S\n]*(?:[-*+]|\d{1,9}[.)])[^\S\n]+\S", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]+\*\*|(?<!\w)__[^_\n]+__(?!\w)"),
}


def upgrade() -> None:
    op.add_column("battles", sa.Column("tagged_at", sa.DateTime(timezone=True)))
    condition = sa.text("tagged_at IS NULL")
    op.create_index(
        "ix_battles_untagged", "battles", ["created_at"], sqlite_where=condition, postgresql_where=condition
    )
    for name in STYLES:
        op.add_column("answers", sa.Column(f"style_{name}", sa.Integer))
    _measure()
    _imports()


def _measure() -> None:
    """Measure the texts that are there; what was erased before this is not known any more."""
    answers = sa.table("answers", *map(sa.column, ("battle_id", "entry", "text", "finish_reason")))
    after = sa.tuple_(answers.c.battle_id, answers.c.entry) > sa.tuple_(sa.bindparam("battle"), sa.bindparam("entry"))
    texts = (
        sa.select(answers.c.battle_id, answers.c.entry, answers.c.text)
        .where(answers.c.finish_reason.in_(("stop", "length")), answers.c.text != "", after)
        .order_by(answers.c.battle_id, answers.c.entry)
        .limit(CHUNK)
    )
    measured = sa.text(
        f"UPDATE answers SET {', '.join(f'style_{name} = :{name}' for name in STYLES)} "
        "WHERE battle_id = :battle AND entry = :entry"
    )
    connection, battle, entry = op.get_bind(), "", -1
    while rows := connection.execute(texts, {"battle": battle, "entry": entry}).all():
        styles = [{"battle": row.battle_id, "entry": row.entry} | _style(row.text) for row in rows if row.text.strip()]
        if styles:
            connection.execute(measured, styles)
        battle, entry = rows[-1].battle_id, rows[-1].entry


def _style(text: str) -> dict[str, int]:
    prose = _FENCED.sub("", text)
    return {"length": len(text)} | {name: len(pattern.findall(prose)) for name, pattern in _COUNTED.items()}


def _imports() -> None:
    op.create_table(
        "import_sources",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("votes", sa.BigInteger, nullable=False),
        sa.Column("contents", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_import_sources"),
        sa.UniqueConstraint("name", name="uq_import_sources_name"),
    )
    op.create_table(
        "import_labels",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_import_labels"),
        sa.UniqueConstraint("label", name="uq_import_labels_label"),
    )
    op.create_table(
        "imported_votes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("source_id", sa.Integer, nullable=False),
        sa.Column("model_a", sa.Integer, nullable=False),
        sa.Column("model_b", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("language", sa.Integer),
        sa.Column("categories", sa.Integer),
        sa.Column("voter", sa.Text),
        sa.Column("voted_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(f"{name}_{side}", sa.Integer) for side in ("a", "b") for name in STYLES),
        sa.PrimaryKeyConstraint("id", name="pk_imported_votes"),
        sa.ForeignKeyConstraint(["source_id"], ["import_sources.id"], name="fk_imported_votes_source_id"),
        *(
            sa.ForeignKeyConstraint([name], [LABELS], name=f"fk_imported_votes_{name}")
            for name in ("model_a", "model_b", "language", "categories")
        ),
        sa.UniqueConstraint("key", name="uq_imported_votes_key"),
        sa.CheckConstraint("verdict IN ('a', 'b', 'tie', 'both_bad')", name="ck_imported_votes_verdict"),
        sa.CheckConstraint("model_a <> model_b", name="ck_imported_votes_models"),
    )


def downgrade() -> None:
    for table in ("imported_votes", "import_labels", "import_sources"):
        op.drop_table(table)
    for name in reversed(STYLES):
        op.drop_column("answers", f"style_{name}")
    op.drop_index("ix_battles_untagged", "battles")
    op.drop_column("battles", "tagged_at")
