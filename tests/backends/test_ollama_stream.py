"""The token stream of OllamaBackend over real sockets: what is asked and what is yielded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import cast

import orjson
import pytest

from app.backends.base import Chunk, GenerationOptions, GenerationRequest, Message
from tests.backends.reading import backend, collect, hello
from tests.backends.wire_server import Connection, line, playing


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
        async for _ in backend(wire.url).stream(GenerationRequest("m", (Message("user", "Hi"),), options)):
            pass
    assert "think" not in wire.seen[0].body
    assert "seed" not in cast(dict[str, object], wire.seen[0].body["options"])


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


async def test_thinking_that_the_template_opened_is_taken_back_and_never_shown_again() -> None:
    shown = asyncio.Event()

    async def script(connection: Connection) -> None:
        await connection.ok()
        await connection.token("Okay. ")
        await shown.wait()
        for piece in ("\n</think>\n\n", "Because."):
            await connection.token(piece)
        await connection.done()

    async with playing(script) as wire:
        model = backend(wire.url)
        first: list[Chunk] = []
        async for chunk in model.stream(GenerationRequest("m", ())):
            first.append(chunk)
            shown.set()
        second = [chunk async for chunk in model.stream(GenerationRequest("m", ()))]
    assert first[0].text == "Okay. "
    assert [chunk.restart for chunk in first].count(True) == 1
    begin = [chunk.restart for chunk in first].index(True)
    assert "".join(chunk.text for chunk in first[begin:]) == "Because."
    assert "".join(chunk.text for chunk in second) == "Because."
    assert not any(chunk.restart for chunk in second)


@pytest.mark.parametrize(("model", "sent"), [("plain", False), ("thinker:1b", "high"), ("unknown:1b", "high")])
async def test_a_model_that_is_known_not_to_think_is_not_asked_to(model: str, sent: bool | str) -> None:
    tags = {
        "models": [
            {"name": "plain:latest", "capabilities": ["completion"]},
            {"name": "thinker:1b", "capabilities": ["completion", "thinking"]},
            {"name": "unknown:1b"},
        ]
    }

    async def script(connection: Connection) -> None:
        if "/api/tags" in connection.head:
            await connection.plain("200 OK", orjson.dumps(tags))
        else:
            await hello(connection)

    request = GenerationRequest(model, (Message("user", "Hi"),), GenerationOptions(think="high"))
    async with playing(script) as wire:
        server = backend(wire.url)
        await server.installed()
        async for _ in server.stream(request):
            pass
        assert wire.seen[-1].body["think"] == sent
