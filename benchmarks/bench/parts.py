"""The parts that all contestants are measured in: the first token, the gaps between tokens, CPU per token."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from app.tasks import cancel_and_wait
from benchmarks.bench import asking
from benchmarks.bench.contestants import ALL, Contestant, LeftOut
from benchmarks.bench.figures import Figure, percentile
from benchmarks.stream_path import cpu_s, model_server, read_directly

TTFT_S = 0.1
RATE = 50
SETTLE_S = 2.0


def first_tokens(names: Sequence[str], counts: Sequence[int], rounds: int, left_out: list[str]) -> list[Figure]:
    """Added first token and gaps between arrivals, all contestants in turns in each round."""
    firsts: Mapping[tuple[str, int, int], list[float]] = defaultdict(list)
    gaps: Mapping[tuple[str, int, int], list[float]] = defaultdict(list)
    with model_server(TTFT_S, tokens=100, rate=RATE) as ollama, ExitStack() as stack:
        found = _started(names, ollama, stack, left_out)
        for one in found:
            asyncio.run(asking.streams(one, 4))  # warm
        for _ in range(rounds):
            for count in counts:
                for one in found:
                    heard = asyncio.run(asking.streams(one, count, apart_s=1 / count))
                    for percent in (50, 95, 99):
                        firsts[one.name, count, percent].append(1000 * percentile(heard.first_s, percent))
                        gaps[one.name, count, percent].append(1000 * percentile(heard.gaps_s or [0.0], percent))
    return [
        *_figures("added first token", _added(firsts), counts),
        *_figures("gap between arrivals", gaps, counts),
    ]


def _started(names: Sequence[str], ollama: str, stack: ExitStack, left_out: list[str]) -> list[Contestant]:
    found: list[Contestant] = []
    for name in names:
        try:
            found.append(stack.enter_context(ALL[name](ollama)))
        except LeftOut as why:
            left_out.append(str(why))
            print(f"left out: {why}", flush=True)
    return found


def _added(firsts: Mapping[tuple[str, int, int], list[float]]) -> dict[tuple[str, int, int], list[float]]:
    """Less what the model server itself took in the same round."""
    return {
        (name, count, percent): [
            ours - bare for ours, bare in zip(values, firsts["direct", count, percent], strict=True)
        ]
        for (name, count, percent), values in firsts.items()
        if name != "direct"
    }


def _figures(part: str, values: Mapping[tuple[str, int, int], list[float]], counts: Sequence[int]) -> list[Figure]:
    return [
        Figure(part, f"p{percent}", name, f"{count} streams", "ms", tuple(found))
        for count in counts
        for (name, at, percent), found in values.items()
        if at == count
    ]


def cpu_per_token(
    names: Sequence[str], streams: int, window_s: float, rounds: int, left_out: list[str]
) -> list[Figure]:
    """CPU per token that reached a client; of the reader itself for "direct": what it costs to read at all."""
    costs: Mapping[tuple[str, int], list[float]] = defaultdict(list)
    for _ in range(rounds):
        with model_server(TTFT_S, tokens=int((window_s + 3 * SETTLE_S) * RATE), rate=RATE) as ollama:
            bare = asyncio.run(read_directly(ollama, streams, window_s))
            costs["bare reader", 1].append(bare.us_per_token)
            for name in names:
                if name == "direct":
                    continue
                for viewers in (1, 10) if name == "arena" else (1,):
                    with ExitStack() as stack:
                        for one in _started([name], ollama, stack, left_out):
                            cost = asyncio.run(_cpu(one, streams, viewers, window_s))
                            costs[one.name, viewers].append(cost)
    return [
        Figure("CPU per token", "CPU", name, f"{streams} streams, {viewers} viewer(s)", "us", tuple(found))
        for (name, viewers), found in costs.items()
    ]


async def _cpu(one: Contestant, streams: int, viewers: int, window_s: float) -> float:
    """Microseconds per token that reached the first viewer: who can't keep up is not helped by what waits."""
    heard = asking.Heard()
    running = asyncio.create_task(asking.streams(one, streams, viewers=viewers, apart_s=0.01, heard=heard))
    await asyncio.sleep(SETTLE_S + streams * 0.01)
    before, counted = cpu_s(one.pids), heard.tokens
    await asyncio.sleep(window_s)
    used, tokens = cpu_s(one.pids) - before, heard.tokens - counted
    await cancel_and_wait(running)
    return 1e6 * used / max(tokens, 1)
