"""A connection of uvicorn's, on httptools, with limits: on the bytes of a request's head and the time for all of it.

uvicorn has neither: it keeps a header of any size in memory, and half a request for ever. What is over a limit is
refused in the form of all errors (431, 408), and the connection ends. A response that is being sent is never touched:
whatever the client sends meanwhile is at most no longer read.

Two more things of HTTP are put right here. ``Upgrade`` is ignored, as RFC 9110 (7.8) lets a server: httptools takes the
body of such a request (``curl --http2`` asks for ``h2c``) for the first bytes of the other protocol. And a client that
speaks HTTP/1.0 gets a body that ends with the connection: it knows no chunks (RFC 9112, 7.1). Responses have one
``Connection`` header, and it is the server's.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import httptools
import structlog
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.logs.repeats import Throttle
from app.web.connection_limits import (
    BODY_TOO_SLOW,
    HEAD_TOO_LARGE,
    HEAD_TOO_SLOW,
    INVALID,
    NO_TUNNELS,
    ConnectionLimits,
    Refusal,
)
from app.web.first_write import FirstWrite
from app.web.shared.bodies import STREAMED
from app.web.shared.refusals import LINES, PERIOD

log = structlog.get_logger(__name__)
_throttle = Throttle(PERIOD, burst=LINES)


#: Bytes that a chunk has beside its data, when it has one byte of it: ``1\\r\\n…\\r\\n``.
_ROUND_A_CHUNK = 5


class _TooLarge(Exception):
    """Leaves the parser from a callback."""


class Connection(HttpToolsProtocol):
    """One client's connection; ``limits`` are the same for all."""

    limits = ConnectionLimits()

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._reading: Literal["head", "body", ""] = ""  # what is incomplete of the present request
        self._ignores_input = False  # what comes is dropped from now on
        self._head_bytes = 0  # of the present request, as far as they were parsed
        self._body_bytes = 0
        self._raw_bytes = 0  # of all of it; without the chunk that it began in, if that holds others before it
        self._fresh_bytes = 0  # of a chunk in which no request was seen yet
        self._began = 0.0
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request no longer than for later ones."""
        super().connection_made(transport)
        self._wait_for_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """End all waiting."""
        self._unset_keepalive_if_required()
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; what makes no request is refused."""
        if self._ignores_input:
            return
        self._unset_keepalive_if_required()
        self._raw_bytes += len(data)
        self._fresh_bytes = 0 if self._reading else len(data)
        self._parse(data)
        if self._ignores_input:
            return
        if self._reading:
            self._watch()
        else:
            self._stop_timer()
            if not self._is_answering:
                self._wait_for_request()

    def _wait_for_request(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _parse(self, data: bytes | memoryview) -> None:
        try:
            while data:
                data = self._parsed(data)
        except httptools.HttpParserError as error:
            self._refuse(HEAD_TOO_LARGE if isinstance(error.__context__, _TooLarge) else INVALID)
        else:
            if self._reading and not self._ignores_input and self._unaccounted() > self.limits.head_bytes:
                self._refuse(HEAD_TOO_LARGE)

    def _parsed(self, data: bytes | memoryview) -> bytes | memoryview:
        """Parse up to the end of a head that wants another protocol; what is left of ``data``."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self.parser.get_method() == b"CONNECT":
                self._refuse(NO_TUNNELS)
                return b""
            self._read_again_without_upgrade()
            return memoryview(data)[upgrade.args[0] :]
        return b""

    def _read_again_without_upgrade(self) -> None:
        """Parse the head again as if nobody had asked for another protocol."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"".join([*lines, b"\r\n"]))

    def _unaccounted(self) -> int:
        """Bytes of the present request that are neither its head, its body nor what may stand round its chunks."""
        if self._reading == "head":
            return self._raw_bytes
        rounds = _ROUND_A_CHUNK * min(self._body_bytes, self.limits.body_bytes)
        return self._raw_bytes - self._head_bytes - self._body_bytes - rounds

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        if not self._reading:  # else its head is read a second time
            self._raw_bytes, self._fresh_bytes = self._fresh_bytes, 0
        self._reading, self._head_bytes, self._body_bytes = "head", 0, 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a field of a trailer, which is dropped."""
        self._count(len(name) + len(value) + len(b": \r\n"))
        if self._reading == "head":
            super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            raise _TooLarge

    def on_headers_complete(self) -> None:
        """The head is there; a request for another protocol is read again without it."""
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self._reading, self._began = "body", 0.0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is there."""
        if self.parser.should_upgrade():
            return
        self._reading, self._began = "", 0.0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.transport = FirstWrite(cycle.transport, self.loop)  # type: ignore[assignment]  # what a cycle needs of one
        super()._start_asgi_task(cycle, app if cycle.keep_alive else _closing(app, cycle))

    # Time.

    @property
    def _is_answering(self) -> bool:
        """Whether a response is still to be sent, or being sent."""
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        """Give what is incomplete its time; a timer that is too early looks again."""
        now = self.loop.time()
        self._began = self._began or now
        if self._reading == "body":
            streamed = self._is_answering and self.scope["path"] in STREAMED
            self._deadline = self.limits.body_until(self._began, now, self._body_bytes, streamed=streamed)
        else:
            self._deadline = self.limits.head_until(self._began)
        if self._timer is None:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_deadline(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        now = self.loop.time()
        if now < self._deadline:
            self._timer = self.loop.call_at(self._deadline, self._check_deadline)
        elif self.flow.read_paused or self._has_to_wait:
            self._began = now  # the client is not to blame
            self._watch()
        elif self._reading == "body":
            self._refuse(BODY_TOO_SLOW)
        else:
            self._refuse(HEAD_TOO_SLOW)

    @property
    def _has_to_wait(self) -> bool:
        """Whether an answer is under way that a refusal would disturb."""
        if self._reading == "body":
            return bool(self.pipeline) or (self.cycle.response_started and not self.cycle.response_complete)
        return self._is_answering

    # Refusals.

    def _refuse(self, refusal: Refusal) -> None:
        """Answer the present request with ``refusal`` and end the connection, after the answer that is being sent."""
        self._ignores_input = True
        self._stop_timer()
        left_out = _throttle.due(refusal)
        if left_out is not None:
            log.info("request_refused", status=refusal.status, code=refusal.code, left_out=left_out)
        if self._reading != "body" and self._is_answering:
            self.cycle.keep_alive = False
        elif self._reading == "body" and self.pipeline:
            self.transport.close()
        elif self._reading == "body" and self.cycle.response_started:
            self._end_after_response()
        else:
            self._answer(refusal)

    def _end_after_response(self) -> None:
        self.cycle.keep_alive = False
        if self.cycle.response_complete:
            self.transport.close()

    def _answer(self, refusal: Refusal) -> None:
        if self._reading == "body":
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self.transport.write(refusal.response())
        # With bytes unread, a connection that is closed at once takes the refusal with it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(self.limits.linger_s, self.transport.abort)


def _closing(app: Any, cycle: RequestResponseCycle) -> Any:
    """``app`` for a client whose connection ends with the response."""

    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        unmeasured = False

        async def sent(message: Message) -> None:
            nonlocal unmeasured
            if message["type"] == "http.response.start":
                headers = [header for header in message.get("headers", ()) if header[0].lower() != b"connection"]
                message = {**message, "headers": headers}
                measured = any(name.lower() == b"content-length" for name, _ in headers)
                unmeasured = scope["http_version"] < "1.1" and not measured
                if unmeasured:
                    cycle.chunked_encoding = False
            elif unmeasured:  # uvicorn compares a body with its announced length: here each piece is as long as it is
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, sent)

    return closing
