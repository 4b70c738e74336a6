"""One HTTP/1.1 request and its response, read whole or in ticks: the cheapest way to follow many token streams.

A model server flushes every token as a chunk of its own. A client that wakes for each of them pays for an
event loop's turn, a system call and a task switch per token. This one wakes for the first token, then leaves
the bytes in the kernel's socket buffer and takes everything that has gathered once a tick (``pace``, ``take``):
the transport is paused and the socket is read directly, without registering it with the event loop again.
A TLS connection can't be read past its transport; there the bytes gather in memory instead.

This module knows nothing of JSON or Ollama. ``httptools`` (Node's llhttp) parses the response: chunked, with a length,
or until the end of the connection. Each exchange has its connection to itself, so the server stops when it is closed;
one whose response came whole may serve the next exchange (``app.backends.kept``).
Whatever a backend asks goes this way (``app.backends.server``): with one head, and connected as all connections are
(``app.network.connecting``), so that a server which answers its probes can be reached by chats, too.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import cast

import httptools

from app.backends.kept import KeptConnections
from app.backends.target import Target
from app.network.connecting import Resolve, opened, resolved

_READ_SIZE = 16 * 1024
_READS_PER_TAKE = 64
_MAX_HEADERS = 64 * 1024
_MAX_HELD = 16 * 1024 * 1024
_GUARD_S = 1.0


class Exchange(asyncio.Protocol):
    """One request on one connection; ``send`` opens it, ``close`` ends it at once, or keeps it if it is free again.

    After ``headers`` returned, ``status`` is known. ``ended`` is true when no byte will come any more; ``error``
    then says why, or is None at the regular end or a plain close; ``cut`` is true when more was announced. A response
    that announces nothing ends with its connection, and only its content shows whether it is whole. ``stale`` is true
    when a kept connection had ended before anything came on it: then the request may be sent again on a new one.
    """

    def __init__(self, kept: KeptConnections | None = None) -> None:
        self.status = 0
        self.location = ""
        self.encoding = ""
        self.date = ""
        self.ended = False
        self.error: Exception | None = None
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._header_bytes = 0
        self._ready = self._announced = self._complete = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._fd = -1
        self._paused = False
        self._taken = self._guarded = 0
        self._guard_timer: asyncio.TimerHandle | None = None
        self._kept = kept
        self._reused = self._heard = self._alone = False

    @classmethod
    async def send(
        cls,
        target: Target,
        method: str,
        path: str,
        body: bytes | None,
        connect_s: float,
        resolve: Resolve = resolved,
        kept: KeptConnections | None = None,
    ) -> Exchange:
        """Connect, unless a connection is ``kept``, and send.

        Raises:
            OSError: no connection within ``connect_s`` seconds (TimeoutError), refused, unknown host, bad certificate.
            UnicodeError: the host's name can't be one.
        """
        make = partial(cls, kept)
        if kept is not None and (idle := kept.take()) is not None:
            exchange = make()
            exchange._reuse(idle)
            transport = idle
        else:
            async with asyncio.timeout(connect_s):
                transport, exchange = await opened(make, target.host, target.port, tls=target.tls, resolve=resolve)
        transport.write(target.request(method, path, body, last=kept is None))
        return exchange

    @property
    def stale(self) -> bool:
        """Whether a kept connection had ended before anything came of the server."""
        return self._reused and self.ended and not self._heard

    @property
    def cut(self) -> bool:
        """Whether the connection ended before all had come that the response announced."""
        return self.ended and not self._complete and (self._announced or not self._ready)

    # What a reader calls.

    async def headers(self) -> None:
        """Wait until ``status`` is known or the connection has ended."""
        while not self._ready and not self.ended:
            await self._news()

    async def read(self) -> bytes:
        """Wait for the next bytes of the body, as they come; ``b""`` at its end."""
        while not self._parts and not self.ended:
            await self._news()
        return self._gathered()

    def pace(self) -> None:
        """From now on bytes wait in the socket until ``take``; idempotent."""
        if self._guard_timer is not None or self.ended or self._transport is None:
            return
        # Only a plain socket can be read past its transport (and on Windows a transport can't be paused like this).
        if os.name == "posix" and self._transport.get_extra_info("sslcontext") is None:
            self._fd = self._transport.get_extra_info("socket").fileno()
            self._pause()
        self._guard_timer = self._loop.call_later(_GUARD_S, self._guard)

    def take(self) -> bytes:
        """Everything that has come since the last call, without waiting; ``b""`` when there is nothing."""
        self._taken += 1
        if self._paused and self._fd >= 0:
            self._read_socket()
        elif self._paused:
            self._resume()
        elif self._fd >= 0:
            self._pause()
        return self._gathered()

    def close(self) -> None:
        """Close the socket at once, or keep it when the response came whole; idempotent."""
        self._over(None)
        transport, self._transport = self._transport, None
        if transport is not None and not self._is_kept(transport):
            transport.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came; an error after the body's end is not ours."""
        self._heard = True
        if self.ended:
            self._alone = False
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._over(error)
        if not self._ready:
            self._header_bytes += len(data)
            if self._header_bytes > _MAX_HEADERS:
                self._over(ValueError("the response's headers have no end"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, however it came."""
        self._over(exc)

    # What httptools calls.

    def on_message_begin(self) -> None:
        """See whether more follows than the response."""
        self._alone = not self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that change what the body means, and the server's clock."""
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._announced = True
            case b"date":
                self.date = value.decode("latin-1")
            case b"location":
                self.location = value.decode("latin-1")
            case b"content-encoding":
                self.encoding = value.decode("latin-1").lower()

    def on_headers_complete(self) -> None:
        """Learn the status; 1xx responses only announce the real one."""
        status = self._parser.get_status_code()
        if status >= 200:
            self.status, self._ready = status, True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """End regularly."""
        if self._ready and not self._complete:
            self._complete = True
            self._alone = self._alone and bool(self._parser.should_keep_alive())
            self._over(None)

    # Inside.

    def _reuse(self, transport: asyncio.Transport) -> None:
        self._reused = True
        self._transport = transport
        transport.set_protocol(self)

    def _is_kept(self, transport: asyncio.Transport) -> bool:
        """Whether the connection is free for another exchange now, and kept for it."""
        if self._kept is None or not self._complete or not self._alone or self.error is not None:
            return False
        if not self._kept.keep(transport):
            return False
        if self._paused:
            transport.resume_reading()
        return True

    def _gathered(self) -> bytes:
        parts = self._parts
        if len(parts) == 1:
            return parts.pop()
        data = b"".join(parts)
        parts.clear()
        return data

    def _read_socket(self) -> None:
        for _ in range(_READS_PER_TAKE):
            # A closing transport may close its descriptor at any time: never read past it.
            if self._transport is None or self._transport.is_closing():
                return
            try:
                data = os.read(self._fd, _READ_SIZE)
            except BlockingIOError:
                return
            except OSError as error:
                self._over(error)
                return
            if not data:
                self._over(None)
                return
            self.data_received(data)
            if self.ended or len(data) < _READ_SIZE:
                return

    def _pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True

    def _resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._paused = False

    def _guard(self) -> None:
        """Once a second: when the reader takes nothing, go on draining the server into memory, up to a bound.

        Ollama loses a slot for good when its client stalls until the buffers are full and then leaves.
        """
        idle, self._guarded = self._taken == self._guarded, self._taken
        if idle and sum(map(len, self._parts)) > _MAX_HELD:
            self._pause()
        elif idle and self._paused:
            self._resume()
        self._guard_timer = self._loop.call_later(_GUARD_S, self._guard)

    def _over(self, error: Exception | None) -> None:
        if self.ended:
            return
        self.ended, self.error = True, error
        if self._guard_timer is not None:
            self._guard_timer.cancel()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _news(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
