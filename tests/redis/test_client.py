"""The Redis clients against a real server that dies, hangs and comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError

from app.errors import ConfigurationError, Unavailable
from app.redis.client import (
    COMMAND_TIMEOUT,
    MAX_CONNECTIONS,
    UNAVAILABLE,
    check_redis,
    commands_client,
    subscriber_client,
)
from tests.helpers import MachineTime, wait_until
from tests.redis.server import RedisServer


class ServerThatSays:
    """Answers INFO, as ``check_redis`` asks it."""

    def __init__(self, **info: Any) -> None:
        self._info = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", **info}

    async def info(self, section: str) -> dict[str, Any]:
        return self._info


async def test_replies_are_bytes(redis: Redis) -> None:
    await redis.set("key", "wert ä")
    assert await redis.get("key") == "wert ä".encode()


async def test_a_burst_waits_for_a_connection_instead_of_failing(redis: Redis) -> None:
    replies = await asyncio.gather(*(redis.incr("count") for _ in range(MAX_CONNECTIONS * 10)))
    assert len(set(replies)) == MAX_CONNECTIONS * 10
    assert (await redis.info("clients"))["connected_clients"] <= MAX_CONNECTIONS + 1


async def test_a_command_whose_connection_was_closed_is_sent_again(redis: Redis) -> None:
    await redis.set("key", "value")
    other = Redis.from_pool(redis.connection_pool)
    await redis.client_kill_filter(_type="normal", skipme=True)
    assert await other.get("key") == b"value"


async def test_a_dead_server_is_told_at_once_and_its_return_is_noticed(redis_server: RedisServer) -> None:
    async with commands_client(redis_server.url) as client:
        await client.set("key", "value")
        redis_server.kill()
        with MachineTime() as took, pytest.raises(ConnectionError):
            await client.get("key")
        assert took.seconds < 4
        redis_server.restart(empty=False)
        assert await client.get("key") == b"value"


async def test_a_server_that_hangs_costs_its_time_out_once(redis_server: RedisServer) -> None:
    async with commands_client(redis_server.url) as client, subscriber_client(redis_server.url) as subscriber:
        await client.ping()
        redis_server.freeze()
        async with subscriber.pubsub() as news:
            with MachineTime() as took:
                errors = await asyncio.gather(client.get("key"), news.subscribe("arena:news"), return_exceptions=True)
            assert all(isinstance(error, UNAVAILABLE) for error in errors)
            assert took.seconds < 2 * COMMAND_TIMEOUT.total_seconds()
            redis_server.thaw()
            assert await client.ping() is True


@pytest.mark.parametrize("connected", [True, False])
async def test_a_task_that_is_cancelled_in_a_command_ends_at_whatever_moment(redis_url: str, connected: bool) -> None:
    for steps in range(40):
        async with commands_client(redis_url) as client:
            if connected:
                await client.ping()
            task = asyncio.ensure_future(client.set("key", "value"))
            for _ in range(steps):
                await asyncio.sleep(0)
            if task.done():
                return
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    raise AssertionError("the command was never done")


async def test_a_port_where_nobody_listens_is_away() -> None:
    async with commands_client("redis://127.0.0.1:1/0") as client:
        with pytest.raises(UNAVAILABLE):
            await client.ping()


async def test_a_subscription_waits_longer_than_a_command_may(redis_url: str, redis: Redis) -> None:
    client = subscriber_client(redis_url)
    assert client.connection_pool.connection_kwargs["socket_timeout"] is None
    async with client, client.pubsub(ignore_subscribe_messages=True) as news:
        await news.subscribe("arena:news")
        assert await news.get_message(timeout=0.05) is None
        await wait_until(lambda: redis.publish("arena:news", b"\x00\xff"))
        message = await wait_until(lambda: news.get_message(timeout=1))
        assert isinstance(message, dict)
        assert message["data"] == b"\x00\xff"


async def test_a_subscription_is_made_again_after_its_connection_was_closed(redis_url: str, redis: Redis) -> None:
    async with subscriber_client(redis_url) as client, client.pubsub(ignore_subscribe_messages=True) as news:
        await news.subscribe("arena:news")
        await wait_until(lambda: redis.publish("arena:news", "first"))
        await wait_until(lambda: news.get_message(timeout=1))
        await redis.client_kill_filter(_type="pubsub")

        async def heard() -> object:
            await redis.publish("arena:news", "second")
            try:
                return await news.get_message(timeout=0.1)
            except UNAVAILABLE:
                return None

        message = await wait_until(heard)
        assert isinstance(message, dict)
        assert message["data"] == b"second"


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://:secret@host/0", "redis://:secret@host:port/0"])
def test_a_url_that_makes_no_sense_is_said_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="redis://host:6379/0") as caught:
        commands_client(url)
    assert "secret" not in caught.value.sentence


@pytest.mark.parametrize("secret", ["pa/ss", "pa?ss", "pa#ss", "pa@ss", "pa[ss"])
def test_a_password_that_is_not_escaped_never_connects_elsewhere(secret: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^REDIS_URL: .*percent-encode") as caught:
        commands_client(f"redis://:{secret}@cache:6379/0")
    assert "ss" not in caught.value.sentence.split("password")[0]


@pytest.mark.parametrize("url", ["redis://:secret@", "redis://:6379/0", "redis://me:secret@:6379"])
def test_a_url_without_a_host_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL names no host"):
        commands_client(url)


@pytest.mark.parametrize("url", ["redis://cache/main", "redis://cache/0/1", "redis://cache:6379/x"])
def test_a_database_that_is_no_number_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="number of a database"):
        commands_client(url)


def test_a_word_that_no_connection_knows_is_named() -> None:
    with pytest.raises(ConfigurationError, match="REDIS_URL: a connection to Redis knows no ssl_mode"):
        commands_client("redis://cache/0?ssl_mode=require")


async def test_a_good_server_has_no_warnings(redis: Redis) -> None:
    assert await check_redis(redis) == []


async def test_a_server_that_evicts_gets_a_warning_with_the_remedy(redis_server: RedisServer) -> None:
    async with commands_client(redis_server.url) as client:
        await client.config_set("maxmemory-policy", "volatile-lru")
        (warning,) = await check_redis(client)
    assert "volatile-lru" in warning
    assert "set maxmemory-policy to noeviction" in warning


@pytest.mark.parametrize("version", ["6.0.16", "5.0.14", "2.8.2402", ""])
async def test_a_server_older_than_6_2_is_refused(version: str) -> None:
    with pytest.raises(ConfigurationError, match=r"too old; use 6\.2 or newer"):
        await check_redis(ServerThatSays(redis_version=version))  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["6.2.0", "7.0.15", "8.6.1", "10.0.0"])
async def test_newer_servers_are_accepted(version: str) -> None:
    assert await check_redis(ServerThatSays(redis_version=version)) == []  # type: ignore[arg-type]


async def test_a_wrong_password_is_a_matter_of_configuration(redis_server: RedisServer) -> None:
    async with commands_client(redis_server.url) as client:
        await client.config_set("requirepass", "right")
    for url in (redis_server.url, f"{redis_server.url}?password=wrong"):
        async with commands_client(url) as client:
            with pytest.raises(ConfigurationError, match="REDIS_PASSWORD"):
                await check_redis(client)
    async with commands_client(f"{redis_server.url}?password=right") as client:
        assert await check_redis(client) == []


async def test_a_server_that_is_away_is_unavailable_and_may_come_back(redis_server: RedisServer) -> None:
    async with commands_client(redis_server.url) as client:
        redis_server.kill()
        with pytest.raises(Unavailable, match="REDIS_URL"):
            await check_redis(client)
        redis_server.start()
        assert await check_redis(client) == []


@pytest.mark.parametrize(
    ("url", "kind"),
    [("redis://host", Connection), ("rediss://host", SSLConnection), ("unix:///s", UnixDomainSocketConnection)],
)
def test_every_kind_of_url_gets_connections_with_limits(url: str, kind: type[Connection]) -> None:
    for client in (commands_client(url), subscriber_client(url)):
        connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        assert isinstance(connection, kind)
        assert type(connection) is not kind
        assert connection.socket_timeout is None  # or redis-py adds its own, which swallows cancellations
        assert connection.socket_connect_timeout == 2


async def test_who_waits_for_a_connection_is_not_overtaken(redis_url: str) -> None:
    client = commands_client(redis_url)
    turns = [0] * 3 * MAX_CONNECTIONS

    async def come_again(number: int) -> None:
        while sum(turns) < 20 * len(turns):
            await client.ping()
            turns[number] += 1

    await asyncio.gather(*(come_again(number) for number in range(len(turns))))
    await client.aclose()

    assert max(turns) - min(turns) <= 5, turns
