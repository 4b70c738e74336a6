"""The words behind the ``?`` of a PostgreSQL address: libpq's, and those of other tools.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS names libpq's. asyncpg understands a
part of them, in a DSN only; the rest ends there as a setting of the server, which refuses the connection. So each word
is translated, ignored (and named: ``words_without_effect``), or refused. What is ignored makes nothing less safe: a
word that asks for more safety than asyncpg gives is refused.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from sqlalchemy.engine import URL

from app.errors import ConfigurationError

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_SSL = {"true": "require", "1": "require", "on": "require", "false": "disable", "0": "disable", "off": "disable"}

# Those that asyncpg reads in a DSN, with the values that they may have (none: any).
_IN_DSN: Mapping[str, tuple[str, ...]] = {
    "sslmode": SSL_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": _TLS_VERSIONS,
    "ssl_max_protocol_version": _TLS_VERSIONS,
    "target_session_attrs": ("any", "primary", "read-write"),
    "sslcert": (),
    "sslkey": (),
    "sslrootcert": (),
    "sslcrl": (),
    "sslpassword": (),
    "passfile": (),
    "krbsrvname": (),
    "gsslib": (),
}
_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl", "passfile")
_NUMBERS = ("connect_timeout", "statement_cache_size", "prepared_statement_cache_size")
# The server's own settings, which go along when a connection begins.
_SETTINGS = ("application_name", "options", "search_path")
_PLACES = ("host", "port")
_KNOWN = (*_IN_DSN, *_NUMBERS, *_SETTINGS, *_PLACES, "pgbouncer")
_BOOLEANS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}

# Another name for one of the above.
_SAME: Mapping[str, str] = {
    "fallback_application_name": "application_name",
    "schema": "search_path",
    "currentschema": "search_path",
}
# Parts of the address that may also stand behind the "?".
_PARTS: Mapping[str, str] = {"user": "username", "password": "password", "dbname": "database", "database": "database"}

_IGNORED = (
    # libpq's, about its own sockets and encodings
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "client_encoding",
    "sslcompression",
    "sslsni",
    "sslcertmode",
    "gssdelegation",
    "load_balance_hosts",
    "min_protocol_version",
    "max_protocol_version",
    # of tools that write addresses for other clients
    "connection_limit",
    "pool_timeout",
    "socket_timeout",
)
# What asks for more than asyncpg does is refused; these values ask for nothing.
_HARMLESS: Mapping[str, tuple[str, ...]] = {
    "channel_binding": ("prefer", "disable"),
    "gssencmode": ("prefer", "disable"),
}
_REFUSED: Mapping[str, str] = {
    "channel_binding": "asyncpg does no channel binding: write channel_binding=prefer, and sslmode=verify-full to be "
    "sure of the server",
    "gssencmode": "asyncpg does no GSSAPI encryption: write gssencmode=prefer, or use TLS (sslmode)",
    "require_auth": "asyncpg does not let the login be chosen: take it out, and use sslmode=verify-full",
    "requirepeer": "asyncpg does not check who owns the socket: take it out",
    "hostaddr": "write the IP address as the host",
    "service": "service files are not read: write the address itself",
    "servicefile": "service files are not read: write the address itself",
    "replication": "the arena needs an ordinary connection: take it out",
}


def read_words(url: URL) -> URL:
    """``url`` with the words that asyncpg or the server understands, under one name and with one value each.

    Raises:
        ConfigurationError: the sentence names the word.
    """
    words: dict[str, str | tuple[str, ...]] = {}
    parts: dict[str, str] = {}
    for written, values in url.query.items():
        value = values if isinstance(values, str) else values[-1]
        name = written.lower()
        if name in _PARTS:
            parts[_PARTS[name]] = value
        elif name in _PLACES:
            words[name] = values
        elif name == "ssl":
            words["sslmode"] = _SSL.get(value.lower(), value)
        elif not _is_ignored(name, value):
            words[_SAME.get(name, name)] = value
    for name, one in words.items():
        _refuse(name, one)
    return url.set(**parts, query=words)  # type: ignore[arg-type]  # the parts are of the right types


def words_without_effect(url: URL) -> tuple[str, ...]:
    """The words of ``url``, as it was written, that have no effect."""
    values = {name.lower(): value if isinstance(value, str) else value[-1] for name, value in url.query.items()}
    return tuple(name for name, value in values.items() if _is_ignored(name, value))


def _is_ignored(name: str, value: str) -> bool:
    return name in _IGNORED or value in _HARMLESS.get(name, ())


def _refuse(name: str, value: str | tuple[str, ...]) -> None:
    if name in _REFUSED:
        raise ConfigurationError(f"DATABASE_URL: {name}: {_REFUSED[name]}")
    if name not in _KNOWN:
        near = get_close_matches(name, (*_KNOWN, *_SAME, *_PARTS), n=1)
        meant = f"did you mean {near[0]}?" if near else "take it out"
        raise ConfigurationError(f"DATABASE_URL: a connection to PostgreSQL knows no {name}; {meant}")
    if isinstance(value, str):
        _refuse_value(name, value)


def _refuse_value(name: str, value: str) -> None:
    allowed = _IN_DSN.get(name, ())
    if allowed and value not in allowed:
        why = ", for the arena writes" if name == "target_session_attrs" else ""
        raise ConfigurationError(f"DATABASE_URL: {name} is none of {', '.join(allowed)}{why} (got {value!r})")
    if name in _NUMBERS and not (value.isascii() and value.isdigit()):
        raise ConfigurationError(f"DATABASE_URL: {name} is no whole number (got {value!r})")
    if name == "pgbouncer" and value.lower() not in _BOOLEANS:
        raise ConfigurationError(f"DATABASE_URL: pgbouncer is neither true nor false (got {value!r})")
    if name in _FILES and not os.access(_file(name, value), os.R_OK):
        raise ConfigurationError(f"DATABASE_URL: {name}: {value} can't be read")


def _file(name: str, value: str) -> str:
    """``sslrootcert=system`` (libpq 16): the authorities that this machine trusts."""
    if (name, value) != ("sslrootcert", "system"):
        return value
    known = ssl.get_default_verify_paths()
    return known.cafile or known.openssl_cafile


def place_of(url: URL) -> URL:
    """Where to connect and who logs in: ``url`` as SQLAlchemy's dialect takes it."""
    return url.set(query={name: url.query[name] for name in _PLACES if name in url.query})


