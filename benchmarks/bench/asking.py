"""One client for all contestants: it asks, counts the tokens that arrive, and notes when."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from benchmarks.bench.contestants import Contestant
from benchmarks.model_server import MODELS

TOKEN = b" token"


@dataclass
class Heard:
    """What came of some streams: seconds to the first token of each, gaps between its arrivals, and all tokens."""

    first_s: list[float] = field(default_factory=list)
    gaps_s: list[float] = field(default_factory=list)
    tokens: int = 0


class _Stream:
    def __init__(self, heard: Heard, asked: float) -> None:
        self._heard, self._asked, self._last = heard, asked, 0.0

    def came(self, data: bytes) -> None:
        """Note what a piece has of tokens."""
        count, now = data.count(TOKEN), time.perf_counter()
        if not count:
            return
        self._heard.tokens += count
        if self._last:
            self._heard.gaps_s.append(now - self._last)
        else:
            self._heard.first_s.append(now - self._asked)
        self._last = now


async def chat(session: aiohttp.ClientSession, to: Contestant, number: int, heard: Heard) -> None:
    """One chat, as the contestant takes it."""
    body: dict[str, Any] = {"model": MODELS[number % 2], "messages": [{"role": "user", "content": "hello"}]}
    stream = _Stream(heard, time.perf_counter())
    async with session.post(to.url + to.path, json=body | {"stream": True}) as response:
        response.raise_for_status()
        async for line in response.content:
            stream.came(line)


async def battle(session: aiohttp.ClientSession, to: Contestant, viewers: int, heard: Heard) -> None:
    """One battle of two answers, watched by ``viewers``; only the first one's tokens are noted."""
    asked = time.perf_counter()
    async with session.post(f"{to.url}/api/arena/battles", json={"message": "hello"}) as response:
        response.raise_for_status()
        opened = await response.json()

    async def view(noted: Heard) -> None:
        sides = {b'"side":"a"': _Stream(noted, asked), b'"side":"b"': _Stream(noted, asked)}
        async with session.get(to.url + opened["events"], params={"after": opened["cursor"]}) as events:
            async for line in events.content:
                if line.startswith(b"event: ready"):
                    return
                if b'"text":' in line:
                    next(stream for mark, stream in sides.items() if mark in line).came(line)

    await asyncio.gather(view(heard), *(view(Heard()) for _ in range(viewers - 1)))


async def streams(
    to: Contestant, count: int, *, viewers: int = 1, spread_s: float = 0.0, heard: Heard | None = None
) -> Heard:
    """``count`` streams at once (the arena: half as many battles), whose beginnings are spread over ``spread_s``."""
    heard = heard or Heard()
    asked = max(count // 2, 1) if to.is_arena else count
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(number: int) -> None:
            await asyncio.sleep(number * spread_s / asked)
            if to.is_arena:
                await battle(session, to, viewers, heard)
            else:
                await chat(session, to, number, heard)

        await asyncio.gather(*(one(number) for number in range(asked)))
    return heard
