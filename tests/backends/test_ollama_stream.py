"""The token stream of OllamaBackend over real sockets: what it yields, and how it fails."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from datetime import timedelta

import pytest

from app.backends.base import (
    BackendBroken,
    BackendError,
    BackendOverloaded,
    BackendUnavailable,
    BadRequest,
    Chunk,
    GenerationOptions,
    GenerationRequest,
    LoadTimedOut,
    Message,
    ModelNotFound,
    OutOfCapacity,
    Overlong,
    RunnerStopped,
    Stalled,
    UpstreamFailed,
)
from app.backends.limits import DEFAULT_LIMITS, Limits
from app.backends.ollama import OllamaBackend
from tests.backends.wire_server import Connection, Script, line, playing
from tests.helpers import wait_until

REQUEST = GenerationRequest("llama3.1:8b", (Message("system", "Be short."), Message("user", "Hi")))
SHORT = Limits(first_token=timedelta(seconds=0.4), stall=timedelta(seconds=0.3), total=timedelta(seconds=0.8))
TICK = timedelta(milliseconds=5)


def backend(url: str, limits: Limits = DEFAULT_LIMITS, tick: timedelta = TICK) -> OllamaBackend:
    return OllamaBackend(url, limits=limits, tick=tick)


async def collect(url: str, limits: Limits = DEFAULT_LIMITS, tick: timedelta = TICK) -> list[Chunk]:
    async with aclosing(backend(url, limits, tick).stream(REQUEST)) as chunks:
        return [chunk async for chunk in chunks]


async def outcome(script: Script, limits: Limits = DEFAULT_LIMITS) -> tuple[str, BackendError]:
    """The text that came, and the error that ended it."""
    text = ""
    async with playing(script) as wire:
        try:
            async with aclosing(backend(wire.url, limits).stream(REQUEST)) as chunks:
                async for chunk in chunks:
                    text += chunk.text
        except BackendError as error:
            return text, error
    raise AssertionError(f"no failure, but {text!r}")


async def hello(connection: Connection) -> None:
    await connection.ok()
    for text in ("Hel", "lo", " wörld", " 🌍"):
        await connection.token(text)
        await asyncio.sleep(0.01)
    await connection.done(
        total_duration=1_890_000_000,
        load_duration=21_000_000,
        prompt_eval_count=18,
        eval_count=4,
        eval_duration=500_000_000,
    )


@pytest.mark.parametrize("tick", [0.0, 0.001, 0.05])
async def test_an_answer_comes_whole_with_the_servers_figures(tick: float) -> None:
    async with playing(hello) as wire:
        chunks = await collect(wire.url, tick=timedelta(seconds=tick))
    assert "".join(chunk.text for chunk in chunks) == "Hello wörld 🌍"
    assert sum(chunk.tokens for chunk in chunks) == 4
    assert [chunk.finish_reason for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    last = chunks[-1]
    assert last.finish_reason == "stop"
    assert last.timing is not None
    assert last.timing.total_s == pytest.approx(1.89)
    assert last.timing.load_s == pytest.approx(0.021)
    assert (last.timing.prompt_tokens, last.timing.tokens) == (18, 4)
    assert last.timing.prompt_s == 0.0


async def test_the_request_names_every_option_and_no_keep_alive() -> None:
    options = GenerationOptions(num_ctx=2048, num_predict=8, temperature=0.5, seed=7, think=False, extra={"top_p": 0.9})
    async with playing(hello) as wire:
        async for _ in backend(wire.url).stream(GenerationRequest("m", (Message("user", "Hi"),), options)):
            pass
        (seen,) = wire.seen
    assert seen.head.startswith("POST /api/chat HTTP/1.1\r\n")
    assert "origin:" not in seen.head.lower()
    assert seen.body == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "think": False,
        "options": {"num_ctx": 2048, "num_predict": 8, "temperature": 0.5, "seed": 7, "top_p": 0.9},
    }


async def test_think_and_seed_are_left_out_when_they_are_left_to_the_server() -> None:
    options = GenerationOptions(think=None, seed=None)
    async with playing(hello) as wire:
        async for _ in backend(wire.url).stream(GenerationRequest("m", (), options)):
            pass
    assert "think" not in wire.seen[0].body
    assert "seed" not in wire.seen[0].body["options"]


async def test_the_first_token_is_yielded_at_once_and_later_ones_by_the_tick() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        for text in "abcdefghij":
            await connection.token(text)
            await asyncio.sleep(0.01)
        await connection.done()

    async with playing(script) as wire:
        chunks = await collect(wire.url, tick=timedelta(seconds=0.2))
    assert chunks[0] == Chunk("a", 1)
    assert len(chunks) <= 4
    assert "".join(chunk.text for chunk in chunks) == "abcdefghij"


async def test_lines_are_put_together_over_any_borders() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        whole = line("one ") + line("twö ") + line("three") + line("", done=True, done_reason="length")
        for at in range(0, len(whole), 7):
            await connection.chunk(whole[at : at + 7])
            if at % 5 == 0:
                await asyncio.sleep(0.001)

    async with playing(script) as wire:
        chunks = await collect(wire.url)
    assert "".join(chunk.text for chunk in chunks) == "one twö three"
    assert chunks[-1].finish_reason == "length"


async def test_a_body_without_length_or_chunks_is_read_to_its_end() -> None:
    async def script(connection: Connection) -> None:
        await connection.raw(b"HTTP/1.0 200 OK\r\n\r\n" + line("old"))
        await connection.raw(line("", done=True, done_reason="stop").rstrip())

    async with playing(script) as wire:
        chunks = await collect(wire.url)
    assert "".join(chunk.text for chunk in chunks) == "old"
    assert chunks[-1].finish_reason == "stop"


async def test_thinking_is_a_life_sign_and_never_text() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("", thinking="secret")
        await asyncio.sleep(0.02)
        await connection.token("", thinking="more secret")
        await connection.token("Hi")
        await connection.done()

    async with playing(script) as wire:
        chunks = await collect(wire.url)
    assert "".join(chunk.text for chunk in chunks) == "Hi"
    assert chunks[0] == Chunk(thinking=True)
    assert sum(chunk.tokens for chunk in chunks) == 1


async def test_thinking_tags_in_the_text_are_taken_out() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        for piece in ("<th", "ink>sec", "ret</thi", "nk>\n\n", "Hi <b"):
            await connection.token(piece)
            await asyncio.sleep(0.01)
        await connection.done()

    async with playing(script) as wire:
        chunks = await collect(wire.url)
    assert "".join(chunk.text for chunk in chunks) == "Hi <b"
    assert any(chunk.thinking for chunk in chunks)


async def test_an_answer_of_thinking_alone_is_empty_and_not_a_failure() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("<think>never closed")
        await connection.done()

    async with playing(script) as wire:
        chunks = await collect(wire.url)
    assert "".join(chunk.text for chunk in chunks) == ""
    assert chunks[-1].finish_reason == "stop"


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


async def test_no_first_token_within_the_limit_is_a_load_that_timed_out() -> None:
    async def script(connection: Connection) -> None:
        await connection.left.wait()

    _, error = await outcome(script, SHORT)
    assert type(error) is LoadTimedOut


async def test_headers_alone_are_not_a_first_token() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.left.wait()

    _, error = await outcome(script, SHORT)
    assert type(error) is LoadTimedOut


@pytest.mark.parametrize("thinking", [None, "hm"])
async def test_silence_in_mid_answer_is_a_stall(thinking: str | None) -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("" if thinking else "Half", thinking=thinking)
        await connection.left.wait()

    started = time.perf_counter()
    text, error = await outcome(script, SHORT)
    assert text == ("" if thinking else "Half")
    assert type(error) is Stalled
    assert time.perf_counter() - started < 3


@pytest.mark.parametrize("thinking", [None, "hm"])
async def test_an_answer_without_end_is_cut_at_the_total_limit(thinking: str | None) -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        while not connection.left.is_set():
            await connection.token("" if thinking else "x", thinking=thinking)
            await asyncio.sleep(0.02)

    _, error = await outcome(script, SHORT)
    assert type(error) is Overlong


async def test_closing_the_answer_frees_the_servers_slot_at_once() -> None:
    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Half")
        await connection.left.wait()

    async with playing(script) as wire:
        async with aclosing(backend(wire.url).stream(REQUEST)) as chunks:
            await anext(chunks)
        await asyncio.wait_for(wire.seen[0].left.wait(), 1)


@pytest.mark.parametrize("first", ["", "Half"])
async def test_cancelling_the_reader_frees_the_servers_slot_at_once(first: str) -> None:
    async def script(connection: Connection) -> None:
        if first:
            await connection.ok()
            await connection.token(first)
        await connection.left.wait()

    async with playing(script) as wire:
        task = asyncio.create_task(collect(wire.url), name="reader")
        await wait_until(lambda: wire.seen and wire.seen[0].body)
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(wire.seen[0].left.wait(), 1)


async def test_a_reader_that_stays_away_does_not_hold_up_the_server() -> None:
    written = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("First")
        await asyncio.sleep(0.1)
        for _ in range(200):
            await connection.token("x" * 60_000)
        await connection.done()
        written.set()

    async with playing(script) as wire, aclosing(backend(wire.url).stream(REQUEST)) as chunks:
        await anext(chunks)
        second = await anext(chunks)
        await asyncio.wait_for(written.wait(), 10)
        size = len(second.text)
        async for chunk in chunks:
            size += len(chunk.text)
    assert size == 200 * 60_000
