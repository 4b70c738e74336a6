"""A copy of the database in one file: SQLite's online backup, or what PostgreSQL's own ``pg_dump`` writes.

``cp`` of a SQLite file loses what its write-ahead log holds, and may catch it half written. The online backup takes one
consistent state while others read and write; the copy is checked before it gets its name. Nobody else may read it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL

from app.database.address import parse, sqlite_file
from app.errors import ConfigurationError, InvalidInput
from app.records.marks import mark_postgres, mark_sqlite

BUSY_S = 5.0
_NOT_OF_LIBPQ = ("search_path", "statement_cache_size", "prepared_statement_cache_size")


def back_up(url: str, target: Path, mark: str = "") -> None:
    """Write the database at ``url`` to ``target``, which must not exist yet, with the ``mark`` of the secret.

    Raises:
        InvalidInput: there is something at ``target``.
        ConfigurationError: the database can't be read, the file not written, or there is no ``pg_dump``.
    """
    where = parse(url)
    source = sqlite_file(where)
    with _new(target) as draft:
        if source is None:
            if mark:
                mark_postgres(url, mark)
            _dump(where, draft)
        else:
            _copy(source, draft, mark)


@contextmanager
def _new(target: Path) -> Iterator[Path]:
    """A file beside ``target`` for its owner only, which becomes ``target`` when the block ends without an error."""
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    if os.path.lexists(target):
        raise InvalidInput(f"{target} is there already; name a new file")
    try:
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield draft
        os.link(draft, target)  # unlike a rename, it replaces nothing that has come meanwhile
    except OSError as error:
        raise ConfigurationError(f"{target} can't be written ({error.strerror}); choose another file") from None
    finally:
        for path in (draft, *(draft.with_name(f"{draft.name}{end}") for end in ("-wal", "-shm", "-journal"))):
            with suppress(OSError):
                path.unlink()


def _copy(source: Path, draft: Path, mark: str) -> None:
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(source))}?mode=rw", uri=True, timeout=BUSY_S)) as live,
            closing(sqlite3.connect(draft)) as copy,
        ):
            live.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself
            if mark:
                mark_sqlite(copy, mark)
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise ConfigurationError(f"{source} can't be copied ({error})") from None
    if verdict != "ok":
        raise ConfigurationError(f"{source} is damaged ({verdict}); the copy was not kept")


def _dump(where: URL, draft: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise ConfigurationError(
            "PostgreSQL is backed up by its own pg_dump, which is not on PATH; install the client of the server's "
            "version (postgresql-client), or run it where the server is"
        )
    # Whoever restores it may be another role; and a dump that waits for a migration's lock says so instead of waiting.
    options = ["--format=custom", "--no-owner", "--no-privileges", f"--lock-wait-timeout={int(BUSY_S * 1000)}"]
    run_of_libpq([program, *options, f"--file={draft}", f"--dbname={libpq_address(where)}"], where)


def libpq_address(where: URL) -> str:
    """The address for PostgreSQL's own programs, without the password, which others could read."""
    address = where.set(drivername="postgresql", password=None).difference_update_query(_NOT_OF_LIBPQ)
    return address.render_as_string()


def run_of_libpq(command: list[str], where: URL) -> str:
    """Run one of PostgreSQL's programs, and return what it printed.

    Raises:
        ConfigurationError: it failed; the sentence has its last line.
    """
    password = {"PGPASSWORD": str(where.password)} if where.password else {}
    ran = subprocess.run(command, env={**os.environ, **password}, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or [f"status {ran.returncode}"]
        raise ConfigurationError(f"{Path(command[0]).name} failed: {said[-1]}")
    return ran.stdout
