"""A response's head and body in one write: uvicorn writes them one after the other, and each costs a system call."""

from __future__ import annotations

import asyncio
from typing import Any


class FirstWrite:
    """A transport that keeps what is written first until the next piece comes, or the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._kept: bytes | None = None
        self._begun = False

    def write(self, data: bytes) -> None:
        """Write; the first piece together with the second, if that follows at once."""
        if self._kept is not None:
            data, self._kept = self._kept + data, None
        elif not self._begun:
            self._begun, self._kept = True, data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Close the connection once all is sent that was written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        kept, self._kept = self._kept, None
        if kept is not None and not self._transport.is_closing():
            self._transport.write(kept)

    def __getattr__(self, name: str) -> Any:
        """Everything else is the transport's own."""
        return getattr(self._transport, name)
