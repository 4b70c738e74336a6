"""A battle as it is now, or once there is something to see; nobody waits for longer than this process lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from app.battle.events import Snapshot
from app.web.legacy.history import BattleHistory, history_of
from app.web.shared.services import Services


def can_be_judged(snapshot: Snapshot) -> bool:
    """Whether both answers on stage are complete."""
    return snapshot.can_vote


async def history_now(services: Services, battle_id: str, snapshot: Snapshot | None = None) -> BattleHistory:
    """The battle's history at ``snapshot``, by default now.

    Raises:
        NotFound: there is no such battle.
    """
    snapshot = snapshot or await services.manager.snapshot(battle_id)
    return history_of(snapshot, await services.manager.entered(battle_id), services.settings.arena_reveal)


async def seen_when(
    services: Services, battle_id: str, limit: timedelta, done: Callable[[Snapshot], bool] = can_be_judged
) -> Snapshot:
    """The battle once ``done`` is true of it, it has ended, ``limit`` is over or this process is about to end."""
    coming = asyncio.ensure_future(services.viewing.wait(battle_id, limit, done))
    ending = asyncio.ensure_future(services.ending.wait())
    try:
        await asyncio.wait({coming, ending}, return_when=asyncio.FIRST_COMPLETED)
        return coming.result() if coming.done() else await services.manager.snapshot(battle_id)
    finally:
        coming.cancel()
        ending.cancel()


async def waited_for(services: Services, battle_id: str, limit: timedelta) -> BattleHistory:
    """The history once the pair on stage can be judged; what ends a wait is documented at ``seen_when``."""
    return await history_now(services, battle_id, await seen_when(services, battle_id, limit))
