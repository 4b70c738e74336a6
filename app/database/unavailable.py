"""What the databases' drivers raise: when it means that the database is unavailable, and when waiting does not help."""

from __future__ import annotations

import ssl
import sys
from collections.abc import Generator
from contextlib import contextmanager

import sqlalchemy as sa

from app.store_errors import database_lost, database_trouble

_REFUSED = ("28000", "28P01", "3D000")  # PostgreSQL: unknown user, wrong password, no such database
_TLS_CUT_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# What asyncpg raises beside errors of PostgreSQL, before there is a connection; and what it refuses in an address.
_NOT_CONNECTED = ("InterfaceError", "InternalClientError")
_REFUSED_BY_ASYNCPG = ("ClientConfigurationError", "UnsupportedClientFeatureError")
_BUGS = (sa.exc.IntegrityError, sa.exc.ProgrammingError, sa.exc.DataError)


def unusable(error: BaseException) -> str | None:
    """Why a database can't be used, where waiting does not heal it: a login, TLS, or the address itself."""
    beneath: BaseException | None = error
    while beneath is not None:
        why = _unusable(getattr(beneath, "orig", None) or beneath)
        if why is not None:
            return why
        beneath = beneath.__cause__ or beneath.__context__
    return None


def _unusable(error: BaseException) -> str | None:
    why = " ".join(str(error).split()) or type(error).__name__
    if getattr(error, "sqlstate", None) in _REFUSED:
        return why
    if "unsupported startup parameter" in why:  # PgBouncer's words; PostgreSQL itself knows every one that is sent
        return f"it is a PgBouncer ({why}); add pgbouncer=true to DATABASE_URL: …/arena?pgbouncer=true"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted on this machine: {error.verify_message}; see sslrootcert"
    if isinstance(error, ssl.SSLError) and not isinstance(error, _TLS_CUT_OFF):
        return f"TLS fails: {error.reason or why}"
    if isinstance(error, ConnectionError) and "SSL upgrade" in why:
        return "the server has no TLS, and sslmode asks for it; switch TLS on there, or write sslmode=prefer"
    return why if isinstance(error, _of_asyncpg(_REFUSED_BY_ASYNCPG)) else None


def _of_asyncpg(names: tuple[str, ...]) -> tuple[type[Exception], ...]:
    """These classes of errors where asyncpg is loaded: it is not, and raises none, where SQLite is the database."""
    exceptions = sys.modules.get("asyncpg.exceptions")
    return tuple(getattr(exceptions, name) for name in names) if exceptions is not None else ()


@contextmanager
def raised_as_lost() -> Generator[None]:
    """Turn what the drivers raise when the database can't be used into ``StoreLost``; bugs come through as they are.

    A right that our user lacks counts as the former, though the drivers have it among the errors of whoever wrote
    the statement.
    """
    try:
        yield
    except _not_available() as error:
        trouble = database_trouble(error)
        if isinstance(error, _BUGS) and trouble.kind != "forbidden":
            raise
        raise database_lost(trouble) from error


def _not_available() -> tuple[type[Exception], ...]:
    return (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError, *_of_asyncpg(_NOT_CONNECTED))
