"""The parts that all contestants are measured in: the first token, the gaps between tokens, CPU per token."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from app.tasks import cancel_and_wait
from benchmarks.bench import asking
from benchmarks.bench.asking import Heard
from benchmarks.bench.contestants import ALL, Contestant, LeftOut
from benchmarks.bench.figures import Figure, Rounds, percentile
from benchmarks.stream_path import cpu_s, model_server, read_directly

TTFT_S = 0.1
RATE = 50
TOKENS = 50
SETTLE_S = 2.0
PERCENTS = (50, 95, 99)

REPEATED = {1: 8, 16: 2}
"""So often few streams are asked for in a round: of one alone there are no percentiles."""


@dataclass
class _Waits:
    """First tokens and gaps in seconds of each contestant, by setting, one list for each round."""

    heard: dict[tuple[str, str], list[Heard]] = field(default_factory=dict)

    def figures(self) -> list[Figure]:
        """Added first tokens (less what the model server itself took in the same round), and gaps between arrivals."""
        added, gaps = Rounds("added first token"), Rounds("gap between arrivals")
        for (setting, name), rounds in self.heard.items():
            for heard, direct in zip(rounds, self.heard.get((setting, "direct"), rounds), strict=True):
                for percent in PERCENTS:
                    bare = percentile(direct.first_s, percent) if name != "direct" else 0.0
                    if direct is not heard:
                        first = 1000 * (percentile(heard.first_s, percent) - bare)
                        added.add(f"p{percent}", name, setting, "ms", first)
                    gap = 1000 * percentile(heard.gaps_s or [0.0], percent)
                    gaps.add(f"p{percent}", name, setting, "ms", gap)
        return added.figures() + gaps.figures()


def first_tokens(names: Sequence[str], counts: Sequence[int], rounds: int, left_out: list[str]) -> list[Figure]:
    """Added first token and gaps between arrivals, all contestants in turns in each round.

    Arrivals are spread over a second, and all at once.
    """
    waits = _Waits()
    with model_server(TTFT_S, tokens=TOKENS, rate=RATE) as ollama, ExitStack() as stack:
        found = _started(names, ollama, stack, left_out)
        for one in found:
            asyncio.run(asking.streams(one, 4))  # warm
        for _ in range(rounds):
            for count in counts:
                for setting, spread_s in _arrivals(count):
                    for one in found:
                        heard = _asked(one, count, spread_s)
                        waits.heard.setdefault((setting, one.name), []).append(heard)
    return waits.figures()


def _arrivals(count: int) -> list[tuple[str, float]]:
    spread = (f"{count} streams", 1.0)
    return [spread] if count == 1 else [spread, (f"{count} streams at once", 0.0)]


def _asked(one: Contestant, count: int, spread_s: float) -> Heard:
    heard = Heard()
    for _ in range(REPEATED.get(count, 1)):
        asyncio.run(asking.streams(one, count, spread_s=spread_s, heard=heard))
    return heard


def _started(names: Sequence[str], ollama: str, stack: ExitStack, left_out: list[str]) -> list[Contestant]:
    found: list[Contestant] = []
    for name in names:
        try:
            found.append(stack.enter_context(ALL[name](ollama)))
        except LeftOut as why:
            left_out.append(str(why))
            print(f"left out: {why}", flush=True)
    return found


def cpu_per_token(
    names: Sequence[str], streams: int, window_s: float, rounds: int, left_out: list[str]
) -> list[Figure]:
    """CPU per token that reached a client; of the reader itself for "direct": what it costs to read at all."""
    found = Rounds("CPU per token")
    for _ in range(rounds):
        with model_server(TTFT_S, tokens=int((window_s + 3 * SETTLE_S) * RATE), rate=RATE) as ollama:
            bare = asyncio.run(read_directly(ollama, streams, window_s))
            found.add("CPU", "bare reader", f"{streams} streams, 1 viewer", "us", bare.us_per_token)
            for name in names:
                if name == "direct":
                    continue
                for viewers in (1, 10) if name == "arena" else (1,):
                    with ExitStack() as stack:
                        for one in _started([name], ollama, stack, left_out):
                            cost = asyncio.run(_cpu(one, streams, viewers, window_s))
                            setting = f"{streams} streams, {viewers} viewer{'s' if viewers > 1 else ''}"
                            found.add("CPU", one.name, setting, "us", cost)
    return found.figures()


async def _cpu(one: Contestant, streams: int, viewers: int, window_s: float) -> float:
    """Microseconds per token that reached the first viewer: who can't keep up is not helped by what waits."""
    heard = asking.Heard()
    running = asyncio.create_task(asking.streams(one, streams, viewers=viewers, spread_s=streams * 0.01, heard=heard))
    await asyncio.sleep(SETTLE_S + streams * 0.01)
    before, counted = cpu_s(one.pids), heard.tokens
    await asyncio.sleep(window_s)
    used, tokens = cpu_s(one.pids) - before, heard.tokens - counted
    await cancel_and_wait(running)
    return 1e6 * used / max(tokens, 1)
