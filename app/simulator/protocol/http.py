"""A small HTTP/1.1 server in the manner of Go's net/http: header case, chunking, lengths, cancel on disconnect.

Why not a framework: a token has to cost a few microseconds (200 streams of 50 tokens/s on one core), the headers have
to be Ollama's to the letter, and faults need to see how a reader is slow. httptools parses; this module does the rest.
A body of at most 2048 bytes gets a Content-Length, a longer or flushed one is chunked, as net/http does.
"""

from __future__ import annotations

import asyncio
import email.utils
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import unquote

import httptools

_BUFFERED: Final = 2048
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {499: ""}


@dataclass(slots=True)
class Request:
    """One request with its whole body; header names in lower case."""

    method: str = ""
    target: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True
    chunks_allowed: bool = True

    @property
    def path(self) -> str:
        """The path without its query, decoded."""
        return unquote(self.target.partition("?")[0])

    def head_without_upgrade(self) -> bytes:
        """Its head again, without the offer to speak another protocol."""
        lines = [f"{name}: {value}" for name, value in self.headers.items() if name != "upgrade"]
        return "\r\n".join([f"{self.method} {self.target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


Handler = Callable[[Request, "Response"], Awaitable[None]]


class Response:
    """The answer to one request: either ``send``, or ``start`` and then ``write`` until ``end``."""

    def __init__(self, connection: HttpConnection, request: Request) -> None:
        self._connection = connection
        self._request = request
        self._head = b""
        self.started = False
        self.chunked = False
        self.ended = False

    def send(self, status: int, content_type: str | None, body: bytes, headers: tuple[str, ...] = ()) -> None:
        """A whole answer at once."""
        long = len(body) > _BUFFERED and self._request.chunks_allowed
        self._begin(status, content_type, headers, None if long else len(body))
        if self._request.method == "HEAD":
            body = b""
        if long and body:
            body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        self._connection.write(self._head + body)
        self._finish()

    def start(self, status: int, content_type: str, headers: tuple[str, ...] = ()) -> None:
        """Prepare a stream; its head goes out with the first piece."""
        self._begin(status, content_type, headers, None)

    def write(self, piece: bytes) -> bool:
        """Send a piece as one chunk; False when the reader is slow and no more should be written."""
        if self.chunked:
            piece = b"%x\r\n%b\r\n" % (len(piece), piece)
        if self._head:
            piece, self._head = self._head + piece, b""
        return self._connection.write(piece)

    def end(self, last: bytes = b"") -> None:
        """Send the last piece and the end of the stream."""
        closing = b"0\r\n\r\n" if self.chunked else b""
        if last and self.chunked:
            last = b"%x\r\n%b\r\n" % (len(last), last)
        self._connection.write(self._head + last + closing)
        self._head = b""
        self._finish()

    def when_ready(self, ready: asyncio.Event) -> None:
        """Set the event when the reader has caught up."""
        self._connection.when_ready(ready)

    def _begin(self, status: int, content_type: str | None, headers: tuple[str, ...], length: int | None) -> None:
        self.started = True
        self.chunked = length is None and self._request.chunks_allowed
        lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, '')}"]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        lines += [*headers, f"Date: {email.utils.formatdate(usegmt=True)}"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        if not self._request.keep_alive or (length is None and not self.chunked):
            self._request.keep_alive = False
            lines.append("Connection: close")
        if self.chunked:
            lines.append("Transfer-Encoding: chunked")
        self._head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _finish(self) -> None:
        self.ended = True


class HttpConnection(asyncio.Protocol):
    """One client's connection: requests one after the other; when it is lost, the running one is cancelled."""

    def __init__(self, handler: Handler, tasks: set[asyncio.Task[None]]) -> None:
        self._handler = handler
        self._tasks = tasks
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._reading = Request()
        self._body: list[bytes] = []
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._slow = False
        self._ready: list[asyncio.Event] = []

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Cancel what is running: that is how a caller aborts."""
        self._transport = None
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Parse; a request that can't be parsed gets Go's 400."""
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self.write(
                b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"
                b"400 Bad Request"
            )
            self.close()

    def _parse(self, data: bytes) -> None:
        """Parse; an offer to upgrade is ignored, as in Go: as the parser stops there, it reads the head without it."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            request = self._reading
            if request.method == "CONNECT":
                raise httptools.HttpParserError("not a proxy") from None
            self._parser = httptools.HttpRequestParser(self)
            self._parse(request.head_without_upgrade() + data[offer.args[0] :])

    def pause_writing(self) -> None:
        """The reader is slow."""
        self._slow = True

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._slow = False
        for ready in self._ready:
            ready.set()
        self._ready.clear()

    # what the parser calls

    def on_message_begin(self) -> None:
        """A new request."""
        self._reading, self._body = Request(), []

    def on_url(self, url: bytes) -> None:
        """Its target, maybe in parts."""
        self._reading.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._reading.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Method and version are known now."""
        self._reading.method = self._parser.get_method().decode("latin-1")
        if self._parser.should_upgrade():
            return
        self._reading.keep_alive = self._parser.should_keep_alive()
        self._reading.chunks_allowed = self._parser.get_http_version() != "1.0"
        if self._reading.headers.get("expect", "").lower() == "100-continue":
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: serve it, or let it wait for the one before."""
        if self._parser.should_upgrade():
            return  # only its head is; it is read again
        self._reading.body = b"".join(self._body)
        self._waiting.append(self._reading)
        if self._task is None:
            self._next()

    # what responses call

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served."""
        return self._task is None

    def write(self, data: bytes) -> bool:
        """Send; False when the reader is slow."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
        return not self._slow

    def when_ready(self, ready: asyncio.Event) -> None:
        """Set the event when the reader has caught up."""
        if self._slow:
            self._ready.append(ready)
        else:
            ready.set()

    def close(self) -> None:
        """Close after what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def _next(self) -> None:
        request = self._waiting.popleft()
        task = asyncio.get_running_loop().create_task(self._serve(request), name=f"simulator {request.target[:80]}")
        self._task = task
        self._tasks.add(task)
        task.add_done_callback(self._served)

    async def _serve(self, request: Request) -> None:
        response = Response(self, request)
        await self._handler(request, response)
        if not response.ended or not request.keep_alive:
            self.close()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "simulator request failed", "exception": error}
            )
            self.close()
        elif self._waiting and self._transport is not None:
            self._next()
