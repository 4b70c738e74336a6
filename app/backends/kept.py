"""Connections to one server that wait for its next request, so that not every request has to connect.

Only a connection whose response came whole is kept: one that is closed in the middle of a response is closed, for that
is how a server learns that it shall stop writing. A server may close a kept connection at any time, and whoever just
sent a request on it sends it again on a new one (``app.backends.server``). That is rare as long as ``for_`` is shorter
than what servers keep themselves: uvicorn (vLLM) and cpp-httplib (llama-server) 5 s, Go (Ollama) without limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

MOST = 64
"""More are closed: that many answers of one server seldom end within ``for_``."""


class KeptConnections:
    """The idle connections to one server, each for ``for_`` at most; zero keeps none."""

    def __init__(self, for_: timedelta) -> None:
        self._for_s = for_.total_seconds()
        self._idle: list[_Idle] = []

    def keep(self, transport: asyncio.Transport) -> bool:
        """Keep a connection that is free again; False: it is not kept."""
        if not self._for_s or transport.is_closing() or len(self._idle) >= MOST:
            return False
        self._idle.append(_Idle(transport, self._for_s, self._idle.remove))
        return True

    def take(self) -> asyncio.Transport | None:
        """The connection that was used last, if there is one that is open; its owner sets its protocol."""
        while self._idle:
            if (transport := self._idle[-1].leave()) is not None:
                return transport
        return None

    def close(self) -> None:
        """Close all."""
        while self._idle:
            if (transport := self._idle[-1].leave()) is not None:
                transport.abort()


class _Idle(asyncio.Protocol):
    """A connection between two requests: it ends when anything comes of the server, or after its time."""

    def __init__(self, transport: asyncio.Transport, limit_s: float, forget: Callable[[_Idle], None]) -> None:
        self._transport = transport
        self._forget = forget
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(limit_s, self._end)
        self._kept = True
        transport.set_protocol(self)

    def leave(self) -> asyncio.Transport | None:
        """Be idle no longer; None when the connection has ended, or belongs to an event loop that is not running."""
        open_ = self._kept and not self._transport.is_closing() and self._loop is _running_loop()
        self._drop()
        return self._transport if open_ else None

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - whatever it is, nobody asked for it
        """Close a connection on which nothing was asked."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a kept connection may end
        """Forget it."""
        self._drop()

    def _end(self) -> None:
        self._drop()
        self._transport.abort()

    def _drop(self) -> None:
        if self._kept:
            self._kept = False
            self._timer.cancel()
            self._forget(self)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
