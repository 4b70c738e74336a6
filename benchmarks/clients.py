"""CPU per token of HTTP clients that read the same token streams.

    python -m benchmarks.clients [--streams 64] [--rate 50] [--seconds 4] [--repeat 3]

A server in a process of its own writes ``--streams`` answers at once, each ``--rate`` tokens a second, one HTTP chunk
per token, as Ollama does. Each client reads them in a fresh process, on asyncio's own loop and on uvloop, and parses
every line; its CPU (user + system) is divided by the tokens. Clients take turns within a repetition, and the medians
are compared with a bare aiohttp client on asyncio's loop that reads line by line, from the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager

import aiohttp
import httpx
import orjson
import uvloop

from app.backends.base import GenerationRequest, Message
from app.backends.ollama.backend import OllamaBackend

TICK_S = 0.05
WARM = "/warm"
BODY = b'{"model":"m","messages":[],"stream":true}'
LINE = (
    b'{"model":"llama3.1:8b","created_at":"2026-11-21T06:11:08.345581633Z",'
    b'"message":{"role":"assistant","content":" token"},"done":false}\n'
)
LAST = (
    b'{"model":"llama3.1:8b","created_at":"2026-11-21T06:11:08.345581633Z",'
    b'"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}\n'
)

Read = Callable[[], Awaitable[int]]
Client = Callable[[str], AbstractAsyncContextManager[Read]]


def http_chunk(data: bytes) -> bytes:
    """``data`` as one chunk of a chunked response."""
    return b"%x\r\n%s\r\n" % (len(data), data)


# The server.


async def serve(tokens: int, rate: float) -> None:
    """Answer every request with ``tokens`` tokens at ``rate`` a second; print the port first."""
    loop = asyncio.get_running_loop()
    started = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal started
        started += 1
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")
        # The answers are not in step with one another, as answers of different people never are.
        due = loop.time() + (started * 0.618 % 1) / rate
        for _ in range(0 if WARM.encode() in head else tokens):
            due += 1 / rate
            await asyncio.sleep(due - loop.time())
            writer.write(http_chunk(LINE))
        writer.write(http_chunk(LAST) + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


# The clients: each reads one answer and returns how many tokens it had.


def count(lines: list[bytes]) -> tuple[int, bool]:
    """Parse ``lines``; return how many tokens they have and whether the last was among them."""
    parsed = [orjson.loads(line) for line in lines]
    done = any(line["done"] for line in parsed)
    return sum(1 for line in parsed if line["message"]["content"]), done


async def aiohttp_lines(url: str, session: aiohttp.ClientSession) -> int:
    """Read line by line, the way everybody begins."""
    tokens = 0
    async with session.post(f"{url}/api/chat", data=BODY) as response:
        async for line in response.content:
            tokens += count([line])[0]
    return tokens


async def aiohttp_paused(url: str, session: aiohttp.ClientSession) -> int:
    """Pause the transport and read what has gathered once a tick."""
    loop = asyncio.get_running_loop()
    tokens, tail = 0, b""
    async with session.post(f"{url}/api/chat", data=BODY) as response:
        transport = response.connection.transport if response.connection else None
        while data := await response.content.readany():
            *lines, tail = (tail + data).split(b"\n")
            found, done = count(lines)
            tokens += found
            if done or transport is None:
                break
            transport.pause_reading()
            loop.call_later(TICK_S, transport.resume_reading)
    return tokens


async def httpx_lines(url: str, client: httpx.AsyncClient) -> int:
    """Read line by line."""
    tokens = 0
    async with client.stream("POST", f"{url}/api/chat", content=BODY) as response:
        async for line in response.aiter_lines():
            tokens += count([line.encode()])[0]
    return tokens


async def httpx_bytes(url: str, client: httpx.AsyncClient) -> int:
    """Read the bytes and do nothing else with them."""
    tokens = 0
    async with client.stream("POST", f"{url}/api/chat", content=BODY) as response:
        async for piece in response.aiter_raw():
            tokens += piece.count(b" token")
    return tokens


async def arena(backend: OllamaBackend) -> int:
    """Read chunks of the arena's own backend: checked types, limits, merged text."""
    tokens = 0
    async with aclosing(backend.stream(GenerationRequest("m", (Message("user", "Hi"),)))) as chunks:
        async for chunk in chunks:
            tokens += chunk.tokens
    return tokens


