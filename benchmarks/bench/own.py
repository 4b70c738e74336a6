"""What only the arena does: battles and votes, and what it costs while nobody plays."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.battle_cost import TOKENS, Bench
from benchmarks.bench.figures import Figure
from benchmarks.stream_path import arena, cpu_s, family, model_server


def battles(count: int, at_once: int, rounds: int, database: str = "") -> list[Figure]:
    """Battles of two opened, answered and voted on, ``at_once`` so many users; SQLite unless ``database`` is given."""
    found: dict[tuple[str, str, bool], list[float]] = {}
    settings = {"DATABASE_URL": database} if database else {}
    for _ in range(rounds):
        with (
            model_server(0.0, tokens=TOKENS, rate=1000) as ollama,
            arena(ollama, max(4, at_once), **settings) as (pid, base),
        ):
            for key, value in asyncio.run(_played(base, pid, count, at_once)).items():
                found.setdefault(key, []).append(value)
    store = "PostgreSQL" if database else "SQLite"
    return [
        Figure("battles and votes", name, "arena", f"{at_once} users, {store}", unit, tuple(values), more=more)
        for (name, unit, more), values in found.items()
    ]


async def _played(base: str, pid: int, count: int, at_once: int) -> dict[tuple[str, str, bool], float]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        bench, opened = Bench(session, base, pid), list[dict[str, Any]]()

        async def play(_: int) -> None:
            battle = await bench.post("/api/arena/battles", {"message": "Why?"})
            opened.append(battle)
            await bench.watched(battle)

        async def vote(number: int) -> None:
            path = f"/api/arena/battles/{opened[number]['battle_id']}/votes"
            await bench.post(path, {"round": 1, "verdict": "a"}, opened[number]["token"])

        await bench.phase(20, play, 4)
        opened.clear()
        await bench.idle(3)
        began = time.perf_counter()
        playing = await bench.phase(count, play, at_once)
        per_s = count / (time.perf_counter() - began)
        began = time.perf_counter()
        voting = await bench.phase(count, vote, at_once)
        votes_per_s = count / (time.perf_counter() - began)
    return {
        ("opened and answered", "/s", True): per_s,
        ("CPU of a battle", "ms", False): playing.worker_ms,
        ("votes", "/s", True): votes_per_s,
        ("CPU of a vote", "ms", False): voting.worker_ms,
    }


def idle(seconds: float, rounds: int) -> list[Figure]:
    """Start to ready, memory, share of a core and wake-ups while nobody plays; worker and Redis apart."""
    found: dict[tuple[str, str], list[float]] = {}
    for _ in range(rounds):
        began = time.perf_counter()
        with model_server(0.1) as ollama, arena(ollama, 4) as (pid, _):
            found.setdefault(("start to ready", "s"), []).append(time.perf_counter() - began)
            time.sleep(3)
            pids = family(pid)
            wakes, used = _wake_ups(pid), [cpu_s([one]) for one in pids]
            time.sleep(seconds)
            used = [cpu_s([one]) - before for one, before in zip(pids, used, strict=True)]
            found.setdefault(("worker: share of a core", "%"), []).append(100 * used[0] / seconds)
            found.setdefault(("Redis: share of a core", "%"), []).append(100 * sum(used[1:]) / seconds)
            found.setdefault(("worker: wake-ups", "/s"), []).append((_wake_ups(pid) - wakes) / seconds)
            found.setdefault(("worker: memory", "MB"), []).append(_memory_mb(pid))
    return [Figure("idle", name, "arena", "1 worker", unit, tuple(values)) for (name, unit), values in found.items()]


def _wake_ups(pid: int) -> int:
    """How often the threads of a process have given up their processor to wait."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt"))
    return total


def _memory_mb(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
