"""A client that sees the wire: status line, headers in their own case, and single HTTP chunks."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from tests.helpers import PATIENCE_S


@dataclass
class Reply:
    """What came back; ``chunks`` are HTTP chunks, or the whole body as one."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]


def request_bytes(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    head = {"Host": "127.0.0.1", "Connection": "close", "Content-Length": str(len(body))} | (headers or {})
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


async def read_head(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *lines = head.strip().split("\r\n")
    return Reply(int(status.split()[1]), dict(line.split(": ", 1) for line in lines))


async def read_chunks(reader: asyncio.StreamReader, reply: Reply) -> None:
    while size := int(await reader.readline(), 16):
        reply.chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)


async def call(port: int, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Reply:
    """One exchange on a connection of its own; ``body`` is sent as it is when it is bytes."""
    sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request_bytes(method, path, sent, headers))
        async with asyncio.timeout(PATIENCE_S):
            reply = await read_head(reader)
            if reply.headers.get("Transfer-Encoding") == "chunked":
                await read_chunks(reader, reply)
            elif body_bytes := await reader.read():
                reply.chunks.append(body_bytes)
        return reply
    finally:
        writer.close()
