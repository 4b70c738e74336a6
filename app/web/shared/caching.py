"""What caches may keep: nothing, unless a response says so itself.

A battle's snapshot changes at any moment, ``/api/arena/hosts`` depends on who asks, and ``/session_info`` makes a
session for one visitor: a cache with a default lifetime would give them to others, or keep them past their time. A
response that sets ``Cache-Control`` is left as it is; so far that is the leaderboard and, stricter, event streams.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "Cache-Control"
NO_STORE = "no-store"
#: The board is the same for everybody and refitted every 2 s at most; a voter finds his verdict on it 5 s later.
BOARD = "public, max-age=5"


class NoStore:
    """Pure ASGI: every response without ``Cache-Control`` gets ``no-store``, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and mark what comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault(HEADER, NO_STORE)
            await send(message)

        await self._app(scope, receive, marked)
