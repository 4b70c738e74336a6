"""What is counted reaches the sums of all workers, once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from app.metrics.counters import SUMS_KEY, Counters, read_sums
from app.redis.client import commands_client
from app.timing.stopwatch import Timing
from tests.helpers import wait_until
from tests.redis.server import RedisServer

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

QUICK = Timing(queue_s=0.02, load_s=0.0, ttft_s=0.25, total_s=4.2, tokens=200, tokens_per_s=55.0)
ANSWERED = ("arena_answers_total", "gpu-1", "zircon:8b", "stop", "")


def answer(tally: Counters, reason: str = "stop", timing: Timing = QUICK, **more: Any) -> None:
    tally.answered("gpu-1", "zircon:8b", reason, "", timing, **more)


def lose_replies(monkeypatch: pytest.MonkeyPatch, redis: Redis, losses: int) -> None:
    """The commands are executed, their replies are lost, ``losses`` times."""
    send: Callable[..., Awaitable[Any]] = redis.execute_command
    left = iter(range(losses))

    async def lossy(*args: bytes | int | str, **options: Any) -> Any:
        reply = await send(*args, **options)
        if next(left, None) is not None:
            raise ConnectionError("the reply was lost")
        return reply

    monkeypatch.setattr(redis, "execute_command", lossy)


async def test_the_sums_of_two_workers_are_one(redis: Redis) -> None:
    one, two = Counters(redis), Counters(redis)
    for tally in (one, two, two):
        answer(tally)
    assert await one.flush()
    assert await two.flush()
    sums = await read_sums(redis)
    assert sums[ANSWERED] == 3
    assert sums[("arena_answer_tokens_total", "gpu-1", "zircon:8b")] == 600
    assert sums[("arena_ttft_seconds", "gpu-1", "zircon:8b", "0.3")] == 3
    assert sums[("arena_ttft_seconds", "gpu-1", "zircon:8b", "sum")] == pytest.approx(0.75)


async def test_a_flush_whose_reply_was_lost_is_not_counted_twice(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    tally = Counters(redis)
    answer(tally)
    lose_replies(monkeypatch, redis, 2)
    assert not await tally.flush()
    answer(tally)
    assert not await tally.flush()
    assert await tally.flush()
    assert (await read_sums(redis))[ANSWERED] == 2
    assert not tally.counted


async def test_a_flush_that_arrives_after_a_later_one_changes_nothing(redis: Redis) -> None:
    tally = Counters(redis, new_id=lambda: "same")
    for _ in range(3):
        answer(tally)
        await tally.flush()
    late = Counters(redis, new_id=lambda: "same")
    answer(late)
    await late.flush()
    assert (await read_sums(redis))[ANSWERED] == 3


async def test_what_is_counted_while_redis_is_away_is_kept(redis_server: RedisServer) -> None:
    redis = commands_client(redis_server.url)
    tally = Counters(redis)
    redis_server.kill()
    for _ in range(2):
        answer(tally)
        assert not await tally.flush()
    redis_server.start()
    await wait_until(tally.flush)
    assert (await read_sums(redis))[ANSWERED] == 2
    await redis.aclose()


async def test_it_flushes_by_itself_and_at_its_end(redis: Redis) -> None:
    tally = Counters(redis, every=timedelta(milliseconds=20))
    running = asyncio.create_task(tally.run())
    answer(tally)

    async def summed(count: int) -> bool:
        return (await read_sums(redis)).get(ANSWERED) == count

    await wait_until(lambda: summed(1))
    answer(tally)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await summed(2)


async def test_the_sums_live_for_thirty_days_after_the_last_flush(redis: Redis) -> None:
    tally = Counters(redis)
    tally.taken_over("gpu-1")
    await tally.flush()
    assert 29 * 86400 < await redis.ttl(SUMS_KEY) <= 30 * 86400


async def test_without_redis_everything_is_kept_for_a_simulation() -> None:
    tally = Counters()
    answer(tally)
    await tally.run()
    assert not await tally.flush()
    answer(tally, "error", Timing(queue_s=0.1))
    assert tally.counted[ANSWERED] == 1
    assert tally.counted[("arena_answers_total", "gpu-1", "zircon:8b", "error", "")] == 1


def test_only_complete_answers_are_measured_to_their_end() -> None:
    tally = Counters()
    answer(tally, "cancelled")
    names = {series[0] for series in tally.counted}
    assert "arena_ttft_seconds" in names
    assert not names & {"arena_answer_seconds", "arena_tokens_per_second"}


def test_a_figure_that_is_none_is_not_measured() -> None:
    tally = Counters()
    for figure in (math.nan, math.inf, -1.0):
        tally.loaded("gpu-1", "zircon:8b", figure, prewarm=True)
    assert not tally.counted


def test_marks_and_moves_are_counted() -> None:
    tally = Counters()
    answer(tally, timing=Timing(cold=True), fallback=True)
    tally.loaded("gpu-1", "zircon:8b", 8.0, prewarm=False)
    tally.unloaded("gpu-1", "zircon:8b")
    tally.happened("gpu-1", "host_down")
    tally.moved("gpu-1", "gpu-2")
    tally.opened()
    tally.ended("stopped")
    tally.voted("tie")
    assert set(tally.counted) >= {
        ("arena_fallback_answers_total", "gpu-1"),
        ("arena_cold_answers_total", "gpu-1", "zircon:8b"),
        ("arena_load_seconds", "gpu-1", "zircon:8b", "no", "10.0"),
        ("arena_unloads_total", "gpu-1", "zircon:8b"),
        ("arena_host_events_total", "gpu-1", "host_down"),
        ("arena_failovers_total", "gpu-1", "gpu-2"),
        ("arena_battles_opened_total",),
        ("arena_battles_ended_total", "stopped"),
        ("arena_votes_total", "tie"),
    }


def test_who_was_drawn_is_counted_by_model_and_by_pair() -> None:
    counters = Counters()
    counters.drawn(("b", "a", "c"))
    counters.drawn(("a", "b"))
    counters.ended("finished", warm=True)
    counters.ended("finished")
    assert counters.counted == {
        ("arena_drawn_total", "a"): 2,
        ("arena_drawn_total", "b"): 2,
        ("arena_drawn_total", "c"): 1,
        ("arena_drawn_pairs_total", "a", "b"): 2,
        ("arena_drawn_pairs_total", "a", "c"): 1,
        ("arena_drawn_pairs_total", "b", "c"): 1,
        ("arena_battles_ended_total", "finished"): 2,
        ("arena_warm_battles_total",): 1,
    }
