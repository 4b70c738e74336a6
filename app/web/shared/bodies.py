"""The gate for request bodies, as pure ASGI: their type and their size, before anything reads them."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ArenaError, MessageTooLarge
from app.web.shared.errors import error_response

MAX_BODY_BYTES = 1_000_000
STREAMED = frozenset({"/api/arena/runs", "/api/arena/runs/check", "/v1/files"})
"""Where forms with files are taken; their routes read them piece by piece and have limits of their own."""


class UnsupportedMediaType(ArenaError):
    """The body is not plain JSON."""

    status = 415
    code = "unsupported_media_type"


class BodyGate:
    """Refuses bodies that are not plain JSON (415) or over ``max_bytes`` (413), of requests that a route would take.

    Any other request is passed on, whatever its body is: the router has the right word for it, 404 or 405.
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the refusal; what was announced too short is cut off on the way."""
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["path"] in STREAMED and _media(headers) == "multipart/form-data" and not _coding(headers):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(headers)
        if refusal is not None and _has_route(scope):
            await error_response(refusal, scope["path"])(scope, receive, send)
            return
        await self._app(scope, self._counted(receive), send)

    def _refusal(self, headers: Headers) -> ArenaError | None:
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            return self._too_large()
        coding = _coding(headers)
        if coding:
            return UnsupportedMediaType(
                f"the body is compressed (Content-Encoding: {coding[:40]}), which is not taken; send it as it is"
            )
        media = _media(headers)
        has_body = length not in ("", "0") or "transfer-encoding" in headers
        if has_body and media != "application/json" and not media.endswith("+json"):
            return UnsupportedMediaType("the body must be JSON; send the header Content-Type: application/json")
        return None

    def _too_large(self) -> MessageTooLarge:
        return MessageTooLarge(f"the body is over {self._max_bytes:,} bytes; send a shorter message")

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise HTTPException(413, self._too_large().sentence)  # the framework lets no other error through
            return message

        return counted


def _media(headers: Headers) -> str:
    return headers.get("content-type", "").split(";")[0].strip().lower()


def _coding(headers: Headers) -> str:
    """How the body is compressed; empty for not at all."""
    coding = headers.get("content-encoding", "").strip().lower()
    return "" if coding == "identity" else coding


def _has_route(scope: Scope) -> bool:
    """Whether the application has a route for the request's path and method."""
    return any(route.matches(scope)[0] is Match.FULL for route in scope["app"].routes)
