"""The tables, the same on SQLite and PostgreSQL; ``alembic/versions`` builds them, a test holds both alike.

``battles`` is a battle and how far its verdicts have brought it, ``rounds`` the pairs that were on stage, ``answers``
what a contestant wrote, with what it was asked and how long it took, ``contestants`` the models that wrote
(``ModelIdentity``: another digest, quantisation or option is another contestant), ``votes`` the verdicts. A vote is
never deleted: taking it back sets ``retracted_at``, and only one vote without it may stand for a round, which a
partial unique index holds on both databases; ``reasons_*`` and ``comment`` are what the voter says of his verdict.
``forgotten_at`` says that a battle's words and voters were erased on purpose, ``imported_at`` that another arena
played it, ``tagged_at`` that its language and categories were looked for, ``draw_*`` how its contestants were drawn
(``DrawRecord``). The four counts ``style_*`` of an answer are kept when its text is erased; so is its ``story``, which
has the steps of ``app.timing.story`` and no words.

``imported_votes`` are votes of which nothing is known but the models, the verdict and who voted when: published data
sets have millions, so such a vote is one narrow row, without a battle, a round or answers. Names that come again and
again are numbers of ``import_labels``. ``key`` is what a vote is known by (``app.records.vote_keys``),
``import_sources`` are the files that votes came from, each with the number of its votes and the sum of their contents.

``marks`` are facts about the whole, by name: ``secret`` tells a backup's ARENA_SECRET from another, not what it is.

Times are UTC with microseconds, see ``app.records.column_types``.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.records.column_types import CleanJson, CleanText, UtcTime

STYLES = ("length", "headers", "lists", "bold")
"""What is counted of an answer's style; see ``app.records.style``."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _one_of(column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


battles = sa.Table(
    "battles",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("session_id", CleanText),
    sa.Column("message", CleanText, nullable=False),
    sa.Column("system", CleanText),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("contestants", sa.JSON, nullable=False),
    sa.Column("options", sa.JSON, nullable=False),
    sa.Column("idempotency_key", CleanText),
    sa.Column("request_hash", CleanText),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("language", CleanText),
    sa.Column("categories", CleanJson),
    sa.Column("imported_at", UtcTime),
    sa.Column("forgotten_at", UtcTime),
    sa.Column("tagged_at", UtcTime),
    sa.Column("draw_set", CleanText),
    sa.Column("draw_set_probability", sa.Double),
    sa.Column("draw_probability", sa.Double),
    sa.UniqueConstraint("idempotency_key"),
    _one_of("status", "running", "finished", "stopped", "failed"),
    sa.CheckConstraint("round >= 1", name="round"),
    sa.Index(None, "session_id", "created_at"),
)

# The sweeper asks for running battles every few seconds; they are few among many.
sa.Index(
    "ix_battles_running",
    battles.c.created_at,
    sqlite_where=battles.c.status == "running",
    postgresql_where=battles.c.status == "running",
)

# Retention asks for old battles that still hold words.
sa.Index(
    "ix_battles_remembered",
    battles.c.created_at,
    sqlite_where=battles.c.forgotten_at.is_(None),
    postgresql_where=battles.c.forgotten_at.is_(None),
)

# The tagger asks every few seconds for battles whose language and categories nobody has looked for.
sa.Index(
    "ix_battles_untagged",
    battles.c.created_at,
    sqlite_where=battles.c.tagged_at.is_(None),
    postgresql_where=battles.c.tagged_at.is_(None),
)

