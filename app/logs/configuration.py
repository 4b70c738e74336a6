"""Structured logs on stderr: JSON lines, or colours on a terminal. Never a prompt, never an answer's text.

Whoever logs an error that a lost store has caused gets its reason in the line and no traceback: it would be the same
6 KB for each of the answers that were under way.
"""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from app.logs.levels import Format, Level
from app.store_errors import StoreLost, redis_trouble

#: Libraries whose every line would drown ours.
_QUIET = ("httpx", "httpcore", "uvicorn.access", "alembic", "asyncio")


def configure(least: Level = "info", form: Format = "auto") -> None:
    """Send our own and the libraries' lines from ``least`` on through one renderer."""
    level = logging.getLevelNamesMapping()[least.upper()]
    processors, renderer = _processors(), _renderer(form)
    structlog.configure(
        processors=[*processors, renderer],
        logger_factory=LogLines,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class LogLines:
    """Writes our own lines as they are rendered, past the library's handlers: each costs a third of what it would.

    A log that can't be written (a full disk, a closed pipe) stops nothing.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name

    def write(self, line: str) -> None:
        """Write one line at once."""
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")

    debug = info = warning = error = critical = write


def _processors() -> list[structlog.types.Processor]:
    """What each line goes through, whoever writes it."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        reason_for_traceback,
        structlog.processors.format_exc_info,
    ]


def _renderer(form: Format) -> structlog.types.Processor:
    terminal = sys.stderr.isatty()
    text = form == "text" or (form == "auto" and terminal)
    return structlog.dev.ConsoleRenderer(colors=terminal) if text else structlog.processors.JSONRenderer()


def reason_for_traceback(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Replace the traceback of an error that a lost store has caused by its kind and reason."""
    given = event.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, StoreLost):
        trouble = error.trouble
    elif isinstance(error, RedisError):
        trouble = redis_trouble(error)
    else:
        return event
    del event["exc_info"]
    event.update(kind=trouble.kind, reason=trouble.reason)
    return event