def with_aiohttp(read: Callable[[str, aiohttp.ClientSession], Awaitable[int]]) -> Client:
    """All readers share a session."""

    @asynccontextmanager
    async def client(url: str) -> AsyncGenerator[Read]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield lambda: read(url, session)

    return client


def with_httpx(read: Callable[[str, httpx.AsyncClient], Awaitable[int]]) -> Client:
    """All readers share a client."""

    @asynccontextmanager
    async def client(url: str) -> AsyncGenerator[Read]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=None) as shared:
            yield lambda: read(url, shared)

    return client


@asynccontextmanager
async def with_backend(url: str) -> AsyncGenerator[Read]:
    """All readers share a backend."""
    backend = OllamaBackend(url)
    try:
        yield lambda: arena(backend)
    finally:
        await backend.aclose()


CLIENTS: dict[str, Client] = {
    "aiohttp, by line": with_aiohttp(aiohttp_lines),
    "httpx, by line": with_httpx(httpx_lines),
    "httpx, bytes only": with_httpx(httpx_bytes),
    "aiohttp, paused": with_aiohttp(aiohttp_paused),
    "OllamaBackend": with_backend,
}
BASELINE = ("aiohttp, by line", "asyncio")


async def measure(client: str, url: str, streams: int, tokens: int) -> float:
    """CPU in microseconds per token, once everything is imported and built; RuntimeError when a token is missing."""
    async with CLIENTS[client](url + WARM) as read:
        await read()
    async with CLIENTS[client](url) as read:
        before = time.process_time()
        found = sum(await asyncio.gather(*(read() for _ in range(streams))))
        cpu_s = time.process_time() - before
    if found != streams * tokens:
        raise RuntimeError(f"{client} read {found} of {streams * tokens} tokens")
    return cpu_s / found * 1e6


# The run.


def child(*arguments: str) -> list[str]:
    """The command of a child of this program."""
    return [sys.executable, "-m", "benchmarks.clients", *arguments]


def one(client: str, loop: str, port: str, options: argparse.Namespace) -> float:
    """Measure one client in a fresh process."""
    arguments = ["--role", "client", "--client", client, "--loop", loop, "--port", port]
    arguments += ["--streams", str(options.streams), "--rate", str(options.rate), "--seconds", str(options.seconds)]
    done = subprocess.run(child(*arguments), capture_output=True, text=True, timeout=60 + options.seconds, check=True)
    return float(json.loads(done.stdout))


def compare(options: argparse.Namespace) -> dict[tuple[str, str], float]:
    """The median of every client on every loop."""
    figures: dict[tuple[str, str], list[float]] = {}
    arguments = ["--role", "server", "--rate", str(options.rate), "--seconds", str(options.seconds)]
    with subprocess.Popen(child(*arguments), stdout=subprocess.PIPE, text=True) as server:
        try:
            port = server.stdout.readline().strip() if server.stdout else ""
            for _ in range(options.repeat):
                for client in CLIENTS:
                    for loop in ("asyncio", "uvloop"):
                        figures.setdefault((client, loop), []).append(one(client, loop, port, options))
        finally:
            server.terminate()
    return {key: statistics.median(values) for key, values in figures.items()}


def table(medians: dict[tuple[str, str], float]) -> str:
    """The figures and their ratio to the baseline, as text."""
    base = medians[BASELINE]
    lines = [f"{'client':20} {'loop':8} {'µs/token':>9} {'ratio':>6}"]
    for (client, loop), value in medians.items():
        lines.append(f"{client:20} {loop:8} {value:9.1f} {value / base:6.2f}")
    return "\n".join(lines) + "\n"


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=64)
    parser.add_argument("--rate", type=float, default=50.0, help="tokens a second of each stream")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--repeat", type=int, default=3)
    for name in ("role", "client", "loop", "port"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Compare, or be one of the processes of a comparison."""
    options = parsed()
    tokens = int(options.rate * options.seconds)
    if options.role == "server":
        uvloop.run(serve(tokens, options.rate))
    elif options.role == "client":
        run = uvloop.run if options.loop == "uvloop" else asyncio.run
        url = f"http://127.0.0.1:{options.port}"
        sys.stdout.write(json.dumps(run(measure(options.client, url, options.streams, tokens))))
    else:
        sys.stdout.write(table(compare(options)))


if __name__ == "__main__":
    main()
