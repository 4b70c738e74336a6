"""Findings about a database that takes no writes, so that every battle is refused, or that everybody can read. Pure."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import NamedTuple

from app.doctor.checks.finding import Code, Finding, Severity
from app.store_errors import Trouble, TroubleKind


class _Help(NamedTuple):
    code: Code
    remedy: str
    command: str


_FULL_REMEDY = "make room on its disk, or move it to a disk that works"
_LOCK_REMEDY = "wait until it is done, or end what holds the lock: an import, a backup, a shell with an open BEGIN"

_POSTGRES: dict[TroubleKind, _Help] = {
    "read_only": _Help(
        "database_read_only",
        "name the primary in DATABASE_URL and not a standby, and set default_transaction_read_only to off",
        'psql "$DATABASE_URL" -c "SELECT pg_is_in_recovery()" -c "SHOW default_transaction_read_only"',
    ),
    "forbidden": _Help(
        "database_forbids",
        "as their owner, give the user SELECT, INSERT and UPDATE on all tables, and USAGE on the sequences",
        'psql "$DATABASE_URL" -c "SELECT current_user" -c "SELECT * FROM information_schema.role_table_grants"',
    ),
    "locked": _Help(
        "database_locked",
        _LOCK_REMEDY,
        'psql "$DATABASE_URL" -c "SELECT * FROM pg_stat_activity WHERE xact_start IS NOT NULL"',
    ),
}
_POSTGRES_REST = _Help("database_not_writing", f"{_FULL_REMEDY}; its log has the reason", "df -h")

_SQLITE: dict[TroubleKind, _Help] = {
    "read_only": _Help(
        "database_read_only",
        "give this user the file, those beside it and their folder, on a disk that is mounted for writing",
        'sudo chown "$USER" {file}*',
    ),
    "locked": _Help("database_locked", _LOCK_REMEDY, "fuser -v {file}"),
}
_SQLITE_REST = _Help("database_not_writing", _FULL_REMEDY, "df -h {folder}")


def database_refuses(where: str, refusal: Trouble) -> Finding:
    """What helps, by the kind of the refusal; a lock may end by itself, so it is a warning only."""
    if where.startswith("sqlite"):
        file = where.removeprefix("sqlite:///")
        code, remedy, command = _SQLITE.get(refusal.kind, _SQLITE_REST)
        command = command.format(file=quote(file), folder=quote(str(Path(file).parent)))
    else:
        code, remedy, command = _POSTGRES.get(refusal.kind, _POSTGRES_REST)
    severity: Severity = "warning" if refusal.kind == "locked" else "error"
    return Finding(code, severity, "database", f"{where} takes no writes ({refusal.reason})", remedy, command)


def database_readable(where: str) -> Finding:
    """What people asked, and who they are, lies open on this machine."""
    file = where.removeprefix("sqlite:///")
    cause = f"every user of this machine can read {file}, with all that was asked and answered"
    remedy = "let its owner alone read it; files that the arena makes are so by themselves"
    return Finding("database_readable", "warning", "database", cause, remedy, f"chmod go-rwx {quote(file)}*")
