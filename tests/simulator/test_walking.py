"""The simulated server answers over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator


@pytest.fixture
async def sim() -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorConfig(speed=50)) as running:
        yield running


async def test_a_chat_streams_lines_and_ends_with_its_figures(sim: RunningSimulator) -> None:
    async with httpx.AsyncClient(base_url=sim.url, timeout=20) as client:
        body = {"model": "mistral:7b", "messages": [{"role": "user", "content": "Hi"}], "options": {"num_predict": 5}}
        lines = [json.loads(line) for line in (await client.post("/api/chat", json=body)).text.splitlines()]
    assert [line["done"] for line in lines] == [False] * 5 + [True]
    assert lines[-1]["eval_count"] == 5
    assert lines[-1]["load_duration"] > 5e9


async def test_a_loaded_model_is_listed_until_it_is_unloaded(sim: RunningSimulator) -> None:
    async with httpx.AsyncClient(base_url=sim.url, timeout=20) as client:
        loaded = (await client.post("/api/chat", json={"model": "mistral:7b", "keep_alive": "72h"})).json()
        assert loaded["done_reason"] == "load"
        assert [entry["name"] for entry in (await client.get("/api/ps")).json()["models"]] == ["mistral:7b"]
        await client.post("/api/generate", json={"model": "mistral:7b", "keep_alive": 0})
        assert (await client.get("/api/ps")).json() == {"models": []}
