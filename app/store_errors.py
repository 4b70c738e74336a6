"""What the drivers of Redis and of the database raise: what kind of trouble it is, and one line that says why. Pure.

The line is the server's own and holds no statement and no parameter: SQLAlchemy's text of an error repeats both, and
with them what people asked.

Kinds: ``unavailable`` (no answer; it may come back by itself), ``locked`` (another one holds the lock for longer than a
call waits), ``read_only``, ``forbidden`` (the user lacks a right), ``full`` (no room) and ``failed`` (any other refusal
to write). Sources: PostgreSQL's appendix A (SQLSTATE), SQLite's result codes, the first words of Redis' error replies.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Literal

from redis.exceptions import (
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)

from app.errors import Unavailable

TroubleKind = Literal["unavailable", "locked", "read_only", "forbidden", "full", "failed"]

_LONGEST = 200
_SQLSTATES: dict[str, TroubleKind] = {
    "25006": "read_only",  # read_only_sql_transaction: default_transaction_read_only, or a standby
    "42501": "forbidden",  # insufficient_privilege
    "53100": "full",  # disk_full
    "55P03": "locked",  # lock_not_available
    "57014": "locked",  # query_canceled: our statement_timeout
}
_SQLITE: dict[str, TroubleKind] = {
    "SQLITE_READONLY": "read_only",
    "SQLITE_PERM": "read_only",
    "SQLITE_FULL": "full",
    "SQLITE_IOERR": "failed",
    "SQLITE_BUSY": "locked",
    "SQLITE_LOCKED": "locked",
}
#: A script's error has the reply's first word somewhere within, and those about rights have none before Redis 7.
_REDIS_WORDS: tuple[tuple[str, TroubleKind], ...] = (
    (r"\bREADONLY\b", "read_only"),
    (r"\bOOM\b", "full"),
    (r"\bNOPERM\b|no permissions|ACL failure|can't (?:run this|access|publish)", "forbidden"),
    (r"\bLOADING\b|\bMASTERDOWN\b|\bBUSY\b", "unavailable"),
)
_REDIS_CLASSES: tuple[tuple[type[Exception], TroubleKind], ...] = (
    (ReadOnlyError, "read_only"),
    (OutOfMemoryError, "full"),
    (NoPermissionError, "forbidden"),
    (BusyLoadingError, "unavailable"),
)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a store can't be used; ``reason`` is one line of at most 200 characters, for those who run the arena."""

    kind: TroubleKind
    reason: str

    @property
    def refuses_writes(self) -> bool:
        """The store is there, and takes no writes."""
        return self.kind != "unavailable"


class StoreLost(Unavailable):
    """A store can't be used now; ``trouble`` says why and is for those who run the arena, never for callers."""

    def __init__(self, sentence: str, *, code: str, trouble: Trouble) -> None:
        super().__init__(sentence, code=code)
        self.trouble = trouble


def database_lost(trouble: Trouble) -> StoreLost:
    """The error for a database that can't be reached or used now."""
    what = "takes no writes" if trouble.refuses_writes else "is unavailable"
    return StoreLost(f"The database {what}; try again in a moment.", code="database_away", trouble=trouble)


def redis_lost(trouble: Trouble) -> StoreLost:
    """The error for a Redis that can't be reached or used now."""
    what = "takes no writes" if trouble.refuses_writes else "is unavailable"
    return StoreLost(
        f"Redis {what}; your battle is kept, try again in a few seconds", code="redis_away", trouble=trouble
    )


def database_trouble(error: BaseException) -> Trouble:
    """What SQLAlchemy, its drivers or the system reported when the database could not be used."""
    original = getattr(error, "orig", None) or error
    return Trouble(_database_kind(original), reason_of(original))


def _database_kind(original: BaseException) -> TroubleKind:
    if isinstance(original, sqlite3.Error):
        name = getattr(original, "sqlite_errorname", None) or ""
        return _SQLITE.get("_".join(name.split("_")[:2]), "unavailable")
    return _SQLSTATES.get(getattr(original, "sqlstate", None) or "", "unavailable")


def redis_trouble(error: Exception) -> Trouble:
    """What redis-py or the system reported when Redis could not be used."""
    return Trouble(_redis_kind(error), reason_of(error))


def script_trouble(command: str, reply: str) -> Trouble:
    """What Redis answered a script that called ``command``; before Redis 7 the reply begins with the script's name."""
    said = re.sub(r"^(@user_script: ?\d+: )?-?", "", reply)
    return Trouble(_kind_by_words(said), _one_line(f"{command}: {said}"))


def _redis_kind(error: Exception) -> TroubleKind:
    for known, kind in _REDIS_CLASSES:
        if isinstance(error, known):
            return kind
    return _kind_by_words(str(error)) if isinstance(error, ResponseError) else "unavailable"


def _kind_by_words(text: str) -> TroubleKind:
    return next((kind for words, kind in _REDIS_WORDS if re.search(words, text)), "failed")


def reason_of(error: BaseException) -> str:
    """The first line of what an error says; its class where it says nothing."""
    text = re.sub(r"^<class '[\w.]+'>: ", "", str(error).strip())  # SQLAlchemy's way to name asyncpg's classes
    return _one_line(text) or type(error).__name__


def _one_line(text: str) -> str:
    first = text.strip().partition("\n")[0].strip()
    return first if len(first) <= _LONGEST else f"{first[: _LONGEST - 1]}…"
