"""Server-sent events to one viewer.

There may be a thousand viewers, so a stream costs as little as it can: the request's own task sends, one more waits for
the viewer to leave, and one timer sees to heartbeats and to who takes nothing. Content is encoded frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Literal

import structlog
from fastapi import Response
from starlette.types import Message, Receive, Scope, Send

from app.tasks import cancel_and_wait

HEARTBEAT_S = 10.0
"""After so long a silence the viewer gets a comment: for proxies, and for clients that check whether it is alive."""
HEARTBEAT = b": ping\n\n"
SEND_TIMEOUT_S = 20.0
#: After that time the system cuts the connection of who took nothing: see ``app.process.serve.UNSENT_LIMIT_S``.
CUT_LIMIT_S = 60.0
#: How long the end of a stream may take to be sent when the process ends.
END_LIMIT_S = 1.0

#: ``no-transform`` keeps proxies from compressing (and so buffering) the stream, ``X-Accel-Buffering`` is nginx's.
STREAM_HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}

Why = Literal["left", "ending", "takes_nothing"]

log = structlog.get_logger(__name__)


class OpenStreams:
    """The streams of one application that are being sent."""

    def __init__(self) -> None:
        self._open: set[_Delivery] = set()
        self._ended = False

    def add(self, delivery: _Delivery) -> None:
        """Note one that begins; after the end it ends at once."""
        self._open.add(delivery)
        if self._ended:
            delivery.end()

    def remove(self, delivery: _Delivery) -> None:
        """Forget one that has ended."""
        self._open.discard(delivery)

    def end(self) -> None:
        """End all: the process is about to, and their viewers resume elsewhere."""
        self._ended = True
        for delivery in list(self._open):
            delivery.end()


class EventStream(Response):
    """The frames of ``content`` for as long as the viewer takes them.

    From a viewer who took nothing for ``send_timeout_s`` all is taken away but the connection, which the system cuts:
    the server has no way to, since closing it would wait until the viewer has read what was sent. When the process
    ends, ``ending`` is set, and the content has ``grace_s`` to end by itself.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        content: AsyncGenerator[bytes],
        headers: Mapping[str, str] | None = None,
        *,
        ending: asyncio.Event | None = None,
        grace_s: float = 0.0,
        heartbeat_s: float = HEARTBEAT_S,
        send_timeout_s: float = SEND_TIMEOUT_S,
    ) -> None:
        self.content = content
        self.ending = ending or asyncio.Event()
        self.grace_s = grace_s
        self.heartbeat_s = heartbeat_s
        self.send_timeout_s = send_timeout_s
        self.status_code = 200
        self.background = None
        self.init_headers({**STREAM_HEADERS, "Connection": "keep-alive", **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events, and an end also when it is this process that ends: the viewer then resumes elsewhere."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await self.content.aclose()
            await send(_body(b"", more=False))
            return
        delivery, streams = _Delivery(self, send), _streams_of(scope)
        leaving = asyncio.create_task(_left(receive), name=f"viewer of {scope['path']}")
        leaving.add_done_callback(lambda _: delivery.stop("left"))
        streams.add(delivery)
        try:
            why = await delivery.run()
        finally:
            streams.remove(delivery)
            await cancel_and_wait(leaving)
        if why == "takes_nothing":
            log.info("viewer_takes_nothing", path=scope["path"])
            with suppress(TimeoutError):
                async with asyncio.timeout(CUT_LIMIT_S):
                    await _left(receive)
        elif why != "left":
            with suppress(TimeoutError):
                async with asyncio.timeout(END_LIMIT_S):
                    await send(_body(b"", more=False))


class _Delivery:
    """One stream that is being sent; ``stop`` ends it from outside of its task."""

    def __init__(self, stream: EventStream, send: Send) -> None:
        self._stream = stream
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._limit = asyncio.timeout(None)
        self._sending_since: float | None = None
        self._sent_at = self._loop.time()
        self._heartbeat: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(stream.heartbeat_s, self._check)
        self._grace: asyncio.TimerHandle | None = None
        self._running = False
        self._why: Why | None = None

    async def run(self) -> Why | None:
        """Send until the content ends; why it was stopped before that, if it was."""
        try:
            async with aclosing(self._stream.content) as frames, self._limit:
                await self._deliver_all(frames)
        except TimeoutError:
            if self._why is None:  # the content's own
                raise
        finally:
            self._timer.cancel()
            if self._grace is not None:
                self._grace.cancel()
            if self._heartbeat is not None:
                await cancel_and_wait(self._heartbeat)
        return self._why

    async def _deliver_all(self, frames: AsyncGenerator[bytes]) -> None:
        self._running = True
        try:
            if self._why is None:
                async for frame in frames:
                    await self._deliver(frame)
        finally:
            self._running = False

    def stop(self, why: Why) -> None:
        """End it now; nothing if it has ended."""
        if self._why is None:
            self._why = why
            if self._running:
                self._limit.reschedule(self._loop.time())

    def end(self) -> None:
        """The process is about to end: let the content end by itself, if it is to."""
        self._stream.ending.set()
        if self._stream.grace_s:
            self._grace = self._loop.call_later(self._stream.grace_s, self.stop, "ending")
        else:
            self.stop("ending")

    async def _deliver(self, frame: bytes) -> None:
        self._sending_since = self._loop.time()
        await self._send(_body(frame))
        self._sending_since, self._sent_at = None, self._loop.time()

    def _check(self) -> None:
        """Send a heartbeat after a silence, and stop if nothing is taken; then look again when either may be due."""
        now = self._loop.time()
        if self._sending_since is not None:
            due = self._sending_since + self._stream.send_timeout_s
        elif (due := self._sent_at + self._stream.heartbeat_s) <= now:
            self._heartbeat = self._loop.create_task(self._deliver(HEARTBEAT), name="heartbeat")
            due = now + self._stream.heartbeat_s
        if due <= now:
            self.stop("takes_nothing")
        else:
            self._timer = self._loop.call_at(due, self._check)


def _body(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _streams_of(scope: Scope) -> OpenStreams:
    """The streams of the application that serves it; one that is served by itself has no others."""
    services = getattr(getattr(scope.get("app"), "state", None), "services", None)
    return OpenStreams() if services is None else services.streams
