"""A viewer who takes nothing: nobody waits for him, and nothing of his stays."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from app.process.serve import UNSENT_LIMIT_S, bind
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