rounds = sa.Table(
    "rounds",
    metadata,
    sa.Column("battle_id", CleanText, sa.ForeignKey("battles.id"), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("entry_a", sa.Integer, nullable=False),
    sa.Column("entry_b", sa.Integer, nullable=False),
    sa.Column("opened_at", UtcTime),
    sa.Column("ready_at", UtcTime),
    sa.CheckConstraint("round >= 1", name="round"),
    sa.CheckConstraint("entry_a <> entry_b", name="entries"),
)

contestants = sa.Table(
    "contestants",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("digest", CleanText, nullable=False),
    sa.Column("quantization", CleanText, nullable=False),
    sa.Column("options", CleanJson, nullable=False),
    sa.Column("server", CleanText),
    sa.Column("created_at", UtcTime, nullable=False),
)

answers = sa.Table(
    "answers",
    metadata,
    sa.Column("battle_id", CleanText, sa.ForeignKey("battles.id"), primary_key=True),
    sa.Column("entry", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("side", CleanText),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("contestant_id", CleanText, sa.ForeignKey("contestants.id")),
    sa.Column("digest", CleanText),
    sa.Column("quantization", CleanText),
    sa.Column("options", CleanJson),
    sa.Column("server", CleanText),
    sa.Column("system", CleanText),
    sa.Column("host", CleanText),
    sa.Column("text", CleanText, nullable=False),
    sa.Column("finish_reason", CleanText, nullable=False),
    sa.Column("error_code", CleanText),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("fallback", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leaked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leak", CleanText),
    sa.Column("queue_s", sa.Double),
    sa.Column("load_s", sa.Double),
    sa.Column("prompt_s", sa.Double),
    sa.Column("ttft_s", sa.Double),
    sa.Column("decode_s", sa.Double),
    sa.Column("total_s", sa.Double),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("tokens_per_s", sa.Double),
    sa.Column("thinking_s", sa.Double, nullable=False),
    sa.Column("cold", sa.Boolean, nullable=False),
    sa.Column("cached_prompt", sa.Boolean, nullable=False),
    sa.Column("own_clock", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("cut_prompt", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"),
    sa.Column("cost", sa.Double),
    sa.Column("created_at", UtcTime, nullable=False),
    *(sa.Column(f"style_{name}", sa.Integer) for name in STYLES),
    sa.Column("story", CleanJson),
    _one_of("finish_reason", "stop", "length", "error", "cancelled"),
    _one_of("side", "a", "b"),
    sa.CheckConstraint("entry >= 0", name="entry"),
)

votes = sa.Table(
    "votes",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("battle_id", CleanText, sa.ForeignKey("battles.id"), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("verdict", CleanText, nullable=False),
    sa.Column("entry_a", sa.Integer, nullable=False),
    sa.Column("entry_b", sa.Integer, nullable=False),
    sa.Column("idempotency_key", CleanText),
    sa.Column("request_hash", CleanText),
    sa.Column("voter", CleanText),
    sa.Column("leaked_a", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leaked_b", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("client_at", UtcTime),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("retracted_at", UtcTime),
    sa.Column("reasons_a", CleanJson),
    sa.Column("reasons_b", CleanJson),
    sa.Column("comment", CleanText),
    sa.UniqueConstraint("battle_id", "idempotency_key"),
    _one_of("verdict", "a", "b", "tie", "both_bad"),
    sa.CheckConstraint("entry_a <> entry_b", name="entries"),
)

sa.Index(
    "uq_votes_standing",
    votes.c.battle_id,
    votes.c.round,
    unique=True,
    sqlite_where=votes.c.retracted_at.is_(None),
    postgresql_where=votes.c.retracted_at.is_(None),
)

# A voter's votes are found when he asks to be forgotten; votes that were taken back are few among many.
sa.Index(
    "ix_votes_voter",
    votes.c.voter,
    sqlite_where=votes.c.voter.is_not(None),
    postgresql_where=votes.c.voter.is_not(None),
)
sa.Index(
    "ix_votes_retracted",
    votes.c.retracted_at,
    sqlite_where=votes.c.retracted_at.is_not(None),
    postgresql_where=votes.c.retracted_at.is_not(None),
)

marks = sa.Table(
    "marks",
    metadata,
    sa.Column("name", CleanText, primary_key=True),
    sa.Column("value", CleanText, nullable=False),
)

import_sources = sa.Table(
    "import_sources",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", CleanText, nullable=False),
    sa.Column("votes", sa.BigInteger, nullable=False),
    sa.Column("contents", CleanText, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.UniqueConstraint("name"),
)

import_labels = sa.Table(
    "import_labels",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("label", CleanText, nullable=False),
    sa.UniqueConstraint("label"),
)

imported_votes = sa.Table(
    "imported_votes",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("key", sa.LargeBinary, nullable=False),
    sa.Column("source_id", sa.Integer, sa.ForeignKey("import_sources.id"), nullable=False),
    sa.Column("model_a", sa.Integer, sa.ForeignKey("import_labels.id"), nullable=False),
    sa.Column("model_b", sa.Integer, sa.ForeignKey("import_labels.id"), nullable=False),
    sa.Column("verdict", CleanText, nullable=False),
    sa.Column("language", sa.Integer, sa.ForeignKey("import_labels.id")),
    sa.Column("categories", sa.Integer, sa.ForeignKey("import_labels.id")),
    sa.Column("voter", CleanText),
    sa.Column("voted_at", UtcTime, nullable=False),
    *(sa.Column(f"{name}_{side}", sa.Integer) for side in ("a", "b") for name in STYLES),
    sa.UniqueConstraint("key"),
    _one_of("verdict", "a", "b", "tie", "both_bad"),
    sa.CheckConstraint("model_a <> model_b", name="models"),
)
