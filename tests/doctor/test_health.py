"""Healthy deployments: no false alarm."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.simulator.server.server import SimulatorConfig
from tests.doctor.deployment import TRIO, Deployment
from tests.doctor.servers import ollama, serving
from tests.redis.server import RedisServer

Plant = Callable[[Deployment], Awaitable[None]]


async def three_models_that_fit(deployment: Deployment) -> None:
    await deployment.start()


async def nothing_in_memory_yet(deployment: Deployment) -> None:
    deployment.loaded = ()
    await deployment.start()


async def a_card_of_unknown_size(deployment: Deployment) -> None:
    deployment.host = {"name": "gpu"}
    await deployment.start()


async def one_host_by_ollama_host(deployment: Deployment) -> None:
    await deployment.start()
    deployment.settings["ollama_host"] = deployment.host["url"]


async def names_in_another_spelling(deployment: Deployment) -> None:
    deployment.settings["arena_models"] = ("LLAMA3.1:8b", " mistral:7b", "registry.ollama.ai/library/qwen3:8b")
    await deployment.start()


async def four_slots_as_told(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, num_parallel=4)
    deployment.host["num_parallel"] = 4
    await deployment.start()


async def an_upgrade_has_expanded_the_schema(deployment: Deployment) -> None:
    with sqlite3.connect(deployment.database.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("INSERT OR REPLACE INTO marks VALUES ('oldest_served', '9999:0010')")
    await deployment.start()


async def a_model_is_being_loaded(deployment: Deployment) -> None:
    deployment.reports = False
    deployment.simulator = replace(deployment.simulator, load_s=500.0)
    deployment.loaded = ()
    await deployment.start()
    loading = asyncio.create_task(deployment.load(TRIO[2]))
    deployment.stack.callback(loading.cancel)
    await deployment.report(loading=TRIO[2], loading_since=deployment.wall() - 8, load_s={TRIO[2]: 9.0})


async def a_host_that_scales_to_zero(deployment: Deployment) -> None:
    deployment.loaded, deployment.wake = (), timedelta(seconds=5)
    deployment.host |= {"scale_to_zero": True, "models": [*TRIO]}
    deployment.settings["arena_keep_alive"] = "5m"
    await deployment.start()


async def six_models_spread_over_two_cards(deployment: Deployment) -> None:
    six = (*TRIO, "gemma2:9b", "biomistral:7b", "codellama:7b")
    config = replace(deployment.simulator, models=six)
    deployment.settings["arena_models"], deployment.simulator, deployment.loaded = six, config, TRIO
    other = await deployment.simulated(config)
    deployment.more_hosts = [{"name": "gpu2", "url": other.url, "memory_gb": 24}]
    await deployment.start()
    await deployment.report(host="gpu2")


async def a_second_host_as_fallback(deployment: Deployment) -> None:
    other = await deployment.simulated(deployment.simulator)
    deployment.more_hosts = [{"name": "spare", "url": other.url, "fallback": True}]
    await deployment.start()
    await deployment.report(host="spare")


async def an_ollama_built_from_source(deployment: Deployment) -> None:
    deployment.simulator = replace(deployment.simulator, version="0.0.0")
    await deployment.start()


async def an_ollama_that_tells_no_shapes(deployment: Deployment) -> None:
    deployment.host["url"] = f"http://127.0.0.1:{await deployment.serve(serving(ollama(models=TRIO)))}"
    await deployment.start()


async def redis_that_forbids_config(deployment: Deployment) -> None:
    await deployment.start()
    await deployment.redis.execute_command("ACL SETUSER plain on nopass ~* &* +@all -config")
    deployment.redis = deployment.redis.from_url(f"{deployment.redis_server.url}?username=plain&password=x")
    deployment.stack.push_async_callback(deployment.redis.aclose)


HEALTHY: tuple[Plant, ...] = (
    three_models_that_fit,
    nothing_in_memory_yet,
    a_card_of_unknown_size,
    one_host_by_ollama_host,
    names_in_another_spelling,
    four_slots_as_told,
    an_upgrade_has_expanded_the_schema,
    a_model_is_being_loaded,
    a_host_that_scales_to_zero,
    six_models_spread_over_two_cards,
    a_second_host_as_fallback,
    an_ollama_built_from_source,
    an_ollama_that_tells_no_shapes,
    redis_that_forbids_config,
)


@pytest.mark.parametrize("plant", HEALTHY, ids=lambda plant: plant.__name__)
async def test_a_healthy_deployment_has_no_finding(plant: Plant, deployment: Deployment) -> None:
    await plant(deployment)
    examination = await deployment.examined()
    assert [finding.to_dict() for finding in examination.findings] == []
    assert examination.can_battle
    assert len(examination.models) >= 3


async def test_a_deployment_without_a_card_gets_a_note_and_no_more(deployment: Deployment) -> None:
    deployment.simulator = SimulatorConfig(speed=50, card="cpu", models=TRIO)
    deployment.host = {"name": "gpu"}
    await deployment.start()
    examination = await deployment.examined()
    assert [(finding.code, finding.severity) for finding in examination.findings] == [("host_on_cpu", "note")]
    assert examination.can_battle


async def test_before_the_first_start_there_are_notes_only(deployment: Deployment) -> None:
    deployment.reports = False
    await deployment.start()
    examination = await deployment.examined()
    assert [(finding.code, finding.severity) for finding in examination.findings] == [("nobody_drives", "note")]
    assert examination.can_battle


async def test_nothing_is_loaded_or_generated_by_looking(deployment: Deployment) -> None:
    deployment.loaded = ()
    await deployment.start()
    assert deployment.sim is not None
    for _ in range(3):
        await deployment.examined()
    assert deployment.sim.machine.scheduler.loaded == {}


async def test_it_takes_less_than_three_seconds_though_everything_hangs(
    deployment: Deployment, redis_server: RedisServer
) -> None:
    deployment.redis_server = redis_server
    port = await deployment.serve(serving(None))
    deployment.host["url"] = f"http://127.0.0.1:{port}"
    await deployment.start()
    redis_server.freeze()
    try:
        examination = await deployment.examined()
    finally:
        redis_server.thaw()
    assert {"host_silent", "redis_missing"} <= {finding.code for finding in examination.findings}
    assert examination.took_s < 3.0
    assert not examination.can_battle


async def test_figures_of_an_examination_are_plain_json(deployment: Deployment) -> None:
    await deployment.start()
    body: dict[str, Any] = dict((await deployment.examined()).to_dict())
    assert body["can_battle"] is True
    assert body["hosts"] == ["gpu"]
    assert body["models"] == list(TRIO)
    (table,) = body["memory"]
    assert table["fits"] is True
    assert [row["model"] for row in table["models"]] == ["qwen3:8b", "llama3.1:8b", "mistral:7b"]
    assert timedelta(seconds=body["took_s"]) < timedelta(seconds=3)
