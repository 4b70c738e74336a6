"""How soon a board with filters is there: ``python -m benchmarks.filtered_board [votes]`` (100,000 unless told).

Battles with three models, texts and two votes each are written into a SQLite file; ``arena serve`` makes the boards and
is asked over HTTP, as clients do: who gets 202 comes back after ``Retry-After``. Printed for the first board and for
each of three filters that nobody asked for before: what every answer was, how soon the first one came, and how soon the
board was there. Any other answer than 202 and 200 ends the benchmark with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import httpx

from app.tasks import cancel_and_wait
from benchmarks.export import write_books

_TAGS = "UPDATE battles SET tagged_at = created_at, language = CASE abs(random()) % 3 WHEN 0 THEN 'de' ELSE 'en' END"
FILTERS: tuple[dict[str, str], ...] = (
    {},
    {"language": "de"},
    {"language": "en", "both_bad": "tie"},
    {"language": "de", "ties": "davidson", "cluster": "voter"},
)
PATIENCE_S = 60.0
"""Longer than any answer may take."""


def tagged_books(folder: Path, votes: int) -> str:
    """A database with so many votes, a third of them on German questions; returns its URL."""
    url = write_books(folder, votes)
    connection = sqlite3.connect(folder / f"books-{votes}.db")
    connection.execute(_TAGS)
    connection.commit()
    connection.close()
    return url


async def ask_until_there(client: httpx.AsyncClient, query: dict[str, str]) -> None:
    """Ask for one board until it is there, and print what came."""
    began, answers, first_s = perf_counter(), [], 0.0
    while True:
        response = await client.get("/api/arena/leaderboard", params=query)
        first_s = first_s or perf_counter() - began
        answers.append(response.status_code)
        if response.status_code != 202:
            break
        await asyncio.sleep(float(response.headers["Retry-After"]))
    there_s = perf_counter() - began
    rows = len(response.json().get("leaderboard", ()))
    print(f"{query!s:<64} {answers} first after {first_s:5.1f} s, {rows} rows after {there_s:5.1f} s", flush=True)
    if response.status_code != 200:
        raise SystemExit(1)


async def measure(folder: Path, url: str) -> None:
    """Print a line for each board."""
    known = {"DATABASE_URL": url, "ARENA_DATA_DIR": str(folder), "OLLAMA_HOST": "127.0.0.1:9", "REDIS_URL": ""}
    serving = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.cli", "serve", "--port", "0"),
        env=os.environ | known,
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert serving.stdout is not None
    try:
        address = (await asyncio.wait_for(serving.stdout.readline(), PATIENCE_S)).decode().split()[-1]
        reading = asyncio.create_task(serving.stdout.read(), name="rest of the output")
        async with httpx.AsyncClient(base_url=address, timeout=PATIENCE_S) as client:
            for query in FILTERS:
                await ask_until_there(client, query)
        await cancel_and_wait(reading)
    finally:
        serving.terminate()
        await serving.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("votes", type=int, nargs="?", default=100_000)
    with tempfile.TemporaryDirectory(prefix="arena-boards-") as name:
        asyncio.run(measure(Path(name), tagged_books(Path(name), parser.parse_args().votes)))
