"""The token stream of OllamaBackend over real sockets: limits, leaving, and a reader that stays unavailable."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from app.backends.base import LoadTimedOut, Overlong, Stalled
from tests.backends.reading import REQUEST, SHORT, backend, collect, outcome
from tests.backends.wire_server import Connection, playing
from tests.helpers import PATIENCE_S, MachineTime, wait_until


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

    with MachineTime() as took:
        text, error = await outcome(script, SHORT)
    assert text == ("" if thinking else "Half")
    assert type(error) is Stalled
    assert took.seconds < 3


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
            assert (await anext(chunks)).text == "Half"
        await asyncio.wait_for(wire.seen[0].left.wait(), PATIENCE_S)
        assert len(wire.seen) == 1


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
        await asyncio.wait_for(wire.seen[0].left.wait(), PATIENCE_S)


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
        await asyncio.wait_for(written.wait(), PATIENCE_S)
        size = len(second.text)
        async for chunk in chunks:
            size += len(chunk.text)
    assert size == 200 * 60_000
