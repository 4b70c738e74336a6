"""What the scripts that ask for the status of Ollama are told of several hosts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest
from fastapi import Request
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from app.errors import Unavailable
from app.hosts.host import Host
from app.process.contestants import AvailableModels
from app.redis.client import commands_client
from app.scheduling.dispatch.router import Router
from app.scheduling.report import HostReport
from app.scheduling.testing.in_memory import MemoryQueue, MemoryReports
from app.settings.settings import HostTable
from app.web.legacy.status import ollama_status
from app.web.shared.fleet import Fleet
from tests.redis.server import RedisServer
from tests.services import fleet_without_hosts, services_with, settings_with
from tests.web.fleets import NOW, QUOKKA, ZIRCON, fleet_of, roster_of

HOSTS = (
    HostTable(name="gpu-1", url="http://someone:secret@10.0.0.5:11434"),
    HostTable(name="gpu-2", url="10.0.0.6"),
)


async def status(
    fleet: Fleet,
    models: tuple[str, ...] = (ZIRCON, QUOKKA),
    wanted: tuple[str, ...] = (ZIRCON, QUOKKA),
    hosts: tuple[HostTable, ...] = HOSTS,
    address: str = "127.0.0.1",
) -> dict[str, Any]:
    async def at_hand() -> tuple[str, ...]:
        if len(models) < 2:
            raise Unavailable("a battle needs two models")
        return models

    settings = settings_with(arena_models=wanted, **{"[[hosts]]": hosts})
    services = services_with(settings, contestants=SimpleNamespace(at_hand=at_hand), fleet=fleet)
    return await ollama_status(request_from(address), services)


def request_from(address: str) -> Request:
    """A call on the arena's machine, or of somebody else."""
    scope = {"type": "http", "http_version": "1.1", "headers": [(b"host", b"127.0.0.1:8000")], "client": (address, 1)}
    return Request(scope)


def up(*hosts: str) -> list[HostReport]:
    return [HostReport(host, NOW) for host in hosts]


async def test_all_hosts_are_told_without_who_logs_in(redis: Redis) -> None:
    reply = await status(await fleet_of(redis, *up("gpu-1", "gpu-2", "gpu-3")))
    assert reply["base_url"] == "http://10.0.0.5:11434, http://10.0.0.6:11434"
    assert reply["recommendation"] == "All models are there; nothing to do."
    assert (await status(fleet_without_hosts(), hosts=HOSTS[1:]))["base_url"] == "http://10.0.0.6:11434"


async def test_only_operators_are_told_the_addresses_of_hosts(redis: Redis) -> None:
    for models in ((ZIRCON, QUOKKA), (ZIRCON,)):
        reply = await status(await fleet_of(redis), models=models, address="192.0.2.7")
        assert reply["base_url"] == ""
        assert "10.0.0" not in str(reply)


async def test_a_dead_host_among_others_is_named_with_what_to_do(redis: Redis) -> None:
    reply = await status(await fleet_of(redis, *up("gpu-1", "gpu-3"), HostReport("gpu-2", NOW, health="down")))
    assert reply["status"] == "healthy"
    assert reply["recommendation"] == "Host gpu-2 does not answer: start Ollama there (ollama serve)."


async def test_what_nobody_drives_is_believed_to_be_as_we_saw_it(redis: Redis) -> None:
    reply = await status(await fleet_of(redis), wanted=(ZIRCON, "numbat:3b"))
    assert reply["recommendation"] == (
        "Host gpu-3 does not answer: start Ollama there (ollama serve). "
        "Run ollama pull numbat:3b on a host, or fix ARENA_MODELS."
    )
    assert reply["arena_models_status"] == {ZIRCON: True, "numbat:3b": False}


async def test_redis_need_not_be_there_to_ask(redis_server: RedisServer) -> None:
    redis = commands_client(redis_server.url)
    fleet = await fleet_of(redis)
    redis_server.kill()
    assert "gpu-3" in (await status(fleet))["recommendation"]
    await redis.aclose()


async def test_what_can_be_drawn_is_what_we_saw_while_redis_is_away() -> None:
    class Away(MemoryReports):
        async def read(self) -> NoReturn:
            raise RedisConnectionError("gone")

    roster = await roster_of()
    queues = {host: MemoryQueue() for host in roster.models_by_host}
    destinations = [Host(host, f"http://{host}") for host in queues]
    hand = AvailableModels(roster, Router(destinations, queues, roster.models_by_host, 10, Away()))
    assert await hand.at_hand() == await roster.at_hand()
    with pytest.raises(RedisConnectionError):
        await hand.room_for([ZIRCON, QUOKKA])


async def test_too_few_models_are_unhealthy_and_no_error_status(redis: Redis) -> None:
    reply = await status(await fleet_of(redis), models=(ZIRCON,))
    assert reply["status"] == "unhealthy"
    assert reply["error"] == reply["recommendation"]
