"""One snapshot for all workers, made off the request path, seldom, and blind to battles that run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from time import time

import orjson
import pytest
from redis.asyncio import Redis

from app.battle.battle import Status
from app.database.database import Database
from app.leaderboard import cache, making
from app.leaderboard.cache import TURN
from app.leaderboard.gather import Gathered
from app.leaderboard.query import LeaderboardQuery
from app.ranking.board import SpeedRow
from app.tasks import cancel_and_wait
from tests.helpers import wait_until
from tests.leaderboard.conftest import QUICK, CountedBoards, Worker
from tests.leaderboard.playing import A, B, Player
from tests.redis.server import RedisServer

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")


async def votes_on(worker: Worker) -> int:
    return int((await worker.board())["counts"]["votes"])


async def test_all_workers_answer_with_the_same_bytes_and_one_of_them_made_them(
    start: Callable[..., Worker], player: Player
) -> None:
    await player.battles(A, B, A, language="en")
    workers = [start(every=timedelta(seconds=30)) for _ in range(2)]
    bodies = [(await worker.get()).content for worker in workers * 2]
    assert len(set(bodies)) == 1
    assert sum(worker.boards.began for worker in workers) == 1


async def test_many_first_requests_share_one_fit(start: Callable[..., Worker], player: Player) -> None:
    await player.battles(A, B, A)
    workers = [start(every=timedelta(seconds=30)) for _ in range(2)]
    bodies = await asyncio.gather(*(worker.get() for worker in workers * 10))
    assert len({body.content for body in bodies}) == 1
    assert sum(worker.boards.began for worker in workers) == 1


async def test_the_same_votes_give_the_same_bytes_after_redis_lost_them(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    await player.battles(A, B, A)
    worker = start()
    before = (await worker.get()).content
    await redis.flushall()
    assert (await worker.get()).content == before
    assert worker.boards.began == 2


async def test_nothing_is_made_while_no_vote_comes(start: Callable[..., Worker], player: Player, redis: Redis) -> None:
    await player.battles(A, B)
    worker = start(running=False)
    assert await worker.boards.refresh()
    await redis.delete(TURN)
    assert not await worker.boards.refresh()


async def test_however_many_votes_come_the_boards_are_made_once_in_a_while(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    one, two = (start(running=False, every=timedelta(minutes=1)) for _ in range(2))
    await player.battle(A)
    assert await one.boards.refresh()
    for _ in range(3):
        await player.battle(B)
        assert not await one.boards.refresh()
        assert not await two.boards.refresh()
    assert await redis.pttl(TURN) > 30_000
    await redis.delete(TURN)
    await wait_until(two.boards.refresh)  # four times as long as the fit before took
    assert await votes_on(one) == 4


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock is 30 s later."""
    times = iter(range(0, 10_000, 30))
    monkeypatch.setattr(cache, "monotonic", lambda: float(next(times)))


async def test_after_a_long_fit_new_votes_wait_for_long_and_who_looks_at_a_board_does_not(
    start: Callable[..., Worker], player: Player, redis: Redis, slow: None
) -> None:
    worker = start(running=False)
    await player.battles(A, B, language="fr")
    assert await worker.boards.refresh()
    assert 25_000 < await redis.pttl(TURN) <= 120_000
    await redis.delete(TURN)
    await player.battle(B)
    assert not await worker.boards.refresh()

    response = await worker.get(language="fr")

    assert (response.status_code, response.json()["leaderboard"]) == (202, [])
    assert int(response.headers["Retry-After"]) == response.json()["retry_after_s"] == 60
    assert await worker.boards.refresh()
    assert (await worker.board(language="fr"))["counts"]["votes"] == 2
    assert await votes_on(worker) == 3


