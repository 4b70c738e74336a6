"""Event logs of battles on the real store, for the fold in TypeScript: ``make page-logs`` writes them anew.

Each log is the snapshot that opened a battle, its events, and the snapshot at every cut by the Python fold, which
``tests/arena/test_log.py`` holds to the stored battle. The last cut is the battle as the store itself tells it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from app.arena.store import AnswerUpdate
from app.battle.battle import Verdict
from app.battle.events import Event, Snapshot, fold
from app.redis.client import commands_client
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.redis.server import RedisServer

FILE = Path(__file__).parents[2] / "page" / "test" / "data" / "logs.json"
WINDOW = timedelta(seconds=30)

Story = Callable[[ArenaOnRedis, str], Awaitable[None]]


async def whole(arena: ArenaOnRedis, b: str) -> None:
    """Three models, two verdicts, and waits that are told."""
    await arena.store.write([AnswerUpdate(b, "", 1, 0, 0, state="queued", extra=',"place":2,"eta_s":12')])
    await arena.store.write([AnswerUpdate(b, "", 1, 0, 0, state="loading", extra=',"eta_s":7.5')])
    for answer in (0, 1, 2):
        await arena.answer(b, answer, f"**Answer** {answer}: Grüße, 你好 👋")
    await arena.manager.vote(b, 1, Verdict.B)
    await arena.manager.vote(b, 2, Verdict.TIE)


async def failed_side(arena: ArenaOnRedis, b: str) -> None:
    """A side breaks off in mid-answer, and the next model takes its place."""
    await arena.begin(b, 0)
    await arena.write(b, 0, "half an ans")
    await arena.write(b, 0, "", "error", "cut_off")
    await arena.reconciler.reconcile(b)
    await arena.answer(b, 1)
    await arena.answer(b, 2)
    await arena.manager.vote(b, 1, Verdict.BOTH_BAD)


async def taken_over(arena: ArenaOnRedis, b: str) -> None:
    """The driver of a host dies: the answer is written again from its start."""
    await arena.begin(b, 0)
    await arena.write(b, 0, "first text")
    await arena.begin(b, 0)
    await arena.write(b, 0, "second text")
    await arena.write(b, 0, "", "length")
    await arena.answer(b, 1)
    await arena.answer(b, 2)
    await arena.manager.vote(b, 1, Verdict.A)
    await arena.manager.vote(b, 2, Verdict.B)


async def undone(arena: ArenaOnRedis, b: str) -> None:
    """A verdict is taken back and given otherwise."""
    for answer in (0, 1, 2):
        await arena.answer(b, answer, f"text {answer}")
    await arena.manager.vote(b, 1, Verdict.A)
    await arena.manager.undo(b, 1, WINDOW)
    await arena.manager.vote(b, 1, Verdict.B)
    await arena.manager.vote(b, 2, Verdict.B)


async def stopped(arena: ArenaOnRedis, b: str) -> None:
    """Stopped while both sides are being written."""
    await arena.begin(b, 0)
    await arena.write(b, 0, "some")
    await arena.manager.stop(b)


async def lost(arena: ArenaOnRedis, b: str) -> None:
    """Two of three models fail: nobody is left to compare."""
    for answer in (0, 1):
        await arena.begin(b, answer)
        await arena.write(b, answer, "", "error", "unavailable")
        await arena.reconciler.reconcile(b)


STORIES: tuple[Story, ...] = (whole, failed_side, taken_over, undone, stopped, lost)


async def recorded(arena: ArenaOnRedis, story: Story) -> dict[str, Any]:
    """Play a story and tell its log."""
    opened = await arena.open(3)
    start = int(opened.cursor.split("-")[1])
    await story(arena, opened.battle_id)
    entries = await arena.store.entries(opened.battle_id, start)
    events, cuts, now = [], [], opened
    for entry in entries:
        mark = f"{opened.cursor.split('-')[0]}-{entry.n}{'-end' if entry.event == b'end' else ''}"
        event = {"event": entry.event.decode(), "data": orjson.loads(entry.data), "id": mark}
        now = fold(now, Event(event["event"], event["data"]), mark)
        events.append(event)
        cuts.append(now.to_dict())
    stored = (await arena.manager.snapshot(opened.battle_id)).to_dict()
    assert stored == cuts[-1], "the fold of the log is the battle"
    name, what = story.__name__, (story.__doc__ or "").strip()
    return {"name": name, "what": what, "opened": opened.to_dict(), "events": events, "cuts": cuts}


async def record(url: str) -> list[dict[str, Any]]:
    """All stories, on the Redis at ``url``."""
    redis = commands_client(url)
    try:
        return [await recorded(ArenaOnRedis(redis), story) for story in STORIES]
    finally:
        await redis.aclose()


def refolded(log: dict[str, Any]) -> list[dict[str, Any]]:
    """The snapshots at every cut by the Python fold of today."""
    now, cuts = Snapshot.from_dict(log["opened"]), []
    for event in log["events"]:
        now = fold(now, Event(event["event"], event["data"]), event["id"])
        cuts.append(now.to_dict())
    return cuts


if __name__ == "__main__":
    server = RedisServer()
    try:
        logs = asyncio.run(record(server.url))
    finally:
        server.close()
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(logs, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