def through_pgbouncer(url: URL) -> bool:
    """Whether the address says that a PgBouncer hands each transaction to another connection (``pgbouncer=true``)."""
    written = url.query.get("pgbouncer", "false")
    return isinstance(written, str) and _BOOLEANS.get(written.lower(), False)


def _for_pgbouncer() -> dict[str, Any]:
    """What keeps a connection free of state on the server: the next transaction may run in another one.

    Statements are prepared again each time, under names that no other client has: PgBouncer before 1.21 hands them out
    with the server's connection. (Source: SQLAlchemy's manual of its asyncpg dialect.)
    """
    return {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__arena_{uuid4().hex}__",
    }


def connect_args(url: URL, limit_s: float, settings: Mapping[str, str]) -> dict[str, Any]:
    """What asyncpg gets beside ``place_of``, for a ``url`` that ``read_words`` made.

    A ``connect_timeout`` shortens ``limit_s``, and never prolongs it: whoever waits has no more time.
    ``settings`` are those of the server that the address may add to.
    """
    words = {name: value for name, value in url.query.items() if isinstance(value, str)}
    wanted_s = int(words.get("connect_timeout", "0"))
    args: dict[str, Any] = {"timeout": min(limit_s, wanted_s) if wanted_s else limit_s}
    in_dsn = {name: _file(name, words[name]) for name in _IN_DSN if name in words}
    if in_dsn:
        args["dsn"] = f"postgresql://?{urlencode(in_dsn)}"
    args |= {name: int(words[name]) for name in _NUMBERS[1:] if name in words}
    if through_pgbouncer(url):
        # PgBouncer refuses start-up parameters that it does not follow itself; the time limits are the client's then.
        args |= _for_pgbouncer()
        settings = {name: value for name, value in settings.items() if name == "application_name"}
    args["server_settings"] = {**settings, **{name: words[name] for name in _SETTINGS if name in words}}
    return args
