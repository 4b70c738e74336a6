"""Servers that are no healthy Ollama, on ports of this machine."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

Answer = Callable[[str], bytes]
"""What is sent back for a path."""


@asynccontextmanager
async def serving(answer: Answer | None, tls: ssl.SSLContext | None = None) -> AsyncGenerator[int]:
    """A server that reads a request and sends ``answer`` of its path (None: nothing, ever); gives its port."""
    open_ones: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones[writer] = asyncio.current_task()  # type: ignore[assignment]
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if answer is None:
                await reader.read()
                return
            writer.write(answer(head.split(b" ")[1].decode()))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            open_ones.pop(writer, None)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = dict(open_ones)
        for writer in left:
            writer.transport.abort()
        await asyncio.gather(*left.values(), return_exceptions=True)


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ollama(skew: timedelta = timedelta(0), version: str = "0.33.3", models: tuple[str, ...] = ()) -> Answer:
    """An Ollama that has ``models`` and whose clock is off by ``skew``."""
    tags = [{"name": name, "size": 4_000_000_000, "digest": name.ljust(64, "0")} for name in models]
    bodies: dict[str, object] = {
        "/api/version": {"version": version},
        "/api/tags": {"models": tags},
        "/api/ps": {"models": []},
    }

    def answer(path: str) -> bytes:
        date = format_datetime(datetime.now(UTC) + skew, usegmt=True)
        if path not in bodies:
            return http(b'{"error":"not found"}', "404 Not Found", Date=date)
        return http(json.dumps(bodies[path]).encode(), Date=date)

    return answer


def website(_: str) -> bytes:
    """What is no Ollama at all."""
    return http(b"<html><title>Welcome to nginx!</title></html>", Content_Type="text/html")


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose connections are never taken and whose queue is full, so that the next one gets no answer."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def server_tls() -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(Path(__file__).parent / "untrusted.pem")
    return context
