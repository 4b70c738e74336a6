"""A simulated server and short ways to ask it over the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.simulator.server.server import RunningSimulator, SimulatorConfig, running_simulator
from tests.simulator.raw import Reply, call

MODEL = "mistral:7b"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Why does it rain?"}], "options": {"num_predict": 40}}
LOAD = {"model": MODEL}


@asynccontextmanager
async def simulated(**config: Any) -> AsyncIterator[RunningSimulator]:
    async with running_simulator(SimulatorConfig(**({"speed": 100, "answer_tokens": 200} | config))) as sim:
        yield sim


async def post(sim: RunningSimulator, body: object, path: str = "/api/chat") -> Reply:
    return await call(sim.port, "POST", path, body)


async def loaded(sim: RunningSimulator) -> list[dict[str, Any]]:
    return list(json.loads((await call(sim.port, "GET", "/api/ps")).body)["models"])


def error(reply: Reply) -> str:
    return str(json.loads(reply.body)["error"])
