"""Findings about the database."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from app.doctor.finding import Code, Finding, Severity
from app.doctor.probing.observation import ObservedDatabase

_FREE_SPACE = "free disk space, or move it to a disk that works"
_END_THE_LOCK = "wait until it is done, or end what holds the lock: an import, a backup, a shell with an open BEGIN"


def database_unreachable(database: ObservedDatabase) -> Finding:
    """It does not answer."""
    return Finding(
        "database_unreachable",
        "error",
        "database",
        cause=f"{database.where} does not answer ({database.detail})",
        remedy="start it, or correct DATABASE_URL; empty means SQLite in ARENA_DATA_DIR",
        command='pg_isready -d "$DATABASE_URL"' if "postgres" in database.where else "arena migrate",
    )


def database_unusable(database: ObservedDatabase) -> Finding:
    """Wrong credentials, or no database."""
    return Finding(
        "database_unusable",
        "error",
        "database",
        cause=f"{database.where} can't be used ({database.detail})",
        remedy="correct DATABASE_URL (user name, password, database), or move the existing file out of the way",
        command="grep DATABASE_URL .env",
    )


def database_not_migrated(database: ObservedDatabase) -> Finding:
    """An older schema, or none."""
    state = "has no schema" if database.state == "empty" else f"is at schema {database.detail}"
    return Finding(
        "database_not_migrated",
        "error",
        "database",
        cause=f"{database.where} {state}",
        remedy="make a backup (arena backup FILE), then migrate",
        command="arena migrate",
    )


def database_newer(database: ObservedDatabase) -> Finding:
    """Migrated by a newer version."""
    return Finding(
        "database_newer",
        "error",
        "database",
        cause=f"{database.where} was migrated by a newer version of the arena (schema {database.detail})",
        remedy="install that version again, or restore the backup made before the migration",
        command="pip install --upgrade progressive-arena",
    )


def database_readable(database: ObservedDatabase) -> Finding:
    """Every user of the machine can read SQLite's file: prompts, answers and voters."""
    file = database.where.removeprefix("sqlite:///")
    return Finding(
        "database_readable",
        "warning",
        "database",
        cause=f"every user of this machine can read {file}, with all prompts and answers",
        remedy="let only its owner read it; files that the arena creates are private",
        command=f"chmod go-rwx {quote(file)}*",
    )


def database_read_only(database: ObservedDatabase, reason: str) -> Finding:
    """A standby, ``default_transaction_read_only``, or a SQLite file that can't be written."""
    if file := _sqlite_file(database):
        remedy = "make this user the owner of the file, those beside it and their folder, on a disk mounted read-write"
        command = f'sudo chown "$USER" {quote(file)}*'
    else:
        remedy = "set DATABASE_URL to the primary and not a standby, and default_transaction_read_only to off"
        command = _psql("SELECT pg_is_in_recovery()", "SHOW default_transaction_read_only")
    return _refusing(database, reason, "database_read_only", remedy, command)


def database_forbids(database: ObservedDatabase, reason: str) -> Finding:
    """The user lacks a privilege."""
    remedy = "as the owner, grant the user SELECT, INSERT and UPDATE on all tables, and USAGE on the sequences"
    command = _psql("SELECT current_user", "SELECT * FROM information_schema.role_table_grants")
    return _refusing(database, reason, "database_forbids", remedy, command)


def database_locked(database: ObservedDatabase, reason: str) -> Finding:
    """Another process holds the lock; it may end by itself, so this is a warning."""
    file = _sqlite_file(database)
    command = (
        f"fuser -v {quote(file)}" if file else _psql("SELECT * FROM pg_stat_activity WHERE xact_start IS NOT NULL")
    )
    return _refusing(database, reason, "database_locked", _END_THE_LOCK, command, severity="warning")


def database_not_writing(database: ObservedDatabase, reason: str) -> Finding:
    """Its disk is full or fails."""
    if file := _sqlite_file(database):
        return _refusing(
            database, reason, "database_not_writing", _FREE_SPACE, f"df -h {quote(str(Path(file).parent))}"
        )
    return _refusing(database, reason, "database_not_writing", f"{_FREE_SPACE}; its log has the reason", "df -h")


def _refusing(
    database: ObservedDatabase, reason: str, code: Code, remedy: str, command: str, severity: Severity = "error"
) -> Finding:
    return Finding(code, severity, "database", f"{database.where} takes no writes ({reason})", remedy, command)


def _sqlite_file(database: ObservedDatabase) -> str:
    """The path of a SQLite file; empty for PostgreSQL."""
    return database.where.removeprefix("sqlite:///") if database.where.startswith("sqlite") else ""


def _psql(*statements: str) -> str:
    return 'psql "$DATABASE_URL"' + "".join(f' -c "{statement}"' for statement in statements)
