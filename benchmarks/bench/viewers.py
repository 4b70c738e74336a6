"""Viewers: what it costs to send one battle to many, against bare Starlette that sends bytes which are ready.

    python -m benchmarks.bench.viewers    (the bare server, which the benchmark starts)

One model server writes two answers of 50 tokens a second; each tick is one delivery to each viewer. The readers are in
processes of their own and only count blank lines.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from app.tasks import cancel_and_wait
from benchmarks.bench.figures import Figure, Rounds, percentile
from benchmarks.stream_path import arena, cpu_s, family, model_server, started

TICK_S = 0.05
FRAMES = (b'id: k7q2ab-57\nevent: delta\ndata: {"round":1,"side":"a","text":" token token token"}\n\n') * 2


def bare() -> None:
    """Serve ready bytes each tick, by Starlette under uvicorn and uvloop; prints the port."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    from app.process.serve import bind

    async def events(_: Request) -> Response:
        async def ticks() -> AsyncIterator[bytes]:
            while True:
                yield FRAMES
                await asyncio.sleep(TICK_S)

        return StreamingResponse(ticks(), media_type="text/event-stream")

    listening = bind("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    application = Starlette(routes=[Route("/events", events)])
    config = uvicorn.Config(application, loop="uvloop", log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


async def read(url: str, viewers: int, seconds: float) -> None:
    """Be that many readers; prints deliveries and the 99th percentile of the gap between two, in ms."""
    parts, seen, gaps = urlsplit(url), [0], list[float]()
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path

    async def one() -> None:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: bench\r\nAccept: text/event-stream\r\n\r\n".encode())
        last = 0.0
        while data := await reader.read(65536):
            count, now = data.count(b"event: delta"), time.perf_counter()
            seen[0] += count
            if count and last:
                gaps.append(now - last)
            last = now

    tasks = [asyncio.create_task(one()) for _ in range(viewers)]
    print("reading", flush=True)
    await asyncio.sleep(3 + viewers / 500)
    gaps.clear()
    seen[0], began = 0, time.perf_counter()
    await asyncio.sleep(seconds)
    rate = seen[0] / (time.perf_counter() - began)
    print(f"{rate} {1000 * percentile(gaps or [0.0], 99)}", flush=True)
    for task in tasks:
        task.cancel()


async def _warmed(url: str) -> None:
    """Be ten readers for a second: what the first of them makes a server load is not a viewer's memory."""
    async with aiohttp.ClientSession() as session:

        async def one() -> None:
            async with session.get(url) as response:
                async for _ in response.content:
                    pass

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        await asyncio.sleep(1)
        await cancel_and_wait(*tasks)


def _memory(pids: list[int]) -> int:
    """Proportional memory of processes, in bytes."""
    total = 0
    for pid in pids:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total * 1024


def _watched(found: Rounds, name: str, url: str, pids: list[int], viewers: int, seconds: float) -> None:
    asyncio.run(_warmed(url))
    memory, setting = _memory(pids), f"{viewers} viewers"
    command = [sys.executable, "-m", "benchmarks.bench.viewers", url, str(viewers), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as readers:
        assert readers.stdout is not None
        readers.stdout.readline()
        time.sleep(3 + viewers / 500)
        used = cpu_s(pids)
        each = (_memory(pids) - memory) / viewers / 1024
        rate, gap = map(float, readers.stdout.readline().split())
        used = cpu_s(pids) - used
    found.add("deliveries", name, setting, "/s", rate, more=True)
    found.add("CPU per delivery", name, setting, "us", 1e6 * used / max(rate * seconds, 1))
    found.add("p99 of the gap", name, setting, "ms", gap)
    found.add("memory per viewer", name, setting, "KB", each)


def viewers(counts: Sequence[int], seconds: float, rounds: int) -> list[Figure]:
    """Both servers at each number of viewers, in turns; both new each time, for memory that was used stays theirs."""
    found = Rounds("viewers")
    for _ in range(rounds):
        for count in counts:
            with started("benchmarks.bench.viewers") as (pid, url):
                _watched(found, "bare Starlette", f"{url}/events", family(pid), count, seconds)
            tokens = int(50 * (seconds + 20 + count / 100))
            with (
                model_server(0.1, tokens=tokens) as ollama,
                arena(ollama, 4, ARENA_ANSWER_LIMIT="3600") as (pid, base),
            ):
                path = asyncio.run(_opened(base))
                _watched(found, "arena", base + path, family(pid)[:1], count, seconds)
    return found.figures()


async def _opened(base: str) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base}/api/arena/battles", json={"message": "hello"}) as response,
    ):
        opened = await response.json()
        return f"{opened['events']}?after={opened['cursor']}"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(read(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    else:
        bare()
