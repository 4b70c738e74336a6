"""What the simulator costs: 200 streams of 50 tokens/s, as a share of one core, against the least that it can cost.

The baseline sends the same bytes at the same pace from a bare loop over the sockets (no HTTP, no scheduler, no text),
in a process of its own in the same run; so the ratio holds on any machine, and the shares hold on this one.

    python -m benchmarks.simulator_load --streams 200 --tokens-per-s 50 --seconds 5
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import selectors
import socket
import time
from multiprocessing.connection import Connection

import uvloop

from app.tasks import cancel_and_wait

_CHUNK = (
    b'70\r\n{"model":"llama3.1:8b","created_at":"2026-01-01T00:00:00.123456789Z",'
    b'"message":{"role":"assistant","content":" word"},"done":false}\n\r\n'
)


async def _simulator(pipe: Connection, streams: int, rate: float) -> None:
    from app.simulator.server.server import SimulatorConfig, running_simulator

    config = SimulatorConfig(
        models=("llama3.1:8b",),
        num_parallel=streams,
        tokens_per_s=rate,
        batch_penalty=0.0,
        load_s=0.1,
        card="h100",
        answer_tokens=100_000,
        context_length=512,
    )
    async with running_simulator(config) as simulator:
        await _obey(pipe, simulator.port)


async def _bare(pipe: Connection, _streams: int, rate: float) -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}}")
        due = asyncio.get_running_loop().time()
        while not writer.is_closing():
            writer.write(_CHUNK)
            due += 1 / rate
            await asyncio.sleep(due - asyncio.get_running_loop().time())

    pouring: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pouring.add(asyncio.create_task(pour(reader, writer), name=f"stream {len(pouring)}"))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        await _obey(pipe, server.sockets[0].getsockname()[1])
        await cancel_and_wait(*pouring)


async def _obey(pipe: Connection, port: int) -> None:
    """Tell the port, then the CPU time whenever asked, until the other side hangs up."""
    pipe.send(port)
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def asked() -> None:
        try:
            pipe.recv()
            pipe.send(time.process_time())
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            over.set()

    loop.add_reader(pipe.fileno(), asked)
    await over.wait()


def _serve(kind: str, pipe: Connection, streams: int, rate: float) -> None:
    work = _simulator if kind == "simulator" else _bare
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work(pipe, streams, rate))


def _connect(port: int, number: int) -> socket.socket:
    body = json.dumps(
        {
            "model": "llama3.1:8b",
            "messages": [{"role": "user", "content": f"Tell me about weather number {number}"}],
            "options": {"num_predict": 1000},
        }
    ).encode()
    made = socket.create_connection(("127.0.0.1", port))
    head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    made.sendall(head.encode() + body)
    made.setblocking(False)
    return made


def _read(ready: selectors.BaseSelector, seconds: float) -> int:
    """Read whatever comes for that long; the number of lines."""
    lines, end = 0, time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for key, _ in ready.select(left):
            data = key.fileobj.recv(65536)  # type: ignore[union-attr]
            lines += data.count(b'"done":false')
    return lines


def measure(kind: str, streams: int, rate: float, seconds: float) -> tuple[float, float]:
    """The CPU share of one core, and the tokens per second that came."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(kind, theirs, streams, rate))
    process.start()
    theirs.close()
    try:
        port = ours.recv()
        with selectors.DefaultSelector() as ready:
            sockets = [_connect(port, number) for number in range(streams)]
            for made in sockets:
                ready.register(made, selectors.EVENT_READ)
            _read(ready, 2.0)
            ours.send("cpu")
            before = ours.recv()
            lines = _read(ready, seconds)
            ours.send("cpu")
            used = ours.recv() - before
            for made in sockets:
                made.close()
    finally:
        ours.close()
        process.join(10)
        process.terminate()
    return used / seconds, lines / seconds


def main() -> None:
    """Measure both and print one line each, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--tokens-per-s", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    shares = {}
    for kind in ("bare", "simulator"):
        share, tokens = measure(kind, given.streams, given.tokens_per_s, given.seconds)
        shares[kind] = share
        print(f"{kind}: {share:.1%} of one core, {tokens:.0f} tokens/s, {share / tokens * 1e6:.1f} us per token")
    print(f"ratio: {shares['simulator'] / shares['bare']:.2f}")


if __name__ == "__main__":
    main()
