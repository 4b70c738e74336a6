"""The shared fixtures do what their docstrings say."""

import asyncio
from time import monotonic

import pytest
from redis.asyncio import Redis

from app.redis.client import UNAVAILABLE, commands_client
from tests.helpers import MachineTime, wait_until
from tests.redis.server import RedisServer


@pytest.mark.parametrize("turn", [1, 2])
async def test_the_shared_redis_is_empty_for_every_test(redis: Redis, turn: int) -> None:
    assert await redis.dbsize() == 0
    await redis.set("left", turn)


async def test_a_key_with_a_ttl_passes_the_check(redis: Redis, no_key_without_ttl: None) -> None:
    await redis.set("arena:{b}", "document", ex=60)
    await redis.set("arena:attempts", 1)
    await redis.set("other", 1)
    assert sorted(await redis.keys()) == [b"arena:attempts", b"arena:{b}", b"other"]


async def test_a_killed_server_comes_back_empty_or_with_its_data(redis_server: RedisServer) -> None:
    client = commands_client(redis_server.url)
    await client.set("key", "value")
    redis_server.kill()
    with pytest.raises(UNAVAILABLE):
        await client.get("key")
    redis_server.restart(empty=False)
    assert await client.get("key") == b"value"
    redis_server.restart(empty=True)
    assert await client.get("key") is None
    await client.aclose()


async def test_a_frozen_server_answers_when_it_is_thawed(redis_server: RedisServer) -> None:
    client = commands_client(redis_server.url)
    redis_server.freeze()
    reply = asyncio.ensure_future(client.ping())
    await asyncio.sleep(0.1)
    assert not reply.done()
    redis_server.thaw()
    assert await reply is True
    await client.aclose()


async def test_wait_until_returns_the_first_true_answer() -> None:
    answers = iter([0, None, 3])
    assert await wait_until(lambda: next(answers)) == 3


async def test_wait_until_takes_coroutines_and_names_what_never_came() -> None:
    async def never() -> bool:
        return False

    with pytest.raises(AssertionError, match="never"):
        await wait_until(never, timeout=0.05)


async def test_machine_time_passes_and_is_never_more_than_the_clocks() -> None:
    began = monotonic()
    with MachineTime() as machine:
        await wait_until(lambda: machine.seconds > 0.05)
    assert machine.seconds <= monotonic() - began