async def test_a_board_with_filters_that_is_not_there_in_time_is_promised(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    await player.battles(A, B, language="fr")
    worker = start(running=False, patience=timedelta(seconds=0.2))
    await worker.boards.refresh()
    response = await worker.get(language="fr")
    assert (response.status_code, response.json()["state"]) == (202, "being_made")
    assert response.headers["Retry-After"] == "1"
    await redis.delete(TURN)
    assert await worker.boards.refresh()
    assert (await worker.board(language="fr"))["method"]["language"] == "fr"


async def test_a_board_that_cannot_be_made_takes_no_other_from_anybody(
    start: Callable[..., Worker], player: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = making.board_body

    def broken(gathered: Gathered, query: LeaderboardQuery, speed: tuple[SpeedRow, ...] = ()) -> bytes:
        if query.language == "fr":
            raise ZeroDivisionError
        return made(gathered, query, speed)

    monkeypatch.setattr(making, "board_body", broken)
    await player.battles(A, B, language="fr")
    worker = start()
    response = await worker.get(language="fr")
    assert (response.status_code, response.json()["code"]) == (503, "board_failed")
    assert await votes_on(worker) == 2
    await player.battles(A)
    await wait_until(lambda: votes_of_three(worker))


async def test_verdicts_of_a_running_battle_move_nothing_until_it_ends(
    start: Callable[..., Worker], player: Player
) -> None:
    await player.battles(A, B)
    worker = start()
    before = (await worker.get()).content
    made = worker.boards.made
    running = await player.battle(A, "x", "y", "z", end=Status.RUNNING)
    await wait_until(lambda: worker.boards.made > made)
    assert (await worker.get()).content == before

    await player.end(running)
    await wait_until(lambda: votes_of_three(worker))


async def votes_of_three(worker: Worker) -> bool:
    return await votes_on(worker) == 3


async def test_a_worker_that_dies_in_its_turn_holds_up_the_others_for_its_term_only(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    await player.battles(A, B)
    await redis.set(TURN, "somebody who died", px=500)
    assert await votes_on(start()) == 2


@pytest.mark.parametrize("query", [{}, {"language": "fr"}, {"ties": "davidson"}])
async def test_while_the_first_board_is_made_all_boards_are_promised(
    start: Callable[..., Worker], redis: Redis, query: dict[str, str]
) -> None:
    await redis.set(TURN, "somebody slow", px=20_000)
    response = await start(patience=timedelta(seconds=0.2)).get(**query)
    assert (response.status_code, response.json()["state"]) == (202, "being_made")
    assert (response.headers["Retry-After"], response.json()["leaderboard"]) == ("5", [])


async def test_while_the_first_board_is_made_the_speed_board_and_the_statistics_are_promised(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    await player.battles(A, B)
    await redis.set(TURN, "somebody slow", px=20_000)
    worker = start(patience=timedelta(seconds=0.2))
    speed, statistics = await worker.get(board="speed"), await worker.get("statistics")
    for response in (speed, statistics):
        assert (response.status_code, response.json()["state"]) == (202, "being_made")
        assert (response.headers["Retry-After"], response.headers["Cache-Control"]) == ("5", "no-store")
    assert speed.json()["speed"] == []
    counted = statistics.json()
    assert (counted["completed_battles"], counted["votes"], counted["leaderboard"]) == (2, 0, [])
    await redis.delete(TURN)
    await wait_until(lambda: worker.boards.made > 0)
    response = await worker.get("statistics")
    assert (response.status_code, response.json()["votes"]) == (200, 2)


async def test_without_redis_there_is_no_board_and_with_it_there_is_again(
    start: Callable[..., Worker], player: Player, redis_server: RedisServer
) -> None:
    await player.battles(A, B)
    worker = start(redis=redis_server.url)
    assert await votes_on(worker) == 2
    redis_server.kill()
    response = await worker.get()
    assert (response.status_code, response.json()["code"]) == (503, "redis_away")
    redis_server.restart()
    assert await votes_on(worker) == 2


async def test_boards_that_nobody_looks_at_any_more_are_no_longer_made(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    await player.battles(A, categories=("code",))
    worker = start()
    await worker.board(category="code")
    assert len(await redis.hkeys("arena:board")) == 7
    await redis.delete("arena:board:wanted")
    made = worker.boards.made
    await player.battles(B)
    await wait_until(lambda: worker.boards.made > made)
    assert len(await redis.hkeys("arena:board")) == 6


async def test_what_another_version_left_in_redis_is_made_anew(
    start: Callable[..., Worker], player: Player, redis: Redis
) -> None:
    await player.battles(A, B)
    worker = start()
    assert await votes_on(worker) == 2
    older, mark = "[null,null,[],[]]", await redis.hget("arena:board", "mark")
    assert mark
    async with redis.pipeline() as pipeline:
        pipeline.delete("arena:board")
        pipeline.hset("arena:board", mapping={"mark": mark, older: b"{}"})
        pipeline.expire("arena:board", timedelta(hours=1))
        pipeline.zadd("arena:board:wanted", {older: time()})
        pipeline.expire("arena:board:wanted", timedelta(minutes=10))
        await pipeline.execute()
    assert await votes_on(worker) == 2


class CheckedBoards(CountedBoards):
    """Boards that count how often they checked whether one is to be made."""

    checks = 0

    async def _asked_in_time(self) -> bool:
        self.checks += 1
        return await super()._asked_in_time()


async def test_an_arena_without_votes_makes_no_board_until_somebody_asks_for_one(
    redis: Redis, database: Database
) -> None:
    boards = CheckedBoards(redis, database, every=QUICK)
    running = asyncio.create_task(boards.run(), name="board")
    try:
        await wait_until(lambda: boards.checks >= 3)
        assert boards.made == 0
        board = await boards.board()
        assert isinstance(board, bytes)
        assert orjson.loads(board)["leaderboard"] == []
    finally:
        await cancel_and_wait(running)
    assert boards.made == 1
