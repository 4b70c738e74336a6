"""Every request has an id: the caller's or a new one, in the answer's header and in every log line that it causes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9_.=:-]{1,100}")


class RequestIds:
    """Pure ASGI: takes ``X-Request-ID`` (or the CDN's own id) if it is sane, else mints one."""

    def __init__(self, app: ASGIApp, new_id: Callable[[], str] = lambda: secrets.token_hex(8)) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its id bound."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = self._id_of(Headers(scope=scope))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        with bound_contextvars(request_id=request_id):
            await self._app(scope, receive, send_with_id)

    def _id_of(self, headers: Headers) -> str:
        given = headers.get(HEADER) or headers.get("X-Amz-Cf-Id") or ""
        return given if _SANE.fullmatch(given) else self._new_id()
