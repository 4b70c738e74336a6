"""The tables of batch runs, beside those of battles in the same schema (``tables.metadata``).

``batch_runs`` is a run and how far it is, ``batch_jobs`` its jobs in the order of their file, ``batch_stages`` the sums
of a stage, ``batch_calls`` what models answered, ``batch_loads`` the loads that were seen meanwhile, ``batch_waits``
what the run waited for. A call has a row once something came of it. ``answered``: the model's answer is stored and will
never be asked for again, but nobody has looked at it yet; ``open``: it is to be asked for again (``tries`` says how
often it was, ``faults`` how often that was not only its host's fault); ``done``, ``failed`` and ``skipped`` are ends.
``batch_cache`` are answers that may be given again.
``batch_files`` are what clients of OpenAI's Batch API uploaded, in parts; ``openai_batches`` what they made of it: a
batch is a run once its lines were checked.
"""

from __future__ import annotations

import sqlalchemy as sa

from app.records.column_types import CleanJson, CleanText, UtcTime
from app.records.tables import metadata

RUN_STATUSES = ("loading", "queued", "running", "paused", "completed", "failed", "cancelled")
JOB_STATUSES = ("waiting", "done", "failed")
CALL_STATUSES = ("answered", "open", "done", "failed", "skipped")
TIMES = ("queue_s", "load_s", "prompt_s", "ttft_s", "decode_s", "total_s")


def _one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


batch_runs = sa.Table(
    "batch_runs",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("owner", CleanText),
    sa.Column("name", CleanText, nullable=False),
    sa.Column("spec", CleanText, nullable=False),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("foreground", sa.Boolean, nullable=False),
    sa.Column("jobs", sa.Integer, nullable=False),
    sa.Column("jobs_done", sa.Integer, nullable=False),
    sa.Column("jobs_failed", sa.Integer, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("note", CleanText, nullable=False),
    sa.Column("between", CleanText, nullable=False),
    sa.Column("max_failures", CleanText, nullable=False),
    sa.Column("active_s", sa.Double, nullable=False),
    sa.Column("metadata", CleanJson),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("expires_at", UtcTime),
    _one_of("status", RUN_STATUSES),
)

sa.Index("ix_batch_runs_created", batch_runs.c.created_at)

batch_jobs = sa.Table(
    "batch_jobs",
    metadata,
    sa.Column("run_id", CleanText, sa.ForeignKey("batch_runs.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("custom_id", CleanText, nullable=False),
    sa.Column("fields", CleanJson, nullable=False),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("stage", sa.Integer),
    sa.Column("error_code", CleanText),
    sa.Column("error", CleanText),
    sa.Column("ended_at", UtcTime),
    sa.UniqueConstraint("run_id", "custom_id"),
    _one_of("status", JOB_STATUSES),
)

sa.Index(
    "ix_batch_jobs_waiting",
    batch_jobs.c.run_id,
    batch_jobs.c.n,
    sqlite_where=batch_jobs.c.status == "waiting",
    postgresql_where=batch_jobs.c.status == "waiting",
)

sa.Index(
    "ix_batch_jobs_failed",
    batch_jobs.c.run_id,
    batch_jobs.c.n,
    sqlite_where=batch_jobs.c.status == "failed",
    postgresql_where=batch_jobs.c.status == "failed",
)

batch_calls = sa.Table(
    "batch_calls",
    metadata,
    sa.Column("run_id", CleanText, sa.ForeignKey("batch_runs.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("stage", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("faults", sa.Integer, nullable=False),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("host", CleanText),
    sa.Column("digest", CleanText),
    sa.Column("text", CleanText, nullable=False),
    sa.Column("finish_reason", CleanText),
    sa.Column("error_code", CleanText),
    sa.Column("error", CleanText),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"),
    *(sa.Column(name, sa.Double) for name in TIMES),
    sa.Column("cold", sa.Boolean, nullable=False),
    sa.Column("cached", sa.Boolean, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    _one_of("status", CALL_STATUSES),
)

batch_stages = sa.Table(
    "batch_stages",
    metadata,
    sa.Column("run_id", CleanText, sa.ForeignKey("batch_runs.id"), primary_key=True),
    sa.Column("stage", sa.Integer, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Integer, nullable=False) for name in ("done", "failed", "skipped", "cached", "cold")),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("prompt_tokens", sa.BigInteger, nullable=False, server_default="0"),
    *(sa.Column(name, sa.Double, nullable=False) for name in ("decode_s", "load_s", "work_s")),
)

batch_loads = sa.Table(
    "batch_loads",
    metadata,
    sa.Column("run_id", CleanText, sa.ForeignKey("batch_runs.id"), primary_key=True),
    sa.Column("host", CleanText, primary_key=True),
    sa.Column("since", sa.Double, primary_key=True),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("seconds", sa.Double),
    sa.Column("jobs_done", sa.Integer, nullable=False),
)

batch_waits = sa.Table(
    "batch_waits",
    metadata,
    sa.Column("run_id", CleanText, sa.ForeignKey("batch_runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("since", UtcTime, primary_key=True),
    sa.Column("until", UtcTime),
    sa.Column("note", CleanText, nullable=False),
)

batch_cache = sa.Table(
    "batch_cache",
    metadata,
    sa.Column("scope", CleanText, primary_key=True),
    sa.Column("key", CleanText, primary_key=True),
    sa.Column("model", CleanText, nullable=False),
    sa.Column("digest", CleanText, nullable=False),
    sa.Column("text", CleanText, nullable=False),
    sa.Column("finish_reason", CleanText, nullable=False),
    sa.Column("tokens", sa.Integer, nullable=False),
    sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
)

sa.Index("ix_batch_cache_size", batch_cache.c.scope, batch_cache.c.created_at, batch_cache.c.key, batch_cache.c.size)
sa.Index("ix_batch_cache_age", batch_cache.c.scope, batch_cache.c.created_at)

batch_files = sa.Table(
    "batch_files",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("owner", CleanText),
    sa.Column("filename", CleanText, nullable=False),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
)

batch_file_parts = sa.Table(
    "batch_file_parts",
    metadata,
    sa.Column("file_id", CleanText, sa.ForeignKey("batch_files.id"), primary_key=True),
    sa.Column("n", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

openai_batches = sa.Table(
    "openai_batches",
    metadata,
    sa.Column("id", CleanText, primary_key=True),
    sa.Column("owner", CleanText),
    sa.Column("file_id", CleanText, nullable=False),
    sa.Column("run_id", CleanText),
    sa.Column("model", CleanText),
    sa.Column("status", CleanText, nullable=False),
    sa.Column("completion_window", CleanText, nullable=False),
    sa.Column("metadata", CleanJson),
    sa.Column("errors", CleanJson),
    sa.Column("outputs_for_s", sa.Integer),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("cancelling_at", UtcTime),
    sa.Column("expired_at", UtcTime),
    sa.Column("ended_at", UtcTime),
    sa.Column("finalized_at", UtcTime),
    sa.Column("output_bytes", sa.BigInteger),
    sa.Column("error_bytes", sa.BigInteger),
)

sa.Index("ix_openai_batches_created", openai_batches.c.created_at)
