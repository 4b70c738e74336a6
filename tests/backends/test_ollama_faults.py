"""The token stream of OllamaBackend over real sockets: every way to fail has its class."""

from __future__ import annotations

import asyncio

import pytest

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    LoadTimedOut,
    ModelNotFound,
    OutOfCapacity,
    RunnerStopped,
    UpstreamFailed,
)
from tests.backends.reading import collect, hello, outcome
from tests.backends.wire_server import Connection, line, playing


async def test_a_refused_connection_is_unavailable() -> None:
    async with playing(hello) as wire:
        url = wire.url
    with pytest.raises(BackendUnavailable):
        await collect(url)


async def test_an_impossible_host_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable):
        await collect(f"http://{'a' * 64}.invalid:11434")  # fails in IDNA, before any resolver


async def test_a_reset_before_the_first_token_can_be_retried() -> None:
    async def script(connection: Connection) -> None:
        connection.reset()

    text, error = await outcome(script)
    assert text == ""
    assert type(error) is BackendUnavailable
    assert error.retryable


async def test_an_end_before_the_first_token_can_be_retried() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()

    _, error = await outcome(script)
    assert type(error) is BackendUnavailable


async def test_a_reset_after_the_first_token_is_a_cut() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Half")
        await asyncio.sleep(0.05)
        connection.reset()

    text, error = await outcome(script)
    assert text == "Half"
    assert type(error) is BackendBroken
    assert error.public_code == "cut_off"


async def test_a_stream_without_done_is_a_failure() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Half")
        await connection.raw(b"0\r\n\r\n")

    text, error = await outcome(script)
    assert text == "Half"
    assert type(error) is BackendBroken
    assert error.code == "truncated"


async def test_half_a_line_is_a_cut_and_no_text() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Half")
        await connection.chunk(line(" and more")[:50])

    text, error = await outcome(script)
    assert text == "Half"
    assert isinstance(error, BackendBroken)


@pytest.mark.parametrize("reason", [None, "load", "unload", "surprise"])
async def test_an_end_for_another_reason_than_stop_or_length_is_a_failure(reason: str | None) -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Text")
        await connection.done(reason)

    text, error = await outcome(script)
    assert text == "Text"
    assert isinstance(error, BackendBroken)
    assert error.code == "upstream_error"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("model runner has unexpectedly stopped, this may be due to resource limitations", RunnerStopped),
        ("llama-server process has terminated: exit status 2", OutOfCapacity),
        ("model requires more system memory (9.0 GiB) than is available (4.2 GiB)", OutOfCapacity),
        ("unable to load full model on GPU", OutOfCapacity),
        ("timed out waiting for llama-server to start - ", LoadTimedOut),
        ("an error was encountered while running the model: unexpected EOF", UpstreamFailed),
        ("server busy, please try again.  maximum pending requests exceeded", BackendOverloaded),
    ],
)
async def test_an_error_line_before_any_text_keeps_its_class(text: str, kind: type[BackendError]) -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.chunk(b'{"error":"%s"}\n' % text.encode())

    _, error = await outcome(script)
    assert type(error) is kind
    assert text in str(error)


async def test_an_error_line_after_text_is_a_cut_whatever_it_says() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Half")
        await connection.chunk(b'{"error":"model runner has unexpectedly stopped"}\n')

    text, error = await outcome(script)
    assert text == "Half"
    assert isinstance(error, BackendBroken)
    assert not error.retryable
    assert "unexpectedly stopped" in str(error)


NESTED = (
    b'{"error":"{\\"error\\":{\\"code\\":400,\\"message\\":\\"request (3016 tokens) exceeds the context\\",'
    b'\\"type\\":\\"exceed_context_size_error\\"}}"}'
)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        ("404 Not Found", b'{"error":"model \'m\' not found"}', ModelNotFound, "model 'm' not found"),
        ("404 Not Found", b"404 page not found", UpstreamFailed, "is this the address"),
        ("400 Bad Request", b'{"error":"invalid model name"}', BadRequest, "invalid model name"),
        ("400 Bad Request", NESTED, BadRequest, "request (3016 tokens) exceeds the context"),
        ("403 Forbidden", b"", BadRequest, "host name"),
        ("503 Service Unavailable", b'{"error":"server busy, please try again."}', BackendOverloaded, "server busy"),
        ("503 Service Unavailable", b"<html>", BackendOverloaded, "503"),
        ("502 Bad Gateway", b"<html>", BackendUnavailable, "502"),
        (
            "500 Internal Server Error",
            b'{"error":"option \\"num_ctx\\" must be of type integer"}',
            BadRequest,
            "num_ctx",
        ),
        ("500 Internal Server Error", b'{"error":"boom"}', UpstreamFailed, "boom"),
        ("500 Internal Server Error", b"<html><b>nginx</b></html>", UpstreamFailed, "is this the address"),
        ("500 Internal Server Error", b"", UpstreamFailed, "500"),
    ],
)
async def test_a_status_other_than_200_has_its_class(
    status: str, body: bytes, kind: type[BackendError], said: str
) -> None:
    async def script(connection: Connection) -> None:
        await connection.plain(status, body)

    text, error = await outcome(script)
    assert text == ""
    assert type(error) is kind
    assert said in str(error)


async def test_a_redirect_is_not_followed() -> None:
    async def script(connection: Connection) -> None:
        await connection.plain("302 Found", b"", "Location: http://elsewhere.invalid/\r\n")

    _, error = await outcome(script)
    assert type(error) is UpstreamFailed
    assert "elsewhere" in str(error)


@pytest.mark.parametrize(
    "body", [b"<html>login</html>\n", b"[1]\n", b'"text"\n', b'{"message":3}\n', b'\xff\xfe{"done":true}\n', b"{\n" * 3]
)
async def test_a_200_that_is_not_ollamas_json_is_an_upstream_failure(body: bytes) -> None:
    async def script(connection: Connection) -> None:
        await connection.plain("200 OK", body)

    _, error = await outcome(script)
    assert type(error) is UpstreamFailed


async def test_invalid_utf8_after_text_is_a_cut() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Half")
        await connection.chunk(b'{"message":{"content":"\xff\xfe"},"done":false}\n')

    text, error = await outcome(script)
    assert text == "Half"
    assert isinstance(error, BackendBroken)


@pytest.mark.parametrize("first", ["", "Half"])
async def test_a_line_without_end_is_given_up(first: str) -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        if first:
            await connection.token(first)
        while not connection.left.is_set():
            await connection.chunk(b"x" * 65536)

    text, error = await outcome(script)
    assert text == first
    assert isinstance(error, BackendBroken if first else UpstreamFailed)


async def test_something_that_is_not_http_is_an_upstream_failure() -> None:
    async def script(connection: Connection) -> None:
        await connection.raw(b"SSH-2.0-OpenSSH_9.6\r\n")
        await connection.left.wait()

    _, error = await outcome(script)
    assert type(error) is UpstreamFailed


async def test_a_compressed_response_is_refused() -> None:
    async def script(connection: Connection) -> None:
        await connection.plain("200 OK", b"\x1f\x8b", "Content-Encoding: gzip\r\n")

    _, error = await outcome(script)
    assert type(error) is UpstreamFailed
