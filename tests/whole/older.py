"""A user of the three older calls, and what each field of their answers is."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from tests.helpers import PATIENCE_S
from tests.whole.client import post, snapshot
from tests.whole.harness import Instance

START = "/api/arena/start_progressive"
NUMBER = (int, float)
PAIR = {
    "battle_id": str,
    "status": str,
    "current_round": int,
    "current_models": list,
    "model_a": str,
    "model_b": str,
    "response_a": str,
    "response_b": str,
    "latency_a": NUMBER,
    "latency_b": NUMBER,
    "remaining_comparisons": int,
    "responses_ready": bool,
}
RANKING = {"final_ranking": list, "winner": str, "total_rounds": int, "comparison_history": list}
CHOICE = PAIR | {"eliminated_model": str, "eliminated_side": str}


def arena(instance: Instance, verb: str) -> str:
    return f"{instance.url}/api/arena/{verb}"


async def start(instance: Instance, **body: Any) -> dict[str, Any]:
    reply = await post(arena(instance, "start_progressive"), {"message": "Why do rivers bend?", **body})
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def get(instance: Instance, battle: str, **more: Any) -> dict[str, Any]:
    reply = await post(arena(instance, "get_progressive_responses"), {"battle_id": battle}, **more)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def patient(instance: Instance, battle: str) -> asyncio.Task[dict[str, Any]]:
    """A call that waits for the pair by now.

    It has read the battle: calls that were sent after it, and read the battle one after the other, were answered.
    """
    sent = asyncio.Event()

    async def trace(step: str, _info: object) -> None:
        if step.endswith("send_request_body.complete"):
            sent.set()

    task = asyncio.create_task(get(instance, battle, extensions={"trace": trace}), name="patient")
    await asyncio.wait_for(sent.wait(), PATIENCE_S)
    for _ in range(3):
        await snapshot(instance.url, battle)
    return task


async def submit(instance: Instance, battle: str, word: str, key: str = "choice", **more: Any) -> httpx.Response:
    return await post(arena(instance, "submit_progressive_choice"), {"battle_id": battle, key: word, **more})


def check_types(body: dict[str, Any], fields: dict[str, Any]) -> None:
    for name, kind in fields.items():
        assert isinstance(body[name], kind), (name, body.get(name))
        assert kind is not int or not isinstance(body[name], bool), name
    assert ("error" in body) == (body["status"] == "failed")
    assert None not in body.values()
