"""Connections that are kept between requests: reused when the response came whole, closed when it did not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta

import pytest

from app.backends.base import BackendUnavailable, GenerationRequest
from app.backends.ollama.backend import OllamaBackend
from tests.backends.wire_server import Connection, line
from tests.helpers import wait_until

KEEP = timedelta(seconds=30)
DONE = line("", done=True, done_reason="stop")

Answer = Callable[[Connection, int], Awaitable[None]]


class Serving:
    """A server that answers request after request on each connection; ``open`` are those that are open now."""

    def __init__(self, answer: Answer) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.port = 0
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        connection = Connection(reader, writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            for number in range(10):
                connection.head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(connection.head)
                length = connection.head.lower().partition("content-length:")[2].split("\r\n")[0]
                await reader.readexactly(int(length or 0))
                await self._answer(connection, number)
        self.open.discard(writer)
        writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[Serving, OllamaBackend]]:
    """The server, and a backend that keeps connections to it."""
    served = Serving(answer)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    backend = OllamaBackend(url, tick=timedelta(milliseconds=2), keep=KEEP)
    try:
        yield served, backend
    finally:
        await backend.aclose()
        server.close()


async def hello(connection: Connection, _: int) -> None:
    await connection.ok()
    await connection.token("Hel")
    await asyncio.sleep(0.01)  # what follows is read past the paused transport
    await connection.token("lo")
    await connection.done()


async def text_of(backend: OllamaBackend) -> str:
    async with aclosing(backend.stream(GenerationRequest("m", ()))) as chunks:
        return "".join([chunk.text async for chunk in chunks])


async def test_one_connection_serves_one_answer_after_the_other() -> None:
    async with serving(hello) as (served, backend):
        assert [await text_of(backend) for _ in range(4)] == ["Hello"] * 4
        assert served.connections == 1
        assert not any("connection: close" in head.lower() for head in served.heads)
        await backend.aclose()
        await wait_until(lambda: not served.open)


async def test_answers_at_the_same_time_have_connections_of_their_own() -> None:
    async with serving(hello) as (served, backend):
        assert await asyncio.gather(*(text_of(backend) for _ in range(3))) == ["Hello"] * 3
        assert served.connections == 3
        assert await asyncio.gather(*(text_of(backend) for _ in range(3))) == ["Hello"] * 3
        assert served.connections == 3


async def test_who_leaves_in_the_middle_of_an_answer_closes_its_connection() -> None:
    async def endless(connection: Connection, _: int) -> None:
        await connection.ok()
        await connection.token("a")
        await asyncio.Event().wait()

    async with serving(endless) as (served, backend):
        async with aclosing(backend.stream(GenerationRequest("m", ()))) as chunks:
            assert (await anext(chunks)).text == "a"
        (writer,) = served.open
        assert await asyncio.wait_for(_end_of(writer), 10) == b""


async def _end_of(writer: asyncio.StreamWriter) -> bytes:
    """What the client sends on, up to its end."""
    reader: asyncio.StreamReader = writer.transport.get_protocol()._stream_reader  # type: ignore[attr-defined]
    with suppress(ConnectionError):
        return await reader.read()
    return b""


async def test_a_request_whose_kept_connection_was_closed_meanwhile_is_sent_again_on_a_new_one() -> None:
    async def once(connection: Connection, number: int) -> None:
        if number == 0:
            await hello(connection, number)
        else:  # as a server does whose keep-alive ends in the moment when the next request arrives
            connection.reset()
            raise ConnectionResetError

    async with serving(once) as (served, backend):
        assert await text_of(backend) == "Hello"
        assert await text_of(backend) == "Hello"
        assert served.connections == 2
        assert len(served.heads) == 3


async def test_a_connection_that_the_server_closes_while_it_is_kept_is_not_used_again() -> None:
    async def then_closed(connection: Connection, number: int) -> None:
        await hello(connection, number)
        connection.writer.close()
        raise ConnectionError

    async with serving(then_closed) as (served, backend):
        for _ in range(2):
            assert await text_of(backend) == "Hello"
            await wait_until(lambda: not served.open)
        assert served.connections == 2


async def test_a_new_connection_that_ends_without_a_word_is_a_failure_and_not_asked_again() -> None:
    async def silent(connection: Connection, _: int) -> None:
        connection.reset()
        raise ConnectionResetError

    async with serving(silent) as (served, backend):
        with pytest.raises(BackendUnavailable):
            await text_of(backend)
        assert len(served.heads) == 1


@pytest.mark.parametrize(
    "response",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
        b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s",
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["the server says so", "HTTP/1.0", "more came than was asked for"],
)
async def test_a_connection_is_not_kept_when(response: bytes) -> None:
    body = line("Hi") + DONE

    async def answer(connection: Connection, _: int) -> None:
        await connection.raw(response % (len(body), body))

    async with serving(answer) as (served, backend):
        for _ in range(2):
            assert await text_of(backend) == "Hi"
        assert served.connections == 2


async def test_what_a_server_says_unasked_ends_a_kept_connection() -> None:
    async with serving(hello) as (served, backend):
        assert await text_of(backend) == "Hello"
        (writer,) = served.open
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await wait_until(lambda: not served.open)
        assert await text_of(backend) == "Hello"
        assert served.connections == 2
