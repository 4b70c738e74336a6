"""Which kind of server answers at an address, found out by questions that generate and load nothing.

Each server names itself in ``owned_by`` of its list of models; some answer a path that no other has. What answers a
list of models and gives no such sign is of kind ``openai``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from app.backends.base import BackendError
from app.backends.server import ModelServer
from app.backends.values import decoded

MODELS = "/models"
"""Asked below the API's own path; the others at the root."""

ASKED = ("/api/version", "/running", "/props", "/version", "/api/v0/models", "/api/v1/models", "/is_sleeping")
LIMIT = timedelta(seconds=1.5)

_OWNERS: Mapping[str, str] = {
    "vllm": "vllm",
    "sglang": "sglang",
    "llamacpp": "llama-server",
    "llama-swap": "llama-swap",
    "organization_owner": "lm-studio",
    "library": "ollama",
}


async def detected(server: ModelServer, api: str = "/v1", limit: timedelta = LIMIT) -> str:
    """The kind of the server; empty when nothing that is known answers there."""
    paths = (f"{api}{MODELS}", *ASKED)
    answers = await asyncio.gather(*(_found(server, path, limit) for path in paths))
    return recognised(dict(zip((MODELS, *ASKED), answers, strict=True)))


def recognised(answers: Mapping[str, object]) -> str:
    """The kind that these answers (JSON by path, None where there is none) are of; pure."""
    listed, props = answers.get(MODELS), answers.get("/props")
    if isinstance(_member(answers.get("/running"), "running"), list):
        return "llama-swap"
    if isinstance(props, dict) and ("total_slots" in props or "default_generation_settings" in props):
        return "llama-router" if props.get("role") == "router" else "llama-server"
    if isinstance(_member(answers.get("/api/v1/models"), "models"), list):
        return "lm-studio-rest"
    if isinstance(_member(answers.get("/api/v0/models"), "data"), list):
        return "lm-studio"
    owner = _OWNERS.get(_owner(listed), "")
    if owner == "vllm" and isinstance(_member(answers.get("/is_sleeping"), "is_sleeping"), bool):
        return "vllm-sleep"
    if owner:
        return owner
    if isinstance(_member(answers.get("/api/version"), "version"), str):
        return "ollama"
    return "openai" if isinstance(_member(listed, "data"), list) else ""


def _owner(listed: object) -> str:
    rows = _member(listed, "data")
    first = rows[0] if isinstance(rows, list) and rows else None
    owner = _member(first, "owned_by")
    return owner if isinstance(owner, str) else ""


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


async def _found(server: ModelServer, path: str, limit: timedelta) -> object:
    try:
        reply = await server.ask("GET", path, None, limit)
        return decoded(reply.body) if reply.status == 200 else None
    except (BackendError, ValueError):
        return None
