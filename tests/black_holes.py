"""Addresses and ways to servers that a test needs: a resolver that says what it is told, and relays to Unix sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from app.network.connecting import Address, Resolve

Prelude = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def at(port: int, address: str = "127.0.0.1") -> Address:
    """An address as a resolver gives it."""
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))


def resolving(*addresses: Address, asked: list[str] | None = None) -> Resolve:
    """A resolver that knows these addresses of every name; the names are noted in ``asked``."""

    async def resolve(name: str, port: int) -> tuple[Address, ...]:
        if asked is not None:
            asked.append(name)
        return addresses

    return resolve


@asynccontextmanager
async def relaying(
    path: Path, tls: ssl.SSLContext | None = None, prelude: Prelude | None = None
) -> AsyncGenerator[int]:
    """A TCP port (given) whose connections go to the Unix socket at ``path``, after ``prelude`` was played."""
    writers: set[asyncio.StreamWriter] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            if prelude is not None:
                await prelude(reader, writer)
            inner_reader, inner_writer = await asyncio.open_unix_connection(path)
            writers.add(inner_writer)
            await asyncio.gather(carry(reader, inner_writer), carry(inner_reader, writer))

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
