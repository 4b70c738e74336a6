"""A database from a backup: SQLite's file put in its place, or PostgreSQL's by its own ``pg_restore``.

Nothing that is there is overwritten: the place has to be empty, so that a wrong word on a wrong day loses nothing.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy.engine import URL

from app.database.address import parse, shown_database, sqlite_file
from app.database.database import newer_schema, revision, revisions
from app.errors import ConfigurationError, InvalidInput
from app.records.backup import libpq_address, run_of_libpq
from app.records.marks import SECRET, read_sqlite

_SQLITE = b"SQLite format 3\x00"
_POSTGRES = b"PGDMP"


def restore_backup(source: Path, url: str, mark: str, *, other_secret: bool = False) -> str:
    """Put the backup ``source`` where ``url`` says; return the schema that it is at.

    ``mark`` is that of the configured secret; with ``other_secret`` a backup with another is taken, too.

    Raises:
        InvalidInput: the file is no backup, or one of another kind of database, or was made with another secret.
        ConfigurationError: there is something already, or it can't be restored.
    """
    where = parse(url)
    file = sqlite_file(where)
    kind = _kind(source)
    if kind != ("postgresql" if file is None else "sqlite"):
        raise InvalidInput(f"{source} is a backup of {kind}, and DATABASE_URL is {shown_database(where)}")
    if file is None:
        return _load(source, where, url, mark, other_secret)
    return _place(source, file, mark, other_secret)


def _kind(source: Path) -> str:
    try:
        with source.open("rb") as opened:
            begins = opened.read(len(_SQLITE))
    except OSError as error:
        raise InvalidInput(f"{source} can't be read ({error.strerror})") from None
    if begins.startswith(_SQLITE):
        return "sqlite"
    if begins.startswith(_POSTGRES):
        return "postgresql"
    raise InvalidInput(f"{source} is no backup: arena backup writes those")


def _refuse_other(found: str | None, mark: str, other_secret: bool) -> None:
    """A voter is known by a hash under the secret: with another one everybody would count as new."""
    if found is not None and found != mark and not other_secret:
        raise InvalidInput(
            "the backup was made with another ARENA_SECRET: its voters would count as new ones; set ARENA_SECRET (or "
            "put the file `secret` into ARENA_DATA_DIR) as it was then, or take that with --other-secret"
        )


def _place(source: Path, file: Path, mark: str, other_secret: bool) -> str:
    if os.path.lexists(file):
        raise ConfigurationError(f"{file} is there already; move it away, or set another ARENA_DATA_DIR")
    with _draft(file) as draft:
        shutil.copyfile(source, draft)
        schema = _checked(source, draft, mark, other_secret)
        with draft.open("rb") as copied:
            os.fsync(copied.fileno())
        try:
            os.link(draft, file)  # unlike a rename, it replaces nothing that has come meanwhile
        except FileExistsError:
            raise ConfigurationError(f"{file} has come meanwhile; it was left alone") from None
    return schema


@contextmanager
def _draft(file: Path) -> Iterator[Path]:
    """An empty file beside ``file`` for its owner only, gone at the end."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
    except OSError as error:
        raise ConfigurationError(f"{file.parent} can't be written ({error.strerror})") from None
    finally:
        for path in (draft, *(draft.with_name(f"{draft.name}{end}") for end in ("-wal", "-shm", "-journal"))):
            with suppress(OSError):
                path.unlink()


def _checked(source: Path, draft: Path, mark: str, other_secret: bool) -> str:
    """Whether the copy is whole, ours, and of a schema that is known."""
    try:
        with closing(sqlite3.connect(draft)) as copy:
            (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            (schema,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
            found = read_sqlite(copy)
    except (sqlite3.Error, TypeError) as error:
        raise InvalidInput(f"{source} is no whole backup of an arena ({error})") from None
    if verdict != "ok":
        raise InvalidInput(f"{source} is damaged ({verdict})")
    if schema not in revisions():
        raise newer_schema(schema)
    _refuse_other(found, mark, other_secret)
    return str(schema)


def _load(source: Path, where: URL, url: str, mark: str, other_secret: bool) -> str:
    program = shutil.which("pg_restore")
    if program is None:
        raise ConfigurationError(
            "PostgreSQL is restored by its own pg_restore, which is not on PATH; install the client of the server's "
            "version (postgresql-client), or run it where the server is"
        )
    if (at := asyncio.run(revision(url))) is not None:
        raise ConfigurationError(
            f"DATABASE_URL: {shown_database(where)} is at schema {at} already; restore into an empty database"
        )
    schema = _rows(program, source, where, "alembic_version")
    if len(schema) != 1 or schema[0][0] not in revisions():
        raise newer_schema(schema[0][0]) if schema else InvalidInput(f"{source} is no backup of an arena")
    found = next((row[1] for row in _rows(program, source, where, "marks") if row[0] == SECRET), None)
    _refuse_other(found, mark, other_secret)
    options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    run_of_libpq([program, *options, f"--dbname={libpq_address(where)}", str(source)], where)
    return schema[0][0]


def _rows(program: str, source: Path, where: URL, table: str) -> list[list[str]]:
    """The rows of a small table in a dump, as ``pg_restore`` prints them: from COPY to a line with a backslash."""
    printed = run_of_libpq([program, "--data-only", f"--table={table}", "--file=-", str(source)], where)
    lines = iter(printed.splitlines())
    for line in lines:
        if line.startswith("COPY "):
            return [row.split("\t") for row in iter(lambda: next(lines, "\\."), "\\.")]
    return []
