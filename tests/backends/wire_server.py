"""A TCP server on loopback that plays a script to one request per connection: the wire's faults, over real sockets."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Script = Callable[["Connection"], Awaitable[None]]


@dataclass
class Connection:
    """One accepted connection: what was asked, and how to answer."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: str = ""
    body: dict[str, object] = field(default_factory=dict)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def ok(self, headers: str = "Content-Type: application/x-ndjson\r\n") -> None:
        """Send the head of a chunked 200."""
        await self.raw(f"HTTP/1.1 200 OK\r\n{headers}Transfer-Encoding: chunked\r\n\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        """Send one HTTP chunk."""
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def token(self, text: str, **more: Any) -> None:
        """Send one line of an answer."""
        await self.chunk(line(text, **more))

    async def done(self, reason: str | None = "stop", **more: Any) -> None:
        """Send the last line and the end of the chunks."""
        last = {} if reason is None else {"done_reason": reason}
        await self.chunk(line("", done=True, **last, **more))
        await self.raw(b"0\r\n\r\n")

    async def plain(self, status: str, body: bytes, headers: str = "") -> None:
        """Send a whole response with a length."""
        await self.raw(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: no lingering
        self.writer.close()


def line(text: str, *, thinking: str | None = None, done: bool = False, **more: Any) -> bytes:
    """One line as Ollama writes it."""
    message: dict[str, object] = {"role": "assistant", "content": text}
    if thinking is not None:
        message["thinking"] = thinking
    whole = {"model": "m", "created_at": "2026-11-21T02:39:00.1456Z", "message": message, "done": done, **more}
    return json.dumps(whole, ensure_ascii=False).encode() + b"\n"


class WireServer:
    """Where it listens, and what was asked of it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[Connection] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.seen.append(connection)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            connection.head = (await reader.readuntil(b"\r\n\r\n")).decode()
            announced = connection.head.lower().partition("content-length:")[2].split("\r\n")[0]
            if announced:
                connection.body = json.loads(await reader.readexactly(int(announced)))
            watcher = asyncio.create_task(_watch(connection), name="watch for the client's leaving")
            try:
                await self.script(connection)
            finally:
                watcher.cancel()
        with suppress(ConnectionError):
            writer.close()


async def _watch(connection: Connection) -> None:
    with suppress(ConnectionError):
        while await connection.reader.read(1024):
            pass
    connection.left.set()


@asynccontextmanager
async def playing(script: Script) -> AsyncIterator[WireServer]:
    """A server that plays ``script`` to every connection."""
    wire = WireServer(script)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield wire
    finally:
        server.close()
