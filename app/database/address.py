"""The address of the database, as ops write it.

``DATABASE_URL`` may be ``postgres://``, ``postgresql://``, ``postgresql+asyncpg://``, ``sqlite:///relative/path`` or
``sqlite:////absolute/path``; empty means ``arena.db`` in ``ARENA_DATA_DIR``. What may stand behind the ``?`` is
written in ``app.database.postgres_words``.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL

from app.database.postgres_words import read_words, words_without_effect
from app.errors import ConfigurationError
from app.network.addresses import host_and_port, refuse_unescaped, shown
from app.settings.settings import Ignored, Settings

_FORMS = "write postgresql://user:password@host/name or sqlite:///path, or leave it empty for SQLite"
_POSTGRES = ("postgres", "postgresql")
_SEVERAL = re.compile(
    r"(?P<before>[^:/]+://(?:[^@/]*@)?)(?P<hosts>[^@/?,]*,[^@/?]*)(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)


def database_url(settings: Settings) -> str:
    """The database that is configured; without one, SQLite in the data folder."""
    if settings.database_url:
        return settings.database_url
    file = settings.arena_data_dir.absolute() / "arena.db"
    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def parse(url: str) -> URL:
    """Read a database URL and name its driver.

    Raises:
        ConfigurationError: it is not a URL of SQLite or PostgreSQL.
    """
    parsed = _parsed_url(url)
    kind = parsed.drivername.partition("+")[0]
    if kind in _POSTGRES:
        return read_words(parsed.set(drivername="postgresql+asyncpg"))
    if kind == "sqlite" and parsed.database and ":memory:" not in parsed.database:
        return parsed.set(drivername="sqlite")
    raise ConfigurationError(f"DATABASE_URL: {shown(url)} can't be used; {_FORMS}")


def ignored_words(url: str) -> tuple[Ignored, ...]:
    """The words of a database URL that have no effect; none where it is not a URL of a database."""
    try:
        parsed = _parsed_url(url)
    except ConfigurationError:
        return ()
    found = words_without_effect(parsed) if parsed.drivername.partition("+")[0] in _POSTGRES else ()
    why = "means nothing to the arena's driver (asyncpg): it is ignored"
    return tuple(Ignored("DATABASE_URL", f"{word} {why}", f"nothing; or take {word} out") for word in found)


def _parsed_url(url: str) -> URL:
    if not url.startswith("sqlite"):  # a file's name may have any characters
        refuse_unescaped(url, "DATABASE_URL")
    try:
        return sa.make_url(_with_one_host(url))
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(f"DATABASE_URL: this is not the URL of a database; {_FORMS}") from None


def _with_one_host(url: str) -> str:
    """``user@one:1,two:2/name`` (libpq) as SQLAlchemy has it: the hosts behind the ``?``."""
    found = _SEVERAL.fullmatch(url)
    if found is None:
        return url
    hosts = [host_and_port(host, "DATABASE_URL") for host in found["hosts"].split(",")]
    names, ports = ",".join(name for name, _ in hosts), ",".join(str(port or 5432) for _, port in hosts)
    query = "&".join(filter(None, [found["query"], f"host={quote(names, safe=',')}&port={ports}"]))
    return f"{found['before']}{found['path']}?{query}"


def shown_database(url: URL) -> str:
    """The address of a database as it may be shown."""
    return shown(url.set(drivername=url.get_backend_name()).render_as_string(hide_password=False))


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite URL, or None for PostgreSQL."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    file = Path(url.database)
    return (file.expanduser() if file.parts[0] == "~" else file).absolute()
