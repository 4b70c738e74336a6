"""What a connection takes of a client, how long it waits for it, and what it says; over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response

from app.process.serve import bind
from app.web.connection import Connection
from app.web.connection_limits import ConnectionLimits
from app.web.shared import errors
from app.web.shared.bodies import BodyGate
from app.web.shared.caching import NoStore
from app.web.shared.event_stream import EventStream
from tests.helpers import PATIENCE_S, wait_until

SHORT = ConnectionLimits(head_bytes=2000, head_s=0.3, body_s=0.3, body_rate=1e6, body_bytes=5000, linger_s=0.3)
GET = b"GET /echo HTTP/1.1\r\nHost: arena\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: arena\r\nContent-Type: application/json\r\n"


class Short(Connection):
    """A connection that loses patience soon."""

    limits = SHORT


def application() -> FastAPI:
    """Says what it was sent; ``/events`` tells a word every moment until ``/end``."""
    app, over = FastAPI(), asyncio.Event()
    errors.install(app)
    app.add_middleware(BodyGate, max_bytes=SHORT.body_bytes)
    app.add_middleware(NoStore)

    @app.api_route("/echo", methods=["GET", "POST", "HEAD"])
    async def echo(request: Request) -> dict[str, Any]:
        body = (await request.body()).decode()
        return {"method": request.method, "body": body, "headers": len(request.headers.items())}

    async def words() -> AsyncGenerator[bytes]:
        while not over.is_set():
            yield b"data: word\n\n"
            await asyncio.sleep(0.05)

    @app.get("/events")
    async def events() -> Response:
        return EventStream(words())

    @app.get("/end")
    async def end() -> dict[str, Any]:
        over.set()
        return {}

    return app


@dataclass
class Server:
    """A server and the ways to it."""

    uvicorn: uvicorn.Server
    port: int

    @property
    def connections(self) -> int:
        return len(self.uvicorn.server_state.connections)

    @asynccontextmanager
    async def dialled(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield reader, writer
        finally:
            writer.close()

    async def said(self, *pieces: bytes) -> bytes:
        """All that the server says to what is sent, until it closes the connection."""
        async with self.dialled() as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(PATIENCE_S):
                return await reader.read()


Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a server with connections of a class."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def started(kind: type[Connection] = Short, **options: Any) -> Server:
        listening = bind("127.0.0.1", 0)
        config = uvicorn.Config(
            application(), http=kind, ws="none", lifespan="off", log_config=None, access_log=False, **options
        )
        one = uvicorn.Server(config)
        running.append((one, asyncio.create_task(one.serve(sockets=[listening]), name="uvicorn")))
        await wait_until(lambda: one.started)
        return Server(one, listening.getsockname()[1])

    yield started
    for one, task in running:
        one.should_exit = one.force_exit = True
        await asyncio.wait({task}, timeout=PATIENCE_S)


@pytest.fixture
async def server(start: Start) -> Server:
    server: Server = await start()
    return server


def split(said: bytes) -> tuple[bytes, dict[bytes, list[bytes]], bytes]:
    """Status line, headers by lower-case name, and the rest."""
    head, _, body = said.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.setdefault(name.lower(), []).append(value)
    return first, headers, body


def check_refusal(said: bytes, status: bytes, code: str) -> None:
    first, headers, body = split(said)
    assert first.startswith(b"HTTP/1.1 " + status), said[:200]
    assert headers[b"connection"] == [b"close"]
    assert headers[b"cache-control"] == [b"no-store"]
    assert headers[b"content-type"] == [b"application/json"]
    assert headers[b"content-length"] == [str(len(body)).encode()], "nothing follows it"
    reply = orjson.loads(body)
    assert reply["code"] == code
    assert reply["error"]


HEADS = {
    "one header": [GET, b"X-Big: ", *[b"x" * 500] * 6],
    "one header that is complete": [GET + b"X-Big: " + b"x" * 2000 + b"\r\n\r\n"],
    "many headers": [GET, *[b"X-Header: some words\r\n"] * 200],
    "a header's name": [GET, *[b"x" * 500] * 6],
    "the address": [b"GET /", *[b"x" * 500] * 6],
}


@pytest.mark.parametrize("pieces", HEADS.values(), ids=HEADS)
async def test_a_head_over_its_limit_is_refused_whatever_it_is_made_of(server: Server, pieces: list[bytes]) -> None:
    check_refusal(await server.said(*pieces), b"431", "headers_too_large")
    await wait_until(lambda: server.connections == 0)


async def test_a_second_request_has_the_limits_of_the_first(server: Server) -> None:
    for rest, status, code in ((b"x" * 5000, b"431", "headers_too_large"), (b"x", b"408", "request_timeout")):
        async with server.dialled() as (reader, writer):
            writer.write(POST + b"Content-Length: 4000\r\n\r\n" + b"x" * 4000 + GET + b"X-Big: ")
            first = await asyncio.wait_for(reader.readuntil(b"}"), PATIENCE_S)
            writer.write(rest)
            said = await asyncio.wait_for(reader.read(), PATIENCE_S)
        assert split(first)[0] == b"HTTP/1.1 200 OK"
        check_refusal(said, status, code)


async def test_sixty_megabytes_of_header_are_not_even_read(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(GET + b"X-Big: ")
        flood = asyncio.create_task(_flood(writer), name="flood")
        said = await asyncio.wait_for(reader.read(), PATIENCE_S)
        await asyncio.wait({flood}, timeout=PATIENCE_S)
    check_refusal(said, b"431", "headers_too_large")
    await wait_until(lambda: server.connections == 0)


async def _flood(writer: asyncio.StreamWriter) -> None:
    try:
        for _ in range(60):
            writer.write(b"x" * 1_000_000)
            await writer.drain()
    except ConnectionError:
        pass


async def test_a_head_within_its_limit_passes_in_whatever_pieces_it_comes(server: Server) -> None:
    head = GET + b"".join(b"X-%d: %b\r\n" % (number, b"x" * 85) for number in range(20)) + b"Connection: close\r\n\r\n"
    assert len(head) > SHORT.head_bytes * 0.95
    for pieces in ([head], [head[:700], head[700:]], [head[at : at + 97] for at in range(0, len(head), 97)]):
        assert b'"headers":22' in await server.said(*pieces)


async def test_what_is_no_http_is_refused_in_the_form_of_all_errors(server: Server) -> None:
    for nonsense in (
        b"hello\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ):
        check_refusal(await server.said(nonsense), b"400", "invalid_http")
    check_refusal(await server.said(POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), b"400", "invalid_http")
    check_refusal(await server.said(b"CONNECT elsewhere:443 HTTP/1.1\r\n\r\n"), b"405", "method_not_allowed")
    await wait_until(lambda: server.connections == 0)


@pytest.mark.parametrize("half", [b"G", b"GET /echo HTTP/1.1\r\n", GET, GET + b"X-Half: x"])
async def test_half_a_head_is_told_so_in_time(server: Server, half: bytes) -> None:
    check_refusal(await server.said(half), b"408", "request_timeout")
    await wait_until(lambda: server.connections == 0)


async def test_a_head_that_trickles_in_has_one_time_for_all_of_it(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(GET)
        trickle = asyncio.create_task(_trickle(writer, b"X-More: x\r\n"), name="trickle")
        said = await asyncio.wait_for(reader.read(), PATIENCE_S)
        trickle.cancel()
        await asyncio.wait({trickle})
    check_refusal(said, b"408", "request_timeout")


async def _trickle(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await asyncio.sleep(0.02)


HALF_BODIES = [b"Content-Length: 10\r\n\r\n", b"Content-Length: 10\r\n\r\n12345"]
HALF_BODIES += [b"Transfer-Encoding: chunked\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n"]


@pytest.mark.parametrize("half", HALF_BODIES)
async def test_half_a_body_is_told_so_in_time(server: Server, half: bytes, caplog: pytest.LogCaptureFixture) -> None:
    check_refusal(await server.said(POST + half), b"408", "request_timeout")
    await wait_until(lambda: server.connections == 0)
    await wait_until(lambda: not server.uvicorn.server_state.tasks)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_body_that_trickles_in_has_a_time_by_its_size(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(POST + b"Content-Length: 4000\r\n\r\n")
        trickle = asyncio.create_task(_trickle(writer, b"1"), name="trickle")
        said = await asyncio.wait_for(reader.read(), PATIENCE_S)
        trickle.cancel()
        await asyncio.wait({trickle})
    check_refusal(said, b"408", "request_timeout")


async def test_who_sends_slowly_but_enough_is_heard_to_the_end(start: Start) -> None:
    class Patient(Connection):
        limits = ConnectionLimits(body_s=1.5, body_rate=5)

    server = await start(Patient)
    async with server.dialled() as (reader, writer):
        writer.write(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 1.5 * Patient.limits.body_s:
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.05)
        writer.write(b"0\r\n\r\n")
        assert b'"method":"POST"' in await asyncio.wait_for(reader.read(), PATIENCE_S)


def test_a_body_has_a_time_between_pieces_and_one_by_its_size() -> None:
    limits = ConnectionLimits(body_s=20, body_rate=8192, body_bytes=1_000_000)
    assert limits.body_until(began=100, now=100, size=0) == 120
    assert limits.body_until(began=100, now=119, size=0) == 120, "nothing came"
    assert limits.body_until(began=100, now=119, size=8192) == 121, "a second for what came"
    assert limits.body_until(began=100, now=101, size=900_000) == 121, "however much came: no longer silence"
    assert limits.body_until(began=100, now=900, size=10**9) == 120 + 1_000_000 / 8192, "no upload without end"


async def test_a_trailer_is_dropped_and_one_without_end_is_cut(server: Server) -> None:
    chunked = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    assert b'"headers":4' in await server.said(chunked + b"X-Trailer: x\r\n\r\n")
    said = await server.said(chunked, b"X-Trailer: ", *[b"x" * 500] * 20)
    check_refusal(said, b"431", "headers_too_large")


async def test_chunks_of_one_byte_are_a_body_as_any_other(server: Server) -> None:
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in b'"' + b"x" * 2000 + b'"') + b"0\r\n\r\n"
    said = await server.said(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n", body)
    assert split(said)[0] == b"HTTP/1.1 200 OK"


async def test_an_upload_that_was_refused_ends_also_if_nobody_ends_it(server: Server) -> None:
    said = await server.said(POST + b"Content-Length: 60000000\r\n\r\n", b"x" * 2000)
    assert split(said)[0] == b"HTTP/1.1 413 Request Entity Too Large"
    await wait_until(lambda: server.connections == 0)


async def test_a_stream_is_never_cut_by_what_its_reader_sends(server: Server) -> None:
    for sent in (b"", b"\r\n", b"GET /echo HTT", b"nonsense\r\n\r\n", b"GET /echo HTTP/1.1\r\nX: " + b"x" * 5000):
        async with server.dialled() as (reader, writer):
            writer.write(b"GET /events HTTP/1.1\r\nHost: arena\r\n\r\n")
            await reader.readuntil(b"word")
            writer.write(sent)
            began = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() < began + 3 * SHORT.head_s:
                assert b"HTTP/1.1" not in await asyncio.wait_for(reader.readuntil(b"word"), PATIENCE_S)


async def test_a_stream_whose_reader_announced_a_body_that_never_comes_goes_on(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(b"GET /events HTTP/1.1\r\nHost: arena\r\nContent-Length: 5\r\n\r\n")
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 3 * SHORT.body_s:
            assert await asyncio.wait_for(reader.readuntil(b"word"), PATIENCE_S)


async def test_a_connection_on_which_nothing_comes_ends_in_silence(start: Start) -> None:
    server = await start(timeout_keep_alive=0.2)
    assert await server.said() == b""
    assert await server.said(b"\r\n") == b""
    said = await server.said(GET + b"\r\n", b"\r\n\r\n")
    assert said.count(b"HTTP/1.1") == 1


async def test_a_connection_serves_one_request_after_another(server: Server) -> None:
    body = POST + b"Content-Length: 2\r\n\r\n{}"
    said = await server.said((GET + b"\r\n") + body, body + GET + b"\r\n", GET + b"Connection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 OK") == 5
    assert said.count(b'"body":"{}"') == 2


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"


@pytest.mark.parametrize("wanted", [UPGRADE, UPGRADE.replace(b"h2c", b"websocket")])
async def test_who_would_rather_speak_another_protocol_is_answered_in_this_one(server: Server, wanted: bytes) -> None:
    asked = POST + wanted + b"Content-Length: 7\r\n\r\n"
    last = GET + b"Connection: close\r\n\r\n"
    for pieces in ([asked + b'"hello"' + last], [asked, b'"hel', b'lo"', last]):
        said = await server.said(*pieces)
        assert said.count(b"HTTP/1.1 200 OK") == 2
        assert said.count(b'"body":"\\"hello\\""') == 1
    assert (await server.said(GET + wanted + b"\r\n" + last)).count(b"HTTP/1.1 200 OK") == 2


async def test_a_thousand_requests_for_another_protocol_are_served_as_plain_ones(server: Server) -> None:
    said = await server.said((GET + UPGRADE + b"\r\n") * 1000 + GET + b"Connection: close\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 OK") == 1001


async def test_http_1_0_gets_a_body_without_chunks_and_one_connection_header(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(b"GET /events HTTP/1.0\r\nHost: arena\r\nConnection: keep-alive\r\n\r\n")
        await reader.readuntil(b"word")
        async with httpx.AsyncClient(trust_env=False) as http:
            await http.get(f"http://127.0.0.1:{server.port}/end")
        rest = await asyncio.wait_for(reader.read(), PATIENCE_S)
    assert set(rest.split()) <= {b"data:", b"word"}
    async with server.dialled() as (reader, writer):
        writer.write(b"GET /events HTTP/1.0\r\n\r\n")
        first, headers, _ = split(await asyncio.wait_for(reader.read(), PATIENCE_S))
    assert first == b"HTTP/1.1 200 OK"
    assert headers[b"connection"] == [b"close"]
    assert b"transfer-encoding" not in headers


async def test_a_length_that_is_known_is_told_also_in_http_1_0(server: Server) -> None:
    first, headers, body = split(await server.said(b"GET /echo HTTP/1.0\r\n\r\n"))
    assert (first, headers[b"content-length"]) == (b"HTTP/1.1 200 OK", [str(len(body)).encode()])
    assert headers[b"connection"] == [b"close"]
    head = await server.said(b"HEAD /echo HTTP/1.0\r\n\r\n")
    assert split(head)[2] == b""


async def test_a_stream_over_a_connection_that_is_to_end_has_one_connection_header(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(b"GET /events HTTP/1.1\r\nHost: arena\r\nConnection: close\r\n\r\n")
        _, headers, _ = split(await asyncio.wait_for(reader.readuntil(b"word"), PATIENCE_S))
    assert headers[b"connection"] == [b"close"]
    assert headers[b"transfer-encoding"] == [b"chunked"]


async def test_a_server_that_ends_does_not_wait_for_half_a_request(server: Server) -> None:
    async with server.dialled() as (reader, writer):
        writer.write(GET)
        await wait_until(lambda: server.connections == 1)
        server.uvicorn.should_exit = True
        async with asyncio.timeout(PATIENCE_S):
            assert await reader.read() == b""
