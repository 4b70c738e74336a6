"""What the arena adds between a model server and a viewer: CPU per token, and time to the first token.

    python -m benchmarks.stream_path [--only cpu|ttft|pace]

Both against a direct connection to the same model server in the same run. CPU is that of all the arena's processes
(Redis included), read from /proc, over a steady window, for each token that the model server wrote in it; the baseline
is a bare aiohttp client on asyncio's default loop that only reads the same streams line by line. Viewers and the model
server are other processes and don't count. ``pace`` compares ``ARENA_PACE=even`` with ``live``, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from app.tasks import cancel_and_wait
from benchmarks.model_server import MODELS

STREAMS = 64
RATE = 50
TOKENS = 750
WINDOW_S = 10.0
SETTLE_S = 2.0
#: Streams begin this far apart in both runs: those of real models have no common phase.
APART_S = 0.0137
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """CPU of some processes over a window."""

    cpu_s: float
    tokens: int

    @property
    def us_per_token(self) -> float:
        """Microseconds of CPU per token."""
        return 1e6 * self.cpu_s / max(self.tokens, 1)


def cpu_s(pids: list[int]) -> float:
    """User and system seconds that the processes have used so far."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_S


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


@contextmanager
def started(*arguments: str, **env: str) -> Iterator[tuple[int, str]]:
    """Run a Python module as a process; yields its pid and its first line.

    Raises:
        RuntimeError: it ended without one; with the end of its log.
    """
    command = [sys.executable, "-m", *arguments]
    with tempfile.NamedTemporaryFile("w+", prefix="benchmark-", suffix=".log") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=os.environ | env, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            if not line:
                said = Path(log.name).read_text()[-2000:]
                raise RuntimeError(f"{' '.join(arguments)} ended with {process.wait(30)} before it served:\n{said}")
            yield process.pid, line
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def model_server(ttft_s: float, tokens: int = TOKENS, rate: float = RATE) -> Iterator[str]:
    """The model server of this run."""
    options = ("--ttft", str(ttft_s), "--rate", str(rate), "--tokens", str(tokens))
    with started("benchmarks.model_server", *options) as (_, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def arena(
    ollama: str, parallel: int, pace: str = "live", program: str = "app.cli", flags: Sequence[str] = (), **more: str
) -> Iterator[tuple[int, str]]:
    """The arena as it is shipped: one worker, embedded Redis, SQLite; ``flags`` and settings (``more``) are added."""
    with tempfile.TemporaryDirectory() as folder:
        env = {"OLLAMA_HOST": ollama, "ARENA_DATA_DIR": folder, "ARENA_NUM_PARALLEL": str(parallel), "REDIS_URL": "",
               "ARENA_MODELS": ",".join(MODELS), "ARENA_NUM_MODELS": "2", "ARENA_PACE": pace, **more}  # fmt: skip
        with started(program, "serve", "--port", "0", *flags, **env) as serving:
            yield serving


CHAT = {"messages": [{"role": "user", "content": "hello"}], "stream": True}


async def read_directly(url: str, streams: int, seconds: float) -> Cost:
    """The baseline: a bare aiohttp client which only reads the streams, line by line."""
    tokens = 0

    async def one(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal tokens
        await asyncio.sleep(number * APART_S)
        async with session.post(f"{url}/api/chat", json=CHAT | {"model": MODELS[number % 2]}) as response:
            async for _ in response.content:
                tokens += 1

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        tasks = [asyncio.create_task(one(session, number)) for number in range(streams)]
        await asyncio.sleep(SETTLE_S + streams * APART_S)
        before, counted, start = time.process_time(), tokens, time.perf_counter()
        await asyncio.sleep(seconds)
        cost = Cost(time.process_time() - before, tokens - counted)
        rate = cost.tokens / (time.perf_counter() - start)
        await cancel_and_wait(*tasks)
    print(f"  direct: {rate:,.0f} tokens/s", flush=True)
    return cost


async def view(session: aiohttp.ClientSession, base: str, path: str, cursor: str, seen: list[int]) -> None:
    """A viewer: counts the tokens of a battle's deltas as they come."""
    async with session.get(f"{base}{path}", params={"after": cursor}) as response:
        async for line in response.content:
            if line.startswith(b"data: ") and b'"text":' in line:
                seen[0] += line.count(b" token")


async def written(session: aiohttp.ClientSession, ollama: str) -> int:
    """The tokens that the model server has written so far."""
    async with session.get(f"{ollama}/written") as response:
        return int((await response.json())["tokens"])


async def read_through_arena(ollama: str, base: str, pid: int, streams: int, seconds: float, viewers: int) -> Cost:
    """The arena's processes while they write ``streams`` answers, each battle watched by ``viewers``."""
    seen = [0]
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        tasks = []
        for _ in range(streams // 2):
            await asyncio.sleep(2 * APART_S)
            async with session.post(f"{base}/api/arena/battles", json={"message": "hello"}) as response:
                battle = await response.json()
            tasks += [
                asyncio.create_task(view(session, base, battle["events"], battle["cursor"], seen))
                for _ in range(viewers)
            ]
        await asyncio.sleep(SETTLE_S)
        pids = family(pid)
        before, counted, shown, start = cpu_s(pids), await written(session, ollama), seen[0], time.perf_counter()
        await asyncio.sleep(seconds)
        cost = Cost(cpu_s(pids) - before, await written(session, ollama) - counted)
        passed = time.perf_counter() - start
        rates = f"{cost.tokens / passed:,.0f} tokens/s, {(seen[0] - shown) / passed:,.0f} shown"
        await cancel_and_wait(*tasks)
    print(f"  arena:  {rates} to {len(tasks)} viewers, {len(pids)} processes", flush=True)
    return cost


def cpu_per_token(viewers: int) -> None:
    """Print CPU per token of the arena against the baseline."""
    with model_server(0.1) as ollama:
        direct = asyncio.run(read_directly(ollama, STREAMS, WINDOW_S))
        with arena(ollama, STREAMS // 2) as (pid, base):
            ours = asyncio.run(read_through_arena(ollama, base, pid, STREAMS, WINDOW_S, viewers))
    print(f"CPU per token at {STREAMS} streams x {RATE} tokens/s, {viewers} viewer(s) per battle:")
    print(f"  bare aiohttp client {direct.us_per_token:6.1f} us")
    ratio = ours.us_per_token / direct.us_per_token
    print(f"  the arena, whole    {ours.us_per_token:6.1f} us   ratio {ratio:.2f} (goal <= 1.0)")


def cpu_by_pace(viewers: int, pairs: int = 3) -> None:
    """Print CPU per token of the arena with an even pace against a live one."""
    costs: dict[str, list[float]] = {"even": [], "live": []}
    for number in range(pairs):
        for pace in sorted(costs, reverse=number % 2 == 1):
            with model_server(0.1) as ollama, arena(ollama, STREAMS // 2, pace) as (pid, base):
                cost = asyncio.run(read_through_arena(ollama, base, pid, STREAMS, WINDOW_S, viewers))
            costs[pace].append(cost.us_per_token)
    ratios = [even / live for even, live in zip(costs["even"], costs["live"], strict=True)]
    print(f"CPU per token at {STREAMS} streams x {RATE} tokens/s, load average {os.getloadavg()[0]:.1f}:")
    for pace, found in costs.items():
        print(f"  {pace} {statistics.median(found):6.1f} us ({min(found):.1f}-{max(found):.1f})")
    print(f"  even / live {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}), {pairs} pairs")


async def first_tokens_directly(url: str, users: int, rounds: int, apart_s: float) -> list[float]:
    """Seconds to the first token of chats, two at a time per user, as a battle asks them; users come ``apart_s``."""
    times: list[float] = []

    async def chat(session: aiohttp.ClientSession, model: str) -> None:
        start = time.perf_counter()
        async with session.post(f"{url}/api/chat", json=CHAT | {"model": model}) as response:
            await response.content.readline()
            times.append(time.perf_counter() - start)
            async for _ in response.content:
                pass

    async def user(session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(number * apart_s)
        for _ in range(rounds):
            await asyncio.gather(*(chat(session, model) for model in MODELS))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(user(session, number) for number in range(users)))
    return times


async def first_tokens_through_arena(base: str, users: int, rounds: int, apart_s: float) -> list[float]:
    """Seconds from the POST that opens a battle to the first delta of each side at its viewer."""
    times: list[float] = []

    async def battle(session: aiohttp.ClientSession) -> None:
        start = time.perf_counter()
        async with session.post(f"{base}/api/arena/battles", json={"message": "hello"}) as response:
            opened = await response.json()
        waiting = {"a", "b"}
        async with session.get(f"{base}{opened['events']}", params={"after": opened["cursor"]}) as response:
            async for line in response.content:
                if waiting and line.startswith(b"data: ") and b'"text":' in line:
                    side = json.loads(line[6:])["side"]
                    if side in waiting:
                        waiting.discard(side)
                        times.append(time.perf_counter() - start)
                elif line.startswith(b"event: ready"):
                    break

    async def user(session: aiohttp.ClientSession, number: int) -> None:
        await asyncio.sleep(number * apart_s)
        for _ in range(rounds):
            await battle(session)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(user(session, number) for number in range(users)))
    return times


def _percentiles(times: list[float]) -> tuple[float, float]:
    cut = statistics.quantiles(times, n=100)
    return 1000 * cut[49], 1000 * cut[98]


def time_to_first_token(streams: int = 50, rounds: int = 8) -> None:
    """Print what the whole path adds to the time to the first token: arrivals spread over a second, and all at once."""
    users = streams // 2
    print(f"Time to first token at {streams} concurrent streams, from the POST that opens the battle to its viewer")
    with model_server(0.1, tokens=100) as ollama, arena(ollama, streams) as (_, base):
        asyncio.run(first_tokens_through_arena(base, 2, 2, 0.0))
        for arrivals, apart_s, repeated in (("spread over a second", 1 / users, rounds), ("all at once", 0.0, 1)):
            direct, ours = list[float](), list[float]()
            for _ in range(rounds // repeated):
                direct += asyncio.run(first_tokens_directly(ollama, users, repeated, apart_s))
                ours += asyncio.run(first_tokens_through_arena(base, users, repeated, apart_s))
            print(f"Arrivals {arrivals}, load average {os.getloadavg()[0]:.1f}:")
            for name, before, after, goal in zip(
                ("p50", "p99"), _percentiles(direct), _percentiles(ours), (3, 10), strict=True
            ):
                shown = f"direct {before:6.1f} ms, arena {after:6.1f} ms, added {after - before:5.1f} ms"
                print(f"  {name}: {shown} (goal <= {goal})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["cpu", "ttft", "pace"])
    parser.add_argument("--viewers", type=int, default=1, help="viewers per battle (two streams)")
    given = parser.parse_args()
    if given.only in (None, "cpu"):
        cpu_per_token(given.viewers)
    if given.only in (None, "pace"):
        cpu_by_pace(given.viewers)
    if given.only in (None, "ttft"):
        time_to_first_token()
