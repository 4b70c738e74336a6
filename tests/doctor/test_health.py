"""Houses in which nothing is wrong: no false alarm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.simulator.server.server import SimulatorConfig
from tests.doctor.house import TRIO, House
from tests.doctor.servers import ollama, serving
from tests.redis.server import RedisServer

Plant = Callable[[House], Awaitable[None]]


async def three_models_that_fit(house: House) -> None:
    await house.start()


async def nothing_in_memory_yet(house: House) -> None:
    house.loaded = ()
    await house.start()


async def a_card_of_unknown_size(house: House) -> None:
    house.host = {"name": "gpu"}
    await house.start()


async def one_host_by_ollama_host(house: House) -> None:
    await house.start()
    house.settings["ollama_host"] = house.host["url"]


async def names_in_another_spelling(house: House) -> None:
    house.settings["arena_models"] = ("LLAMA3.1:8b", " mistral:7b", "registry.ollama.ai/library/qwen3:8b")
    await house.start()


async def four_slots_as_told(house: House) -> None:
    house.simulator = replace(house.simulator, num_parallel=4)
    house.host["num_parallel"] = 4
    await house.start()


async def a_model_is_being_loaded(house: House) -> None:
    house.reports = False
    house.simulator = replace(house.simulator, load_s=500.0)
    house.loaded = ()
    await house.start()
    loading = asyncio.create_task(house.load(TRIO[2]))
    house.stack.callback(loading.cancel)
    await house.report(loading=TRIO[2], loading_since=house.wall() - 8, load_s={TRIO[2]: 9.0})


async def a_host_that_scales_to_zero(house: House) -> None:
    house.loaded, house.wake = (), timedelta(seconds=5)
    house.host |= {"scale_to_zero": True, "models": [*TRIO]}
    house.settings["arena_keep_alive"] = "5m"
    await house.start()


async def six_models_spread_over_two_cards(house: House) -> None:
    six = (*TRIO, "gemma2:9b", "biomistral:7b", "codellama:7b")
    config = replace(house.simulator, models=six)
    house.settings["arena_models"], house.simulator, house.loaded = six, config, TRIO
    other = await house.simulated(config)
    house.more_hosts = [{"name": "gpu2", "url": other.url, "memory_gb": 24}]
    await house.start()
    await house.report(host="gpu2")


async def a_second_host_as_fallback(house: House) -> None:
    other = await house.simulated(house.simulator)
    house.more_hosts = [{"name": "spare", "url": other.url, "fallback": True}]
    await house.start()
    await house.report(host="spare")


async def an_ollama_built_from_source(house: House) -> None:
    house.simulator = replace(house.simulator, version="0.0.0")
    await house.start()


async def an_ollama_that_tells_no_shapes(house: House) -> None:
    house.host["url"] = f"http://127.0.0.1:{await house.serve(serving(ollama(models=TRIO)))}"
    await house.start()


async def redis_that_forbids_config(house: House) -> None:
    await house.start()
    await house.redis.execute_command("ACL SETUSER plain on nopass ~* &* +@all -config")
    house.redis = house.redis.from_url(f"{house.redis_server.url}?username=plain&password=x")
    house.stack.push_async_callback(house.redis.aclose)


HEALTHY: tuple[Plant, ...] = (
    three_models_that_fit,
    nothing_in_memory_yet,
    a_card_of_unknown_size,
    one_host_by_ollama_host,
    names_in_another_spelling,
    four_slots_as_told,
    a_model_is_being_loaded,
    a_host_that_scales_to_zero,
    six_models_spread_over_two_cards,
    a_second_host_as_fallback,
    an_ollama_built_from_source,
    an_ollama_that_tells_no_shapes,
    redis_that_forbids_config,
)


@pytest.mark.parametrize("plant", HEALTHY, ids=lambda plant: plant.__name__)
async def test_a_healthy_house_has_no_finding(plant: Plant, house: House) -> None:
    await plant(house)
    examination = await house.examined()
    assert [finding.to_dict() for finding in examination.findings] == []
    assert examination.can_battle
    assert len(examination.models) >= 3


async def test_a_house_without_a_card_gets_a_note_and_no_more(house: House) -> None:
    house.simulator = SimulatorConfig(speed=50, card="cpu", models=TRIO)
    house.host = {"name": "gpu"}
    await house.start()
    examination = await house.examined()
    assert [(finding.code, finding.severity) for finding in examination.findings] == [("host_on_cpu", "note")]
    assert examination.can_battle


async def test_before_the_first_start_there_are_notes_only(house: House) -> None:
    house.reports = False
    await house.start()
    examination = await house.examined()
    assert [(finding.code, finding.severity) for finding in examination.findings] == [("nobody_drives", "note")]
    assert examination.can_battle


async def test_nothing_is_loaded_or_generated_by_looking(house: House) -> None:
    house.loaded = ()
    await house.start()
    assert house.sim is not None
    for _ in range(3):
        await house.examined()
    assert house.sim.machine.scheduler.loaded == {}


async def test_it_takes_less_than_three_seconds_though_everything_hangs(
    house: House, redis_server: RedisServer
) -> None:
    house.redis_server = redis_server
    port = await house.serve(serving(None))
    house.host["url"] = f"http://127.0.0.1:{port}"
    await house.start()
    redis_server.freeze()
    try:
        examination = await house.examined()
    finally:
        redis_server.thaw()
    assert {"host_silent", "redis_missing"} <= {finding.code for finding in examination.findings}
    assert examination.took_s < 3.0
    assert not examination.can_battle


async def test_figures_of_an_examination_are_plain_json(house: House) -> None:
    await house.start()
    body: dict[str, Any] = dict((await house.examined()).to_dict())
    assert body["can_battle"] is True
    assert body["hosts"] == ["gpu"]
    assert body["models"] == list(TRIO)
    (table,) = body["memory"]
    assert table["fits"] is True
    assert [row["model"] for row in table["models"]] == ["qwen3:8b", "llama3.1:8b", "mistral:7b"]
    assert timedelta(seconds=body["took_s"]) < timedelta(seconds=3)
