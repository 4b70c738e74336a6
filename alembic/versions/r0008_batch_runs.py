"""Batch runs: their jobs, calls, sums, loads and cached answers."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("batch_runs", "batch_jobs", "batch_calls", "batch_stages", "batch_loads", "batch_cache")
TIMES = ("queue_s", "load_s", "prompt_s", "ttft_s", "decode_s", "total_s")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)


def _seconds(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Double, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of_a_run(table: str, *key: str) -> tuple[sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.PrimaryKeyConstraint("run_id", *key, name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["run_id"], ["batch_runs.id"], name=f"fk_{table}_run_id"),
    )


def _one_of(table: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"status IN ({listed})", name=f"ck_{table}_status")


def upgrade() -> None:
    _runs()
    _jobs()
    _calls()
    _sums()
    _cache()


def _runs() -> None:
    op.create_table(
        "batch_runs",
        _text("id"),
        _text("owner", nullable=True),
        *map(_text, ("name", "spec", "status")),
        sa.Column("foreground", sa.Boolean, nullable=False),
        *map(_count, ("jobs", "jobs_done", "jobs_failed")),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        *map(_text, ("note", "between", "max_failures")),
        _seconds("active_s"),
        sa.Column("metadata", sa.JSON),
        _moment("created_at"),
        *(_moment(name, nullable=True) for name in ("started_at", "ended_at", "expires_at")),
        sa.PrimaryKeyConstraint("id", name="pk_batch_runs"),
        _one_of("batch_runs", "loading", "queued", "running", "paused", "completed", "failed", "cancelled"),
    )
    op.create_index("ix_batch_runs_created", "batch_runs", ["created_at"])


def _jobs() -> None:
    op.create_table(
        "batch_jobs",
        _text("run_id"),
        _count("n"),
        _text("custom_id"),
        sa.Column("fields", sa.JSON, nullable=False),
        _text("status"),
        sa.Column("stage", sa.Integer),
        _text("error_code", nullable=True),
        _text("error", nullable=True),
        _moment("ended_at", nullable=True),
        *_of_a_run("batch_jobs", "n"),
        sa.UniqueConstraint("run_id", "custom_id", name="uq_batch_jobs_run_id_custom_id"),
        _one_of("batch_jobs", "waiting", "done", "failed"),
    )
    for status in ("waiting", "failed"):
        where = sa.text(f"status = '{status}'")
        name = f"ix_batch_jobs_{status}"
        op.create_index(name, "batch_jobs", ["run_id", "n"], sqlite_where=where, postgresql_where=where)


def _calls() -> None:
    op.create_table(
        "batch_calls",
        _text("run_id"),
        *map(_count, ("n", "stage", "part")),
        _text("status"),
        *map(_count, ("tries", "faults")),
        _text("model"),
        _text("host", nullable=True),
        _text("digest", nullable=True),
        _text("text"),
        *(_text(name, nullable=True) for name in ("finish_reason", "error_code", "error")),
        _count("tokens"),
        *(_seconds(name, nullable=True) for name in TIMES),
        sa.Column("cold", sa.Boolean, nullable=False),
        sa.Column("cached", sa.Boolean, nullable=False),
        _moment("created_at"),
        *_of_a_run("batch_calls", "n", "stage", "part"),
        _one_of("batch_calls", "answered", "open", "done", "failed", "skipped"),
    )


def _sums() -> None:
    op.create_table(
        "batch_stages",
        _text("run_id"),
        *map(_count, ("stage", "done", "failed", "skipped", "cached", "cold")),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        *map(_seconds, ("decode_s", "load_s", "work_s")),
        *_of_a_run("batch_stages", "stage"),
    )
    op.create_table(
        "batch_loads",
        _text("run_id"),
        _text("host"),
        _seconds("since"),
        _text("model"),
        _seconds("seconds", nullable=True),
        _count("jobs_done"),
        *_of_a_run("batch_loads", "host", "since"),
    )


def _cache() -> None:
    op.create_table(
        "batch_cache",
        *map(_text, ("scope", "key", "model", "digest", "text", "finish_reason")),
        _count("tokens"),
        sa.Column("size", sa.BigInteger, nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("scope", "key", name="pk_batch_cache"),
    )
    op.create_index("ix_batch_cache_age", "batch_cache", ["scope", "created_at"])


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
