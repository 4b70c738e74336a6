"""Boards: how long one takes to make, and how many are read a second, against bare Starlette that sends ready bytes.

    python -m benchmarks.bench.boards FILE    (the bare server, which the benchmark starts)

The votes are made up (``benchmarks.imports``) and imported by ``arena import`` into SQLite; ``arena board`` makes the
board in a process of its own, ``arena serve`` makes it in the background and is read by clients that keep their
connections.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from benchmarks.bench.figures import Figure, Rounds
from benchmarks.imports import write_votes
from benchmarks.stream_path import cpu_s, family, started

CLIENTS = 16
NO_HOST = "127.0.0.1:9"


def bare(file: Path) -> None:
    """Serve a file's bytes, by Starlette under uvicorn and uvloop; prints the address."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from app.process.serve import bind

    ready = file.read_bytes()

    async def board(_: Request) -> Response:
        return Response(ready, media_type="application/json")

    listening = bind("127.0.0.1", 0)
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    application = Starlette(routes=[Route("/api/arena/leaderboard", board)])
    config = uvicorn.Config(application, loop="uvloop", log_config=None, access_log=False, lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


def boards(counts: Sequence[int], seconds: float, rounds: int) -> list[Figure]:
    """Import, board and reads at each number of votes; the import is made once."""
    found = Rounds("boards")
    for votes in counts:
        with tempfile.TemporaryDirectory(prefix="arena-boards-") as name:
            folder, setting = Path(name), f"{votes} votes"
            write_votes(folder / "votes.jsonl", votes)
            wall, _, _ = _command(folder, "import", str(folder / "votes.jsonl"))
            found.add("imported", "arena", setting, "votes/s", votes / wall, more=True)
            for _ in range(rounds):
                wall, cpu, peak = _command(folder, "board", "--json")
                found.add("a board by its own command", "arena", setting, "s", wall)
                found.add("CPU of it", "arena", setting, "s", cpu)
                found.add("peak memory of it", "arena", setting, "MB", peak)
                _served(found, folder, setting, seconds)
    return found.figures()


def _known(folder: Path) -> dict[str, str]:
    database = f"sqlite:///{folder}/arena.db"
    return {"DATABASE_URL": database, "ARENA_DATA_DIR": str(folder), "OLLAMA_HOST": NO_HOST, "REDIS_URL": ""}


def _command(folder: Path, *words: str) -> tuple[float, float, float]:
    """Run a command of the arena: seconds by the clock, seconds of CPU, peak memory in MB.

    Raises:
        RuntimeError: it failed.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "app.cli", *words]
    process = subprocess.Popen(
        command, env=os.environ | _known(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"arena {words[0]} failed")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _served(found: Rounds, folder: Path, setting: str, seconds: float) -> None:
    """How soon a service that has just started has the board, and how often both servers are read."""
    with started("app.cli", "serve", "--port", "0", **_known(folder)) as (pid, base):
        began = time.perf_counter()
        (folder / "board.json").write_bytes(asyncio.run(_board(base)))
        found.add("a board in a service that has none yet", "arena", setting, "s", time.perf_counter() - began)
        _read(found, "arena", setting, base, pid, seconds)
    with started("benchmarks.bench.boards", str(folder / "board.json")) as (pid, base):
        _read(found, "bare Starlette", setting, base, pid, seconds)


async def _board(base: str) -> bytes:
    """Ask as clients do until the board is there."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(f"{base}/api/arena/leaderboard") as response:
                response.raise_for_status()
                if response.status == 200:
                    return await response.read()
                await asyncio.sleep(float(response.headers["Retry-After"]) / 4)


def _read(found: Rounds, contestant: str, setting: str, base: str, pid: int, seconds: float) -> None:
    asyncio.run(_reads(base, 1.0))  # warm
    used = cpu_s(family(pid))
    count = asyncio.run(_reads(base, seconds))
    used = cpu_s(family(pid)) - used
    found.add("boards read", contestant, setting, "/s", count / seconds, more=True)
    found.add("CPU of a read", contestant, setting, "ms", 1000 * used / max(count, 1))


async def _reads(base: str, seconds: float) -> int:
    """How many boards ``CLIENTS`` clients read within some seconds."""
    until, count = time.perf_counter() + seconds, 0
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False) as session:

        async def client() -> None:
            nonlocal count
            while time.perf_counter() < until:
                async with session.get(f"{base}/api/arena/leaderboard") as response:
                    await response.read()
                    response.raise_for_status()
                count += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count


if __name__ == "__main__":
    bare(Path(sys.argv[1]))
