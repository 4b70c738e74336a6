"""What HTTP itself costs a worker: uvicorn's h11, its httptools, and ours, which is httptools with limits.

    python -m benchmarks.http_protocols [--requests 1600] [--events 32000]

Each protocol serves in a process of its own, under uvloop, an application that does next to nothing; 16 connections ask
in turn. What is told is CPU time of the server, in µs: per GET with the headers of a browser, per POST of a question,
and per event of 64 streams. Rounds take turns, and the best of each counts, for other work runs beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from time import process_time
from typing import Any

import uvicorn

from app.process.serve import bind
from app.web.connection import Connection

KINDS: dict[str, Any] = {"h11": "h11", "httptools": "httptools", "ours": Connection}
SIZES = {"host": 20, "user-agent": 110, "accept": 80, "accept-encoding": 24, "accept-language": 30, "cookie": 120}
SIZES |= {"referer": 40, "x-forwarded-for": 14, "x-forwarded-proto": 5, "sec-fetch-site": 11}
HEADERS = "".join(f"{name}: {'x' * size}\r\n" for name, size in SIZES.items()).encode()
BODY = b'{"message": "' + b"Why is the sky blue? " * 10 + b'"}'
GET = b"GET /a HTTP/1.1\r\n" + HEADERS + b"\r\n"
POST = b"POST /a HTTP/1.1\r\n" + HEADERS + b"content-length: %d\r\n\r\n" % len(BODY) + BODY
FRAME = b'id: k7q2ab-57\nevent: delta\ndata: {"round":1,"side":"a","text":" word"}\n\n'
CONNECTIONS, STREAMS, ROUNDS = 16, 64, 3


async def application(scope: Any, receive: Any, send: Any) -> None:
    """``/a`` takes a body and answers, ``/events/<n>`` sends n events, ``/cpu`` tells the CPU time so far."""
    events = int(scope["path"].removeprefix("/events/")) if scope["path"].startswith("/events") else 0
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"text/plain")]
    if events:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(events):
            await send({"type": "http.response.body", "body": FRAME, "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    body = str(process_time()).encode()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def serve(kind: str) -> None:
    """Serve until the process is ended; prints the port."""
    listening = bind("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        application, http=KINDS[kind], loop="uvloop", lifespan="off", log_config=None, access_log=False
    )
    uvicorn.Server(config).run(sockets=[listening])


async def answer(reader: asyncio.StreamReader) -> bytes:
    """Read one response with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return await reader.readexactly(length)


async def cpu(port: int) -> float:
    """Seconds of CPU that the server has used."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET.replace(b"/a", b"/cpu"))
    used_s = float(await answer(reader))
    writer.close()
    return used_s


async def spent(port: int, count: int, work: Callable[[], Awaitable[object]]) -> float:
    """µs of the server's CPU for each of ``count`` things in ``work``."""
    before = await cpu(port)
    await work()
    return (await cpu(port) - before) / count * 1e6


async def ask(port: int, request: bytes, times: int) -> None:
    """Send a request again and again over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(times):
        writer.write(request)
        await answer(reader)
    writer.close()


async def watch(port: int, events: int) -> None:
    """Read one stream to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET.replace(b"/a", b"/events/%d" % events))
    while not (await reader.read(1 << 20)).endswith(b"0\r\n\r\n"):
        pass
    writer.close()


async def measured(port: int, requests: int, events: int) -> tuple[float, float, float]:
    """µs per GET, per POST and per event."""
    each, every = requests // CONNECTIONS, events // STREAMS

    async def asked(request: bytes) -> None:
        await asyncio.gather(*(ask(port, request, each) for _ in range(CONNECTIONS)))

    async def watched() -> None:
        await asyncio.gather(*(watch(port, every) for _ in range(STREAMS)))

    get = await spent(port, requests, lambda: asked(GET))
    post = await spent(port, requests, lambda: asked(POST))
    return get, post, await spent(port, events, watched)


def main() -> None:
    """Measure all protocols in turns and print the best round of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=1600)
    parser.add_argument("--events", type=int, default=32_000)
    parser.add_argument("--serve", choices=KINDS)
    wanted = parser.parse_args()
    if wanted.serve:
        serve(wanted.serve)
        return
    best: dict[str, tuple[float, ...]] = {}
    for _ in range(ROUNDS):
        for kind in KINDS:
            command = [sys.executable, "-m", "benchmarks.http_protocols", "--serve", kind]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                figures = asyncio.run(measured(port, wanted.requests, wanted.events))
                server.terminate()
            best[kind] = tuple(map(min, best.get(kind, figures), figures))
    print(f"{'µs of CPU':<12}{'GET':>8}{'POST':>8}{'event':>8}")
    for kind, row in best.items():
        print(f"{kind:<12}{row[0]:>8.1f}{row[1]:>8.1f}{row[2]:>8.2f}")


if __name__ == "__main__":
    main()
