"""How soon a board with filters is there: ``python -m benchmarks.filtered_board [votes]`` (100,000 unless told).

Battles with three models, texts and two votes each are written into a SQLite file; one worker makes the boards in an
embedded Redis. Printed: how long the first board took, and for each of three filters that nobody asked for before how
soon the first answer came, whether it was a board or the promise of one (202), and how soon the board was there.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
from pathlib import Path
from time import perf_counter

from app.database.database import Database
from app.errors import Unavailable
from app.leaderboard.cache import BeingMade, LeaderboardCache
from app.leaderboard.query import LeaderboardQuery
from app.redis.client import commands_client
from app.redis.embedded.server import embedded_redis
from app.tasks import cancel_and_wait
from benchmarks.export import write_books

_TAGS = "UPDATE battles SET tagged_at = created_at, language = CASE abs(random()) % 3 WHEN 0 THEN 'de' ELSE 'en' END"
FILTERS = (
    LeaderboardQuery.of(language="de"),
    LeaderboardQuery.of(language="en", both_bad="tie"),
    LeaderboardQuery.of(language="de", ties="davidson"),
)


async def _until_there(boards: LeaderboardCache, query: LeaderboardQuery) -> tuple[float, str, float]:
    """Seconds to the first answer, what it was, and seconds to the board; comes back when it is told to."""
    began, first = perf_counter(), None
    while True:
        kind, wait_s = await _answer(boards, query)
        now = perf_counter() - began
        first = first or (now, kind)
        if wait_s is None:
            return *first, now
        await asyncio.sleep(wait_s)


async def _answer(boards: LeaderboardCache, query: LeaderboardQuery) -> tuple[str, float | None]:
    """What the answer is, and in how many seconds to come back."""
    try:
        answer = await boards.board(query)
    except Unavailable as away:
        return "503", away.retry_after_s
    return ("202", answer.retry_after_s) if isinstance(answer, BeingMade) else ("200", None)


def tagged_books(folder: Path, votes: int) -> str:
    """A database with so many votes, a third of them on German questions; returns its URL."""
    url = write_books(folder, votes)
    connection = sqlite3.connect(folder / f"books-{votes}.db")
    connection.execute(_TAGS)
    connection.commit()
    connection.close()
    return url


async def measure(folder: Path, url: str) -> None:
    """Print a line for each board."""
    async with embedded_redis(folder / "redis", keep=False) as server:
        redis, database = commands_client(server.url), Database(url)
        boards = LeaderboardCache(redis, database)
        running = asyncio.create_task(boards.run(), name="board")
        try:
            for query in (LeaderboardQuery(), *FILTERS):
                first_s, kind, there_s = await _until_there(boards, query)
                print(f"{query.key:<60} {kind} after {first_s:5.1f} s, there after {there_s:5.1f} s", flush=True)
        finally:
            await cancel_and_wait(running)
            await database.aclose()
            await redis.aclose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("votes", type=int, nargs="?", default=100_000)
    with tempfile.TemporaryDirectory(prefix="arena-boards-") as name:
        asyncio.run(measure(Path(name), tagged_books(Path(name), parser.parse_args().votes)))
