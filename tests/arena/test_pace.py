"""An even pace: nothing that viewers are shown of one side is ahead of the other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from app.arena.sink import COARSE_S, coarse
from app.arena.store import RATE, STEP, AnswerUpdate, Pace
from app.battle.battle import Side, Verdict
from app.errors import Conflict, NotFound
from app.redis.client import commands_client
from tests.arena.arena_on_redis import ArenaOnRedis
from tests.examples import examples
from tests.redis.server import RedisServer

pytestmark = pytest.mark.usefixtures("no_key_without_ttl")

LONG = "It is because air scatters blue light more than red. " * 20


async def opened(redis: Redis, count: int = 2) -> tuple[ArenaOnRedis, str]:
    """A battle whose first two answers are being written."""
    arena = ArenaOnRedis(redis, pace="even")
    battle = (await arena.open(count)).battle_id
    for answer in (0, 1):
        await arena.begin(battle, answer)
    return arena, battle


async def sent(arena: ArenaOnRedis, battle: str, after: int = 3) -> list[str]:
    """What viewers were sent since, as ``event side``."""
    entries = await arena.store.entries(battle, after)
    return [f"{entry.event.decode()} {orjson.loads(entry.data).get('side', '')}".strip() for entry in entries]


async def texts(arena: ArenaOnRedis, battle: str) -> tuple[str, str]:
    sides = (await arena.manager.snapshot(battle)).to_dict()["sides"]
    return sides["a"]["text"], sides["b"]["text"]


async def test_the_first_words_of_both_sides_come_together(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, LONG)
    assert await sent(arena, b) == []
    assert await texts(arena, b) == ("", "")
    await arena.write(b, 1, "Blue light")
    assert await sent(arena, b) == ["status a", "delta a", "status b", "delta b"]
    assert await texts(arena, b) == (LONG[:STEP], "Blue light"[:STEP])


async def test_an_end_is_told_when_both_have_ended_and_then_all_is_shown_at_once(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, LONG)
    await arena.write(b, 1, "Blue")
    await arena.write(b, 0, "", "stop")
    side = (await arena.manager.snapshot(b)).to_dict()["sides"]["a"]
    assert (side["state"], side["finish_reason"], side["text"]) == ("writing", None, "It i")
    assert "answer a" not in await sent(arena, b)
    await arena.write(b, 1, " light", "stop")
    assert await texts(arena, b) == (LONG, "Blue light")
    assert (await sent(arena, b))[-4:] == ["delta a", "delta b", "answer a", "answer b"]
    await arena.reconciler.reconcile(b)
    assert (await arena.manager.snapshot(b)).can_vote


async def test_it_goes_on_no_faster_than_one_rate_however_fast_both_are(redis: Redis) -> None:
    arena, b = await opened(redis)
    for _ in range(20):
        await arena.write(b, 0, LONG)
        await arena.write(b, 1, LONG)
    before = await redis.hget(f"arena:{{{b}}}", "paced")
    shown = await texts(arena, b)
    assert len(shown[0]) == len(shown[1]) < len(LONG)
    await redis.hset(f"arena:{{{b}}}", "paced", int(before or 0) - 2000)
    await arena.write(b, 0, "more")
    later = await texts(arena, b)
    assert len(later[0]) == len(later[1])
    assert 2 * RATE <= len(later[0]) - len(shown[0]) < 10 * RATE


async def test_a_character_is_never_cut_in_two(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, "\u00e9\u4f60\U0001f600" * 10)
    await arena.write(b, 1, "\u4f60" * 30)
    assert await texts(arena, b) == (("\u00e9\u4f60\U0001f600" * 10)[:STEP], "\u4f60" * STEP)


async def test_a_side_that_failed_is_replaced_and_the_other_keeps_what_was_shown(redis: Redis) -> None:
    arena, b = await opened(redis, 3)
    await arena.write(b, 0, LONG)
    await arena.write(b, 1, "Blue light")
    await arena.write(b, 1, "", "error", "cut_off")
    assert (await sent(arena, b))[-1] == "answer b"
    await arena.reconciler.reconcile(b)
    snapshot = (await arena.manager.snapshot(b)).to_dict()
    assert snapshot["sides"]["b"]["alias"] == "Model C"
    assert (snapshot["sides"]["a"]["text"], snapshot["sides"]["b"]["text"]) == (LONG[:STEP], "")
    await arena.begin(b, 2)
    await arena.write(b, 2, "It scatters", "stop")
    await arena.write(b, 0, "", "stop")
    assert await texts(arena, b) == (LONG, "It scatters")


async def test_an_answer_that_is_written_again_starts_the_pace_anew(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, LONG)
    await arena.write(b, 1, LONG)
    await arena.begin(b, 1)
    assert (await sent(arena, b))[-1] == "reset b"
    await arena.write(b, 1, "Again, from the start")
    assert (await texts(arena, b))[1] in ("", "Again, f")
    await arena.write(b, 1, "", "stop")
    await arena.write(b, 0, "", "stop")
    assert await texts(arena, b) == (LONG, "Again, from the start")


async def test_a_stop_shows_what_was_written(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, LONG, "stop")
    await arena.write(b, 1, "Blue")
    sides = (await arena.manager.stop(b)).to_dict()["sides"]
    assert (sides["a"]["text"], sides["a"]["finish_reason"]) == (LONG, "stop")
    assert (sides["b"]["text"], sides["b"]["finish_reason"]) == ("Blue", "cancelled")
    assert (await sent(arena, b))[-1] == "end"


async def test_a_prefetched_answer_comes_whole_and_a_champion_too(redis: Redis) -> None:
    arena = ArenaOnRedis(redis, pace="even")
    b = (await arena.open(3)).battle_id
    for answer in (0, 1, 2):
        await arena.answer(b, answer, f"{answer} {LONG}")
    await arena.manager.vote(b, 1, Verdict.A)
    assert await texts(arena, b) == (f"0 {LONG}", f"2 {LONG}")
    assert (await arena.manager.snapshot(b)).can_vote


async def test_one_side_is_shown_whole_to_who_asks_for_it_and_the_other_goes_on_as_before(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, LONG, "stop")
    assert await sent(arena, b) == []
    shown = (await arena.manager.show_whole(b, 1, Side.A)).to_dict()["sides"]
    assert (shown["a"]["text"], shown["a"]["state"], shown["b"]["text"]) == (LONG, "done", "")
    assert await sent(arena, b) == ["status a", "delta a", "answer a"]
    await arena.manager.show_whole(b, 1, Side.A)
    await arena.write(b, 1, LONG)
    assert (await sent(arena, b))[3:] == ["status b", "delta b"]
    assert await texts(arena, b) == (LONG, LONG[:STEP])


async def test_a_side_that_is_not_complete_is_shown_as_it_comes_from_then_on(redis: Redis) -> None:
    arena, b = await opened(redis)
    await arena.write(b, 0, "It is")
    await arena.manager.show_whole(b, 1, Side.A)
    await arena.write(b, 0, " because")
    await arena.write(b, 1, "Blue light", "stop")
    assert await texts(arena, b) == ("It is because", "Blue light"[:STEP])
    side = (await arena.manager.snapshot(b)).to_dict()["sides"]["b"]
    assert side["state"] == "writing", "of the other side no end is told before both have one"
    await arena.write(b, 0, " air", "stop")
    assert (await sent(arena, b))[-4:] == ["delta a", "delta b", "answer a", "answer b"]


async def test_a_side_that_was_asked_for_may_fail_and_who_comes_in_is_not_shown_ahead(redis: Redis) -> None:
    arena, b = await opened(redis, 3)
    await arena.manager.show_whole(b, 1, Side.B)
    await arena.write(b, 1, "Blue")
    await arena.write(b, 1, "", "error", "cut_off")
    assert (await sent(arena, b))[-2:] == ["delta b", "answer b"]
    await arena.reconciler.reconcile(b)
    await arena.begin(b, 2)
    await arena.write(b, 2, LONG)
    assert await texts(arena, b) == ("", "")


async def test_only_a_round_on_stage_can_be_shown_whole(redis: Redis) -> None:
    arena, b = await opened(redis, 3)
    with pytest.raises(Conflict, match="round 2 is not on stage"):
        await arena.manager.show_whole(b, 2, Side.A)
    await arena.manager.stop(b)
    before = await arena.store.entries(b, 0)
    await arena.manager.show_whole(b, 1, Side.A)
    assert await arena.store.entries(b, 0) == before
    with pytest.raises(NotFound):
        await arena.manager.show_whole("0" * 32, 1, Side.A)


async def test_both_sides_are_told_the_same_wait(redis: Redis) -> None:
    arena = ArenaOnRedis(redis, pace="even")
    b = (await arena.open(2)).battle_id
    waits = [
        AnswerUpdate(b, "", 0, 0, 0, state="queued", extra=',"place":1,"eta_s":10'),
        AnswerUpdate(b, "", 1, 0, 0, state="queued", extra=',"eta_s":30'),
    ]
    await arena.store.write(waits)
    entries = [orjson.loads(entry.data) for entry in await arena.store.entries(b, 3)]
    by_side = {side: [one | {"side": ""} for one in entries if one["side"] == side] for side in "ab"}
    assert by_side["a"] == by_side["b"]
    assert entries[-1] == {"round": 1, "side": "b", "state": "queued", "place": 1, "eta_s": 30}
    assert await arena.store.write(waits) == ["ok", "ok"]
    assert len(await arena.store.entries(b, 3)) == len(entries), "what is the same is not told again"


def test_a_wait_is_told_in_coarse_steps() -> None:
    assert [coarse(seconds) for seconds in (1, 10, 11, 45, 5000)] == [10, 10, 20, 60, COARSE_S[-1]]
    assert coarse(None) is None


Written = tuple[float, int, str, str]
"""A second, an answer, what is written then, and how it ends."""


def two_answers(random: Random) -> list[Written]:
    """Answers of different speeds, in virtual time."""
    steps: list[Written] = []
    for answer in (0, 1):
        at, rate = random.uniform(0.1, 5.0), random.uniform(20.0, 400.0)
        for _ in range(random.randint(1, 8)):
            pause = random.uniform(0.05, 1.5)
            at += pause
            steps.append((at, answer, LONG[: max(1, int(rate * pause))], ""))
        steps.append((at, answer, "", "stop"))
    return sorted(steps)


async def told_complete_s(redis: Redis, pace: Pace, steps: Sequence[Written]) -> float:
    """When viewers know that both sides are complete."""
    arena = ArenaOnRedis(redis, pace=pace)
    b, passed = (await arena.open(2)).battle_id, 0.0
    for answer in (0, 1):
        await arena.begin(b, answer)
    for at, answer, text, finish in steps:
        if paced := int(await redis.hget(f"arena:{{{b}}}", "paced") or 0):
            await redis.hset(f"arena:{{{b}}}", "paced", paced - int(1000 * (at - passed)))
        passed = at
        await arena.write(b, answer, text, finish)
        if {"answer a", "answer b"} <= set(await sent(arena, b)):
            return at
    raise AssertionError("an end was not told")


@pytest.mark.parametrize("seed", range(8))
async def test_an_even_pace_adds_nothing_to_the_time_until_both_are_complete(redis: Redis, seed: int) -> None:
    steps = two_answers(Random(seed))
    both_written = max(at for at, _, _, finish in steps if finish)
    assert await told_complete_s(redis, "even", steps) == both_written
    assert await told_complete_s(redis, "live", steps) == both_written


WRITES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(0, 800)), max_size=30)


@settings(max_examples=examples(30))
@given(writes=WRITES)
def test_while_both_are_written_as_many_characters_are_shown_of_each(
    _shared_redis: RedisServer, writes: Sequence[tuple[int, int, int]]
) -> None:
    async def run() -> None:
        redis = commands_client(_shared_redis.url)
        arena, b = await opened(redis)
        for answer, characters, passed_ms in writes:
            paced = await redis.hget(f"arena:{{{b}}}", "paced")
            if int(paced or 0):
                await redis.hset(f"arena:{{{b}}}", "paced", int(paced or 0) - passed_ms)
            await arena.write(b, answer, LONG[:characters])
            a, c = await texts(arena, b)
            assert len(a) == len(c)
        await redis.aclose()

    asyncio.run(run())
