"""The client of a serving process against a real server: one connection for all commands, and what it does without."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError, NoScriptError, ResponseError, TimeoutError

from app.redis.client import shared_client
from app.redis.shared import SharedRedis
from tests.helpers import wait_until
from tests.redis.server import RedisServer


@pytest.fixture
async def shared(redis_url: str) -> AsyncIterator[SharedRedis]:
    async with sharing(redis_url) as client:
        await is_shared(client)
        yield client


def sharing(url: str) -> SharedRedis:
    client = shared_client(url)
    assert isinstance(client, SharedRedis)
    return client


async def is_shared(client: SharedRedis) -> None:
    """Wait until the shared connection is there; before that redis-py's pool answers."""

    async def there() -> bool:
        assert await client.ping() is True
        return client._shared is not None and client._shared.open

    await wait_until(there)


async def connections(client: Redis) -> int:
    return int((await client.info("clients"))["connected_clients"])


async def test_replies_are_what_redis_py_makes_of_them(shared: SharedRedis) -> None:
    assert await shared.set("key", "wert ä", ex=60) is True
    assert await shared.get("key") == "wert ä".encode()
    assert await shared.get("none") is None
    assert await shared.hset("hash", mapping={"a": 1, "b": 2.5}) == 2
    assert await shared.hgetall("hash") == {b"a": b"1", b"b": b"2.5"}
    assert await shared.expire("hash", 60) is True
    assert 0 < await shared.pttl("key") <= 60_000
    assert (await shared.info("server"))["redis_version"]
    assert await shared.zadd("set", {"a": 1.0}) == 1
    assert await shared.zrange("set", 0, -1, withscores=True) == [(b"a", 1.0)]
    await shared.expire("set", 60)


async def test_a_burst_is_answered_over_the_one_connection(shared: SharedRedis) -> None:
    before = await connections(shared)
    replies: list[Any] = await asyncio.gather(*(shared.echo(f"{number} {'x' * number}") for number in range(500)))
    assert replies == [f"{number} {'x' * number}".encode() for number in range(500)]
    assert await connections(shared) == before


async def test_an_error_is_the_callers_alone(shared: SharedRedis) -> None:
    await shared.set("key", "value", ex=60)
    calls: list[Any] = [
        shared.get("key"), shared.hget("key", "field"), shared.evalsha("0" * 40, 0), shared.get("key")
    ]  # fmt: skip
    first, wrong, unknown, last = await asyncio.gather(*calls, return_exceptions=True)
    assert first == last == b"value"
    assert isinstance(wrong, ResponseError)
    assert isinstance(unknown, NoScriptError)
    script = shared.register_script("return {ARGV[1], 7}")
    assert await script(args=[b"\x00\xff"]) == [b"\x00\xff", 7]


async def test_who_cancels_a_command_disturbs_nobody(shared: SharedRedis) -> None:
    before = shared._shared
    tasks = [asyncio.ensure_future(shared.echo(str(number))) for number in range(10)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    replies = await asyncio.gather(*tasks, return_exceptions=True)
    assert [reply for reply in replies if isinstance(reply, bytes)] == [b"1", b"3", b"5", b"7", b"9"]
    assert sum(isinstance(reply, asyncio.CancelledError) for reply in replies) == 5
    assert await shared.echo("after") == b"after"
    assert shared._shared is before


async def test_a_command_whose_connection_is_lost_is_sent_again_and_the_next_connection_is_shared_too(
    shared: SharedRedis, redis: Redis
) -> None:
    await shared.set("key", "value", ex=60)
    lost = shared._shared
    assert lost is not None
    reading = asyncio.ensure_future(shared.get("key"))
    await asyncio.sleep(0)
    lost._transport.abort()
    assert await reading == b"value"
    assert not lost.open
    assert await shared.get("key") == b"value"
    await is_shared(shared)
    assert shared._shared is not lost


async def test_a_dead_server_is_told_by_the_pool_and_its_return_is_noticed(redis_server: RedisServer) -> None:
    async with sharing(redis_server.url) as client:
        await is_shared(client)
        redis_server.kill()
        with pytest.raises(ConnectionError):
            await client.get("key")
        redis_server.restart(empty=True)
        assert await client.get("key") is None
        await is_shared(client)


async def test_a_server_that_hangs_fails_all_that_waits_in_time_and_is_asked_anew(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SharedRedis, "limit_s", 0.2)
    async with sharing(redis_server.url) as client:
        await is_shared(client)
        redis_server.freeze()
        replies = await asyncio.gather(client.get("one"), client.get("two"), return_exceptions=True)
        assert all(isinstance(reply, TimeoutError) for reply in replies)
        redis_server.thaw()
        assert await client.get("one") is None
        await is_shared(client)


async def test_a_closed_client_leaves_no_connection_and_no_task(redis_url: str, redis: Redis) -> None:
    before = await connections(redis)
    client = sharing(redis_url)
    await is_shared(client)
    pending = asyncio.ensure_future(client.echo("x"))
    await asyncio.sleep(0)
    await client.aclose()
    await asyncio.gather(pending, return_exceptions=True)

    async def gone() -> bool:
        return await connections(redis) == before

    await wait_until(gone)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "redis shared connection"]
