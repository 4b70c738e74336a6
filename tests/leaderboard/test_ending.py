"""A worker that is told to end ends, whatever its boards are about to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from app.database.database import Database
from app.leaderboard.query import LeaderboardQuery
from tests.helpers import wait_until
from tests.leaderboard.conftest import QUICK, CountedBoards


class EndedAfterASnapshot(CountedBoards):
    """Boards whose task is cancelled some turns of the event loop after they stored a snapshot."""

    def __init__(self, redis: Redis, database: Database, turns: int) -> None:
        super().__init__(redis, database, every=QUICK)
        self._turns = turns

    async def _make(self, mark: str, queries: Sequence[LeaderboardQuery]) -> None:
        await super()._make(mark, queries)
        task = asyncio.current_task()
        assert task is not None
        self._cancel_in(self._turns, task)

    def _cancel_in(self, turns: int, task: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            loop.call_soon(self._cancel_in, turns - 1, task)
        else:
            loop.call_soon(task.cancel)


@pytest.mark.parametrize("turns", range(5))
async def test_the_boards_end_when_they_are_cancelled_just_after_a_snapshot(
    turns: int, redis: Redis, database: Database
) -> None:
    boards = EndedAfterASnapshot(redis, database, turns)
    running = asyncio.create_task(boards.run(), name="board")
    assert isinstance(await boards.board(), bytes)  # without votes a board is made for whoever asks for it
    await wait_until(running.done)
    assert running.cancelled()
    assert boards.made == 1
