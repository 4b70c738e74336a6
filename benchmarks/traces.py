"""What traces cost: CPU of all the arena's processes per token, with a collector and without, in turns.

    python -m benchmarks.traces [--pairs 5] [--battles 24] [--tokens 200]

Whole battles, from the POST to the last token, each with two answers of ``--tokens`` and one viewer: a trace costs per
request and answer, not per token, so an answer's length decides. The collector is another process, which takes and
drops what is sent; encoding and sending by the arena's own thread counts. CPU is read from /proc until the last spans
were sent. Beside it: the CPU that the spans of one answer take by themselves, made, encoded and not sent.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import time

import aiohttp
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.backends.base import GenerationOptions, GenerationRequest
from app.hosts.host import Host
from app.scheduling.driver.answer_trace import AnswerTrace
from app.scheduling.job import Job
from app.scheduling.ports import Finish
from app.timing.stopwatch import Timing
from app.timing.story import Step
from app.timing.time import Time
from app.tracing.sdk import SdkTracer
from app.tracing.spans import NO_TRACER, Tracer
from benchmarks.stream_path import Cost, arena, cpu_s, family, model_server, started, view, written

RATE = 200
SENT_AFTER_S = 6.0  # the SDK sends every 5 s, and so it does here
OFF = {"OTEL_SDK_DISABLED": "true"}


async def collect() -> None:
    """Be the collector: print the port, then take everything and keep nothing."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def played(ollama: str, base: str, pid: int, battles: int) -> Cost:
    """Play battles at once, all watched; the cost from before the first POST until the spans were sent."""
    seen = [0]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        pids = family(pid)
        before, counted = cpu_s(pids), await written(session, ollama)

        async def battle(number: int) -> None:
            await asyncio.sleep(number * 0.05)
            async with session.post(f"{base}/api/arena/battles", json={"message": "hello"}) as response:
                opened = await response.json()
            viewer = asyncio.create_task(view(session, base, opened["events"], opened["cursor"], seen))
            while True:
                async with session.get(f"{base}/api/arena/battles/{opened['battle_id']}") as response:
                    if (await response.json())["can_vote"]:
                        break
                await asyncio.sleep(0.25)
            viewer.cancel()

        await asyncio.gather(*(battle(number) for number in range(battles)))
        await asyncio.sleep(SENT_AFTER_S)
        return Cost(cpu_s(pids) - before, await written(session, ollama) - counted)


def once(settings: dict[str, str], battles: int, tokens: int) -> float:
    """Microseconds of CPU per token of a new arena with ``settings``, warmed up by one battle."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        with model_server(0.05, tokens, RATE) as ollama, arena(ollama, 2 * battles) as (pid, base):
            asyncio.run(played(ollama, base, pid, 2))
            return asyncio.run(played(ollama, base, pid, battles)).us_per_token
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def in_turns(pairs: int, battles: int, tokens: int) -> None:
    """Print CPU per token with traces and without."""
    costs: dict[str, list[float]] = {"off": [], "on": []}
    with started("benchmarks.traces", "--collect") as (_, port):
        on = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"}
        for number in range(pairs):
            for name in sorted(costs, reverse=number % 2 == 1):
                costs[name].append(once(on if name == "on" else OFF, battles, tokens))
    ratios = [on / off for on, off in zip(costs["on"], costs["off"], strict=True)]
    print(f"CPU per token, {battles} battles of two answers of {tokens} tokens, load {os.getloadavg()[0]:.1f}:")
    for name, found in costs.items():
        print(f"  traces {name:3} {statistics.median(found):6.1f} us ({min(found):.1f}-{max(found):.1f})")
    print(f"  on / off {statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f}), {pairs} pairs")


def of_one_answer(tracer: Tracer, times: int = 2000) -> float:
    """Microseconds of CPU that the spans of one answer take."""
    job = Job("battle", 0, "model:7b", enqueued_at=time.time() - 3)
    host, request = Host("one", "http://127.0.0.1:11434"), GenerationRequest(job.model, (), GenerationOptions(seed=1))
    finish = Finish("stop", Timing(ttft_s=0.1, total_s=2.0, tokens=200, prompt_tokens=50, decode_s=1.8))
    began = time.process_time()
    for _ in range(times):
        trace = AnswerTrace(tracer, job, host, Time())
        with trace.kept():
            trace.step(Step(job.enqueued_at + 0.1, "waited", "one", since=job.enqueued_at))
            trace.begun(request, 1)
            trace.finish = finish
            trace.stored()
    return 1e6 * (time.process_time() - began) / times


def alone(tokens: int) -> None:
    """Print what the spans of one answer cost by themselves."""
    exporter = InMemorySpanExporter()
    off, on = of_one_answer(NO_TRACER), of_one_answer(SdkTracer(SimpleSpanProcessor(exporter)))
    spans = exporter.get_finished_spans()
    began = time.process_time()
    for at in range(0, len(spans), 512):
        encode_spans(spans[at : at + 512]).SerializePartialToString()
    encoding = 1e6 * (time.process_time() - began) / len(spans) * 4
    print(f"One answer's four spans: off {off:.1f} us, on {on:.0f} us, encoding {encoding:.0f} us;")
    print(f"  {(on + encoding) / tokens:.2f} us for each of {tokens} tokens")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--battles", type=int, default=24)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--collect", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.collect:
        asyncio.run(collect())
    alone(given.tokens)
    in_turns(given.pairs, given.battles, given.tokens)
