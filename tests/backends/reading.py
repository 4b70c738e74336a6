"""How the tests of the token stream read an answer from a played server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from datetime import timedelta

from app.backends.base import BackendError, Chunk, GenerationRequest, Message
from app.backends.ollama.backend import OllamaBackend
from app.backends.timeouts import DEFAULT_LIMITS, Timeouts
from tests.backends.wire_server import Connection, Script, playing

REQUEST = GenerationRequest("llama3.1:8b", (Message("system", "Be short."), Message("user", "Hi")))
SHORT = Timeouts(first_token=timedelta(seconds=0.4), stall=timedelta(seconds=0.3), total=timedelta(seconds=0.8))
TICK = timedelta(milliseconds=5)


def backend(url: str, limits: Timeouts = DEFAULT_LIMITS, tick: timedelta = TICK) -> OllamaBackend:
    return OllamaBackend(url, limits=limits, tick=tick)


async def collect(url: str, limits: Timeouts = DEFAULT_LIMITS, tick: timedelta = TICK) -> list[Chunk]:
    async with aclosing(backend(url, limits, tick).stream(REQUEST)) as chunks:
        return [chunk async for chunk in chunks]


async def outcome(script: Script, limits: Timeouts = DEFAULT_LIMITS) -> tuple[str, BackendError]:
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
