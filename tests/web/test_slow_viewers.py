"""A viewer who takes nothing: nobody waits for him, he costs nobody anything, and nothing of his stays."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from app.arena.hub import Feed, follow
from app.process.serve import UNSENT_LIMIT_S, bind
from app.tasks import cancel_and_wait
from app.web.shared.event_stream import EventStream
from tests.helpers import PATIENCE_S, wait_until

UNSENT_MS = 300


class Endless:
    """An application whose every answer is an endless event stream; ``open`` are those being sent."""

    def __init__(self) -> None:
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(self._events(), send_timeout_s=0.3, heartbeat_s=0.1)(scope, receive, send)

    async def _events(self) -> AsyncGenerator[bytes]:
        self.open += 1
        try:
            while True:
                yield b"data: %b\n\n" % (b"x" * 10_000)
                await asyncio.sleep(0)
        finally:
            self.open -= 1


@pytest.fixture
async def server() -> AsyncIterator[tuple[uvicorn.Server, Endless, int]]:
    listening = bind("127.0.0.1", 0)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_MS)
    app = Endless()
    one = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    task = asyncio.create_task(one.serve(sockets=[listening]), name="uvicorn")
    yield one, app, listening.getsockname()[1]
    one.should_exit = one.force_exit = True
    await asyncio.wait({task}, timeout=PATIENCE_S)


def idle_viewer(port: int) -> socket.socket:
    viewer = socket.socket()
    viewer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    viewer.connect(("127.0.0.1", port))
    viewer.sendall(b"GET / HTTP/1.1\r\nHost: arena\r\n\r\n")
    return viewer


async def test_a_viewer_who_takes_nothing_loses_stream_and_connection(
    server: tuple[uvicorn.Server, Endless, int], caplog: pytest.LogCaptureFixture
) -> None:
    uvicorn_server, app, port = server
    with capture_logs() as logged, idle_viewer(port):
        await wait_until(lambda: app.open)
        await wait_until(lambda: not app.open and not uvicorn_server.server_state.connections)
    assert [line["event"] for line in logged] == ["viewer_takes_nothing"]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_the_system_cuts_connections_on_which_nothing_is_taken() -> None:
    with bind("127.0.0.1", 0) as listening:
        limit_ms = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert limit_ms == UNSENT_LIMIT_S * 1000


class Watching:
    """A viewer of a feed; ``takes`` is cleared while he takes nothing, ``got`` are the pieces that were sent."""

    def __init__(self, feed: Feed) -> None:
        self.got: list[bytes] = []
        self.takes = asyncio.Event()
        self._feed = feed

    async def watch(self) -> None:
        scope: Scope = {"type": "http", "method": "GET", "path": "/events"}
        await EventStream(self._frames())(scope, self._receive, self._send)

    async def _frames(self) -> AsyncGenerator[bytes]:
        async for piece, _ in follow(self._feed, self._feed.name, 0):
            yield piece

    async def _receive(self) -> Message:
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.takes.wait()
            self.got.append(message["body"])


async def turns_of_the_loop() -> None:
    for _ in range(8):
        await asyncio.sleep(0)


async def test_a_viewer_who_takes_nothing_costs_the_others_and_the_feed_nothing() -> None:
    feed = Feed("battle", lambda: 0.0)
    feed.rename("k7q2ab")
    slow, quick = Watching(feed), Watching(feed)
    quick.takes.set()
    watching = [asyncio.create_task(one.watch()) for one in (slow, quick)]
    for n in range(1, 501):
        await turns_of_the_loop()
        # From the first event on nobody but the quick one is woken: the other one is not even looked at.
        assert feed.waiting == (2 if n == 1 else 1)
        feed.take(b"k7q2ab", [(n, b"delta", b'{"side":"a"}')])
        await turns_of_the_loop()
        assert len(quick.got) == n
    assert slow.got == []
    slow.takes.set()
    await turns_of_the_loop()
    # What he missed was kept once, for all, and comes in one piece after the event that he was being sent.
    assert len(slow.got) == 2
    assert slow.got[1] is feed.since(1)
    assert b"".join(slow.got) == b"".join(quick.got) == b"".join(feed.frames)
    await cancel_and_wait(*watching)
