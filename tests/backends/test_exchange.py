"""The HTTP exchange underneath: what a response may look like, TLS, and addresses."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from app.backends.base import BackendUnavailable, GenerationRequest, UpstreamFailed
from app.backends.ollama.backend import OllamaBackend
from app.backends.target import Target
from app.backends.ticks import Ticks
from tests.backends.wire_server import Connection, Script, WireServer, line, playing
from tests.helpers import PATIENCE_S

DATA = Path(__file__).parent / "data"
DONE = line("", done=True, done_reason="stop")


async def text_of(url: str) -> str:
    async with aclosing(
        OllamaBackend(url, tick=timedelta(milliseconds=2)).stream(GenerationRequest("m", ()))
    ) as chunks:
        return "".join([chunk.text async for chunk in chunks])


async def text_of_script(script: Script) -> str:
    async with playing(script) as wire:
        return await text_of(wire.url)


async def test_an_interim_response_is_only_an_announcement() -> None:
    async def script(connection: Connection) -> None:
        await connection.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
        await connection.plain("200 OK", line("Hi") + DONE)

    assert await text_of_script(script) == "Hi"


async def test_a_response_may_come_in_single_bytes() -> None:
    async def script(connection: Connection) -> None:
        body = line("Hi") + DONE
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body):
            await connection.raw(bytes([byte]))

    assert await text_of_script(script) == "Hi"


async def test_chunk_extensions_and_trailers_are_no_text() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        body = line("Hi") + DONE
        await connection.raw(b"%x;a=b\r\n%s\r\n0\r\nX-Trailer: 1\r\n\r\n" % (len(body), body))

    assert await text_of_script(script) == "Hi"


async def test_more_text_than_one_read_takes_is_not_lost() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("a")
        await asyncio.sleep(0.02)
        for _ in range(50):
            await connection.token("b" * 100_000)
        await connection.done()

    assert await text_of_script(script) == "a" + "b" * 5_000_000


async def test_headers_without_end_are_given_up() -> None:
    async def script(connection: Connection) -> None:
        await connection.raw(b"HTTP/1.1 200 OK\r\n")
        while not connection.left.is_set():
            await connection.raw(b"X-More: " + b"x" * 4096 + b"\r\n")

    with pytest.raises(UpstreamFailed, match="no end"):
        await text_of_script(script)


def tls_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "loopback.crt", DATA / "loopback.key")
    return context


async def hello(connection: Connection) -> None:
    await connection.ok()
    for piece in ("Hel", "lo", " there"):
        await connection.token(piece)
        await asyncio.sleep(0.01)
    await connection.done()


async def test_an_answer_comes_over_tls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "loopback.crt"))
    wire = WireServer(hello)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls_server())
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await text_of(f"https://localhost:{port}") == "Hello there"


async def test_a_tls_reader_that_was_away_for_long_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(DATA / "loopback.crt"))

    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("a")
        await asyncio.sleep(0.05)
        for _ in range(400):
            await connection.token("b" * 60_000)
        await connection.done()

    wire = WireServer(script)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls_server())
    async with server:
        backend = OllamaBackend(f"https://localhost:{server.sockets[0].getsockname()[1]}")
        async with aclosing(backend.stream(GenerationRequest("m", ()))) as chunks:
            size = len((await anext(chunks)).text) + len((await anext(chunks)).text)
            await asyncio.sleep(2.5)  # more than the guard holds in memory comes, and it pauses
            async for chunk in chunks:
                size += len(chunk.text)
    assert size == 1 + 400 * 60_000


async def test_a_certificate_that_nobody_signed_is_not_trusted() -> None:
    wire = WireServer(hello)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls_server())
    async with server:
        with pytest.raises(BackendUnavailable, match=r"(?i)certificate"):
            await text_of(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def test_a_prefix_and_a_password_go_with_every_request() -> None:
    async with playing(hello) as wire:
        url = wire.url.replace("http://", "http://me:p%40ss@") + "/ollama/"
        assert await text_of(url) == "Hello there"
    head = wire.seen[0].head
    assert head.startswith("POST /ollama/api/chat HTTP/1.1\r\n")
    assert "Authorization: Basic bWU6cEBzcw==\r\n" in head
    assert "p%40ss" not in head
    assert f"Host: {wire.url.removeprefix('http://')}\r\n" in head


@pytest.mark.parametrize("url", ["ftp://x", "x:11434", "http://", "http://x:bad"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Target.of(url)


async def test_waiters_wake_at_the_same_beat_and_a_cancelled_one_disturbs_nobody() -> None:
    ticks = Ticks(timedelta(milliseconds=10))
    first, second, third = (ticks.next() for _ in range(3))
    second.cancel()
    await asyncio.wait_for(first, PATIENCE_S)
    assert third.done()
    await asyncio.wait_for(ticks.next(), PATIENCE_S)
