"""What only the arena does: battles and votes, how both grow, and what it costs while nobody plays."""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from app.database.database import migrate
from benchmarks.battle_cost import TOKENS, Bench
from benchmarks.bench.figures import Figure, Rounds
from benchmarks.stream_path import arena, cpu_s, family, model_server

POSTGRES = "PostgreSQL (no fsync)"


@contextmanager
def stores(given: str, left_out: list[str]) -> Iterator[dict[str, Callable[[], str]]]:
    """Databases by name; each call gives the URL of an empty one ("" is SQLite).

    ``given`` is taken for PostgreSQL, else a server is started.
    """
    if given:
        yield {"SQLite": str, "PostgreSQL": lambda: _migrated(given)}
        return
    try:
        from tests.records.postgres_server import PostgresServer
    except ImportError as error:
        left_out.append(f"PostgreSQL: {error}")
        yield {"SQLite": str}
        return
    server = PostgresServer()
    try:
        yield {"SQLite": str, POSTGRES: lambda: _migrated(server.url(server.create()))}
    finally:
        server.close()


def _migrated(url: str) -> str:
    asyncio.run(migrate(url))
    return url


def battles(count: int, at_once: int, rounds: int, database: str, left_out: list[str]) -> list[Figure]:
    """Battles of two opened, answered and voted on, ``at_once`` so many users, on each database."""
    found = Rounds("battles and votes")
    with stores(database, left_out) as known:
        for _ in range(rounds):
            for store, url in known.items():
                for name, unit, more, value in _run(count, at_once, database=url()):
                    found.add(name, "arena", f"{store}, {at_once} users", unit, value, more=more)
    return found.figures()


def growth(count: int, rounds: int, users: Sequence[int], hosts: Sequence[int], workers: Sequence[int]) -> list[Figure]:
    """The same with more users, more hosts and more workers, one of the three at a time."""
    found, usual = Rounds("growth"), 16
    for _ in range(rounds):
        for at_once in users:
            _grown(found, f"{at_once} users", _run(max(count, 4 * at_once), at_once))
        for number in hosts:
            _grown(found, f"{number} hosts", _run(count, usual, hosts=number))
        for number in workers:
            _grown(found, f"{number} workers", _run(count, usual, flags=("--workers", str(number))))
    return found.figures()


def _grown(found: Rounds, setting: str, measured: Sequence[tuple[str, str, bool, float]]) -> None:
    for name, unit, more, value in measured:
        found.add(name, "arena", setting, unit, value, more=more)


def _run(
    count: int, at_once: int, *, hosts: int = 1, flags: Sequence[str] = (), database: str = ""
) -> list[tuple[str, str, bool, float]]:
    """Start an arena before so many hosts and play; name, unit, whether more is better, and value of each figure."""
    with ExitStack() as stack:
        urls = [stack.enter_context(model_server(0.0, tokens=TOKENS, rate=1000)) for _ in range(hosts)]
        parallel, settings = max(4, at_once), {"DATABASE_URL": database} if database else {}
        if hosts > 1:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (folder / "arena.toml").write_text(_hosts(urls, parallel))
            settings["ARENA_CONFIG"] = str(folder / "arena.toml")
        pid, base = stack.enter_context(arena(urls[0], parallel, flags=flags, **settings))
        return asyncio.run(_played(base, pid, count, at_once))


def _hosts(urls: Sequence[str], parallel: int) -> str:
    """As ``[[hosts]]`` tables."""
    rows = [f'[[hosts]]\nname = "host{n}"\nurl = "{url}"\nnum_parallel = {parallel}\n' for n, url in enumerate(urls)]
    return "\n".join(rows)


async def _played(base: str, pid: int, count: int, at_once: int) -> list[tuple[str, str, bool, float]]:
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=0)
    ) as session:
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
        await _calm(pid)
        await bench.idle(3)
        playing = await bench.phase(count, play, at_once)
        voting = await bench.phase(count, vote, at_once)
    return [
        ("battles opened and answered", "/s", True, playing.per_s),
        ("CPU of a battle", "ms", False, playing.worker_ms),
        ("battle, from the POST until both answers are whole (p50)", "ms", False, playing.wall_ms),
        ("votes", "/s", True, voting.per_s),
        ("CPU of a vote", "ms", False, voting.worker_ms),
        ("vote, until its 200 (p50)", "ms", False, voting.wall_ms),
    ]


async def _calm(pid: int) -> None:
    """Wait until nothing starts any more: with several workers the first one serves before the others do."""
    for _ in range(30):
        before = cpu_s(family(pid))
        await asyncio.sleep(1)
        if cpu_s(family(pid)) - before < 0.1:
            return


def idle(seconds: float, rounds: int) -> list[Figure]:
    """Start to ready, memory, share of a core and wake-ups while nobody plays; worker and Redis apart."""
    found = Rounds("idle")
    for _ in range(rounds):
        with model_server(0.1) as ollama:
            began = time.perf_counter()
            with arena(ollama, 4) as (pid, _):
                ready_s = time.perf_counter() - began
                time.sleep(3)
                measured = {("start to ready", "s"): ready_s, **_idling(pid, seconds)}
        for (name, unit), value in measured.items():
            found.add(name, "arena", "one worker, one host", unit, value)
    return found.figures()


def _idling(pid: int, seconds: float) -> dict[tuple[str, str], float]:
    pids = family(pid)
    before = [(cpu_s([one]), _wake_ups(one)) for one in pids]
    time.sleep(seconds)
    after = [(cpu_s([one]), _wake_ups(one)) for one in pids]
    used = [100 * (now[0] - then[0]) / seconds for now, then in zip(after, before, strict=True)]
    woken = [(now[1] - then[1]) / seconds for now, then in zip(after, before, strict=True)]
    return {
        ("worker: share of a core", "%"): used[0],
        ("worker: wake-ups of all threads", "/s"): woken[0],
        ("worker: memory", "MB"): _memory_mb(pid),
        ("Redis: share of a core", "%"): sum(used[1:]),
        ("Redis: wake-ups", "/s"): sum(woken[1:]),
    }


def _wake_ups(pid: int) -> int:
    """How often the threads of a process have given up their processor to wait."""
    found = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return sum(
        int(number) for status in found for number in re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.M)
    )


def _memory_mb(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
