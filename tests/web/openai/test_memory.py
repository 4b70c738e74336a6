"""Load and unload over HTTP: who may, in which shapes it is answered, and what /v1/models tells of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.errors import ArenaError, Conflict, Unavailable
from app.scheduling.dispatch.model_memory import MemoryOutcome
from app.scheduling.report import HostReport, ResidentReport
from app.scheduling.testing.in_memory import MemoryReports
from app.settings.api_keys import ApiKey, digest_of
from tests.services import app_with, fleet_without_hosts, services_with, settings_with

ADMIN, CALLER = "the-admins-own-key", "a-key-for-calls-of-24-letters"
MODELS = ("zircon:7b", "quokka:latest")
CHANGES = ("/v1/models/load", "/v1/models/unload", "/models/load", "/models/unload")
Change = Callable[[str], Awaitable[MemoryOutcome]]


class Memory:
    """A fleet's memory that answers with ``outcome`` or raises it, and notes what it was asked."""

    def __init__(self, outcome: MemoryOutcome | ArenaError) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, str]] = []

    async def load(self, model: str) -> MemoryOutcome:
        return self._answer("load", model)

    async def unload(self, model: str) -> MemoryOutcome:
        return self._answer("unload", model)

    def _answer(self, action: str, model: str) -> MemoryOutcome:
        self.asked.append((action, model))
        if isinstance(self.outcome, ArenaError):
            raise self.outcome
        return self.outcome


class Listed:
    async def listed(self) -> Sequence[str]:
        return MODELS


LOADED = MemoryOutcome(("gpu-1",), loaded=True)


def client(memory: Memory, *, keys: tuple[ApiKey, ...] = (), host: str = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
    fleet = replace(fleet_without_hosts(), memory=memory, **more)  # type: ignore[arg-type]
    services = services_with(settings_with(arena_admin_key=ADMIN), fleet=fleet, contestants=Listed(), api_keys=keys)
    transport = httpx.ASGITransport(app_with(services), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


KEYS = (ApiKey("admin", digest_of(CALLER)),)


@pytest.mark.parametrize("path", CHANGES)
async def test_who_has_no_key_or_one_for_calls_is_refused(path: str) -> None:
    memory = Memory(LOADED)
    body = {"model": MODELS[0]}
    async with client(memory, keys=KEYS) as http, client(memory, host="arena.example") as remote:
        refused = [
            await remote.post(path, json=body),
            await http.post(path, json=body),
            await http.post(path, json=body, headers=bearer("nonsense")),
            await http.post(path, json=body, headers=bearer(CALLER)),
        ]
    assert [reply.status_code for reply in refused] == [401, 401, 401, 403]
    assert refused[-1].json()["error"] | {"message": ""} == {
        "message": "",
        "type": "permission_error",
        "param": None,
        "code": "admin_only",
    }
    assert memory.asked == []


async def test_the_admin_loads_from_anywhere_and_without_keys_so_does_the_machine_itself() -> None:
    memory = Memory(LOADED)
    async with client(memory, keys=KEYS, host="arena.example") as remote, client(memory) as http:
        replies = [
            await remote.post("/v1/models/load", json={"model": "zircon:7b"}, headers=bearer(ADMIN)),
            await http.post("/models/load", json={"model": "quokka", "context_length": 4096}),
        ]
    assert [reply.status_code for reply in replies] == [200, 200]
    first = replies[0].json()
    assert first.pop("load_time_seconds") >= 0
    assert first == {
        "success": True,
        "model": "zircon:7b",
        "instance_id": "zircon:7b",
        "status": {"value": "loaded"},
        "hosts": ["gpu-1"],
    }
    assert memory.asked == [("load", "zircon:7b"), ("load", "quokka:latest")]


@pytest.mark.parametrize(
    ("outcome", "status", "value"),
    [
        (MemoryOutcome(("gpu-1",), loaded=False, pending=True), 202, "loading"),
        (MemoryOutcome(("gpu-1",), loaded=False), 200, "unloaded"),
    ],
)
async def test_what_came_of_it_is_said(outcome: MemoryOutcome, status: int, value: str) -> None:
    memory = Memory(outcome)
    async with client(memory) as http:
        reply = await http.post("/v1/models/unload", json={"instance_id": "zircon:7b"})
    assert (reply.status_code, reply.json()["status"]) == (status, {"value": value})
    assert memory.asked == [("unload", "zircon:7b")]


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "zirkon:7b"}, 404, "model_not_found", "model"),
        ({"model": "arena"}, 404, "model_not_found", "model"),
        ({}, 400, "missing_field", "model"),
        ({"model": 7}, 400, "invalid_field", "model"),
    ],
)
async def test_what_can_not_be_meant_is_refused_as_openai_does(
    path: str, body: object, status: int, code: str, param: str
) -> None:
    async with client(Memory(LOADED)) as http:
        reply = await http.post(path, json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["param"]) == (status, code, param)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Conflict("in use", code="model_in_use"), 409),
        (Conflict("not ours", code="memory_not_managed"), 409),
        (Unavailable("no memory", code="load_failed", retry_after_s=30), 503),
    ],
)
async def test_what_can_not_be_done_is_said_in_openais_shape(error: ArenaError, status: int) -> None:
    async with client(Memory(error)) as http:
        reply = await http.post("/models/unload", json={"model": MODELS[0]})
    assert reply.status_code == status
    assert reply.json()["error"]["message"] == error.sentence
    assert reply.json()["error"]["code"] == error.code


async def test_models_are_listed_with_whether_they_are_in_memory() -> None:
    reports = MemoryReports()
    await reports.put(HostReport("gpu-1", 0.0, residents=(ResidentReport("quokka"),), loading="zircon:7b"))
    async with client(Memory(LOADED), reports=reports) as http:
        rows = (await http.get("/v1/models")).json()["data"]
        one = (await http.get("/v1/models/quokka")).json()
    states = {row["id"]: row.get("status") for row in rows}
    assert states == dict.fromkeys(("arena", "arena-a", "arena-b", "auto")) | {
        "zircon:7b": {"value": "unloaded"},
        "quokka:latest": {"value": "loaded"},
    }
    assert one["status"] == {"value": "loaded"}
