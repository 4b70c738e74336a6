"""What a worker keeps of battles that nothing happens in."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from redis.asyncio import Redis

from app.arena.hub import Hub
from app.arena.viewing import Viewing
from tests.arena.arena_on_redis import ArenaOnRedis


async def test_who_waits_in_vain_for_a_verdict_leaves_nothing_behind(redis: Redis) -> None:
    arena = ArenaOnRedis(redis)
    battle = (await arena.open(2)).battle_id
    for answer in range(2):
        await arena.answer(battle, answer)
    hub = Hub(arena.store, redis)
    viewing = Viewing(hub, arena.manager.snapshot)
    with hub.watching(battle) as feed:
        await hub.catch_up(feed)
        for _ in range(5):
            await viewing.wait(battle, timedelta(milliseconds=1), lambda _: False)
        reader = asyncio.create_task(feed.change())
        await asyncio.sleep(0)
        assert feed.waiting == 1
        feed.wake()
        await reader
        assert feed.waiting == 0
