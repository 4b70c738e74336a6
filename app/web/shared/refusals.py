"""Calls that are refused or fail: one line each in the log, with the request's id, and a 500 for what nobody expected.

    {"event": "refused", "method": "POST", "path": "/api/arena/battles", "status": 503, "code": "database_away",
     "kind": "full", "reason": "database or disk is full", "left_out": 0, "request_id": "…"}

``reason`` is the store's own and never sent. Of each status, code and reason ten lines are logged in ten seconds; the
next one tells how many were left out. ``/readyz`` has a line of its own, when its answer changes.
"""

from __future__ import annotations

from contextvars import ContextVar
from datetime import timedelta
from typing import Any

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ArenaError
from app.logs.repeats import Throttle
from app.store_errors import StoreLost
from app.web.shared.openai_errors import error_body, is_openai
from app.web.shared.services import Services

UNEXPECTED = {"error": "something went wrong here; the log has the cause", "code": "internal"}
PERIOD = timedelta(seconds=10)
LINES = 10
TRACEBACK_EVERY = timedelta(seconds=60)

_UNLOGGED = ("/readyz",)
_noted: ContextVar[dict[str, str] | None] = ContextVar("noted", default=None)

log = structlog.get_logger(__name__)


def note(error: ArenaError) -> None:
    """Keep for the log's line what the answer to this request leaves out."""
    noted = _noted.get()
    if noted is not None:
        noted.update(details(error))


def details(error: ArenaError) -> dict[str, str]:
    """What the log has of an error besides its status."""
    lost = {"kind": error.trouble.kind, "reason": error.trouble.reason} if isinstance(error, StoreLost) else {}
    return {"code": error.code, **lost}


class Refusals:
    """Pure ASGI: logs every answer of 400 and above, and turns what nobody expected into a 500.

    The traceback of such an error is logged once a minute for each class and path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._throttle = Throttle(PERIOD, burst=LINES)
        self._tracebacks = Throttle(TRACEBACK_EVERY)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] >= 400:
                    self._log_refusal(scope, message["status"])
            await send(message)

        token = _noted.set({})
        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            self._unexpected(scope, error)
            _count(scope, 500, UNEXPECTED["code"])
            if started:  # half an answer can't be taken back; the server cuts the connection
                raise
            await JSONResponse(_unexpected_body(scope["path"]), 500)(scope, receive, send)
        finally:
            _noted.reset(token)

    def _log_refusal(self, scope: Scope, status: int) -> None:
        if scope["path"] in _UNLOGGED:
            return
        noted = _noted.get() or {}
        _count(scope, status, noted.get("code", "internal" if status >= 500 else ""))
        left_out = self._throttle.due((status, noted.get("code"), noted.get("reason")))
        if left_out is not None:
            write = log.warning if status >= 500 else log.info
            write("refused", method=scope["method"], path=scope["path"], status=status, **noted, left_out=left_out)

    def _unexpected(self, scope: Scope, error: Exception) -> None:
        left_out = self._throttle.due((500, type(error), scope["path"]))
        if left_out is None:
            return
        first = self._tracebacks.due((type(error), scope["path"])) is not None
        log.error(
            "unexpected_error",
            method=scope["method"],
            path=scope["path"],
            error=type(error).__name__,
            left_out=left_out,
            exc_info=error if first else None,
        )


def _count(scope: Scope, status: int, code: str) -> None:
    """Count it for Prometheus, by the template of its route and never by its path."""
    services: Services | None = getattr(scope["app"].state, "services", None)
    if services is not None:
        services.refused(getattr(scope.get("route"), "path", ""), status, code)


def _unexpected_body(path: str) -> dict[str, Any]:
    return error_body(UNEXPECTED["error"], UNEXPECTED["code"], 500) if is_openai(path) else dict(UNEXPECTED)
