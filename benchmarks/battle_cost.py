"""What a battle costs beside its tokens: CPU to open it, to have it answered, and to judge it.

    python -m benchmarks.battle_cost [--at-once 8]

One worker, embedded Redis, SQLite, a model server that answers at once. Battles of two models with short answers, one
after the other (or ``--at-once`` so many), each with a viewer; CPU is that of the worker and of Redis, read from /proc,
less what they use while nobody plays, which is measured first. The baseline in the same run is /healthz: a request that
does nothing. "loop" is the event loop's thread of the first worker. For votes it is the fairer figure: a worker also
makes the leaderboard anew in a thread, at most once in 2 s and however many voted, the first time with numpy's import
(0.3 s of CPU), and whether a short run catches that is chance.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from benchmarks.stream_path import TICKS_PER_S, arena, cpu_s, family, model_server

TOKENS = 10


@dataclass(frozen=True)
class Phase:
    """Milliseconds per call: CPU of the workers, CPU of Redis, and until the answer (median); and calls per second."""

    worker_ms: float
    redis_ms: float
    wall_ms: float
    per_s: float = 0.0
    loop_ms: float = 0.0

    def __str__(self) -> str:
        return (
            f"worker {self.worker_ms:5.2f} ms (loop {self.loop_ms:5.2f}), Redis {self.redis_ms:5.2f} ms of CPU; "
            f"answered in {self.wall_ms:6.1f} ms"
        )


class Bench:
    """Measures calls on a running arena."""

    def __init__(self, session: aiohttp.ClientSession, base: str, pid: int) -> None:
        self._session, self._base = session, base
        self._idle, self._loop, self._idle_loop = (0.0, 0.0), pid, 0.0
        pids = family(pid)
        names = {each: _name(each) for each in pids}
        self._redis = [each for each, name in names.items() if "redis" in name]
        self._worker = [each for each in pids if each not in self._redis]

    async def idle(self, seconds: float) -> str:
        """Measure what is used while nobody plays; every later phase is told without it."""
        worker, redis, loop = cpu_s(self._worker), cpu_s(self._redis), loop_cpu_s(self._loop)
        await asyncio.sleep(seconds)
        self._idle_loop = (loop_cpu_s(self._loop) - loop) / seconds
        self._idle = (cpu_s(self._worker) - worker) / seconds, (cpu_s(self._redis) - redis) / seconds
        return f"worker {100 * self._idle[0]:.2f} %, Redis {100 * self._idle[1]:.2f} % of a core"

    async def phase(self, calls: int, call: Callable[[int], Awaitable[None]], at_once: int = 1) -> Phase:
        """Make ``calls`` one after the other, or ``at_once`` so many, and tell what each cost."""
        worker, redis, walls = cpu_s(self._worker), cpu_s(self._redis), list[float]()
        loop = loop_cpu_s(self._loop)
        numbers, began = iter(range(calls)), time.perf_counter()

        async def user() -> None:
            for number in numbers:
                start = time.perf_counter()
                await call(number)
                walls.append(time.perf_counter() - start)

        await asyncio.gather(*(user() for _ in range(at_once)))
        per_s = calls / (time.perf_counter() - began)
        await asyncio.sleep(0.2)  # what is done after the answer counts, too
        passed = time.perf_counter() - began
        return Phase(
            1000 * (cpu_s(self._worker) - worker - passed * self._idle[0]) / calls,
            1000 * (cpu_s(self._redis) - redis - passed * self._idle[1]) / calls,
            1000 * sorted(walls)[calls // 2],
            per_s,
            1000 * (loop_cpu_s(self._loop) - loop - passed * self._idle_loop) / calls,
        )

    async def get(self, path: str) -> None:
        """One GET whose answer is read and dropped."""
        async with self._session.get(self._base + path) as response:
            await response.read()
            response.raise_for_status()

    async def post(self, path: str, body: dict[str, Any], token: str = "") -> dict[str, Any]:
        """One POST; returns what it answers."""
        headers = {"X-Battle-Token": token} if token else {}
        async with self._session.post(self._base + path, json=body, headers=headers) as response:
            response.raise_for_status()
            answer: dict[str, Any] = await response.json()
            return answer

    async def watched(self, battle: dict[str, Any]) -> None:
        """Watch a battle until its round is ready."""
        async with self._session.get(self._base + battle["events"], params={"after": battle["cursor"]}) as stream:
            async for line in stream.content:
                if line.startswith(b"event: ready"):
                    return


def loop_cpu_s(pid: int) -> float:
    """User and system seconds of a process' first thread, in which its event loop runs."""
    with open(f"/proc/{pid}/task/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _name(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read().replace(b"\0", b" ").decode()


async def _run(base: str, pid: int, battles: int, at_once: int) -> None:
    # No compression of bodies and no keeping of cookies: the client runs on the same cores.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        bench = Bench(session, base, pid)
        opened: list[dict[str, Any]] = []
        posts: list[float] = []

        async def play(number: int) -> None:
            start = time.perf_counter()
            battle = await bench.post("/api/arena/battles", {"message": f"Question {number}"})
            posts.append(time.perf_counter() - start)
            opened.append(battle)
            await bench.watched(battle)

        async def vote(number: int) -> None:
            battle = opened[number]
            path = f"/api/arena/battles/{battle['battle_id']}/votes"
            await bench.post(path, {"round": 1, "verdict": "a"}, battle["token"])

        await bench.phase(20, play)
        opened.clear()
        posts.clear()
        await asyncio.sleep(1)
        print(f"nobody plays        {await bench.idle(8)}")
        print(f"GET /healthz        {await bench.phase(battles, lambda _: bench.get('/healthz'))}")
        print(f"open and answered   {await bench.phase(battles, play, at_once)}  (goal: 3 ms)")
        print(f"the POST of it      answered in {1000 * statistics.median(posts):6.1f} ms  (goal, one user: 3 ms)")
        print(f"vote                {await bench.phase(battles, vote, at_once)}  (goal: 1.5 ms)")
        path = opened[0]["events"].removesuffix("/events")
        print(f"read a snapshot     {await bench.phase(battles, lambda _: bench.get(path))}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--battles", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=1, metavar="USERS")
    given = parser.parse_args()
    parallel = max(4, given.at_once)
    with model_server(0.0, tokens=TOKENS, rate=1000) as ollama, arena(ollama, parallel) as (pid, base):
        asyncio.run(_run(base, pid, given.battles, given.at_once))
