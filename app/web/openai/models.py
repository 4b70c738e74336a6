"""The models that /v1 lists: those at hand, and the arena's own names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from app.errors import NotFound
from app.hosts.names import did_you_mean, same_model
from app.web.openai.callers import Known
from app.web.shared.answering import DocumentedRoute
from app.web.shared.services import Wired

ARENA = "arena"
COLUMNS = {"arena-a": "a", "arena-b": "b"}
AUTO = "auto"
OWN = (ARENA, *COLUMNS, AUTO)

router = APIRouter(prefix="/v1", route_class=DocumentedRoute, include_in_schema=False)


@router.get("/models")
async def list_models(services: Wired, _: Known) -> dict[str, Any]:
    """Every model that can be asked."""
    return {"object": "list", "data": [_row(name) for name in (*OWN, *await services.contestants.listed())]}


@router.get("/models/{name:path}")
async def read_model(name: str, services: Wired, _: Known) -> dict[str, Any]:
    """One of them."""
    return _row(name if name in OWN else listed_name(name, await services.contestants.listed()))


def named_models(asked: str) -> tuple[str, ...]:
    """The models of a battle of named ones (``arena:qwen3:8b,mistral:7b``); none when it is no such name."""
    kind, _, names = asked.partition(":")
    return tuple(name.strip() for name in names.split(",")) if kind == ARENA and "," in names else ()


def listed_name(asked: str, listed: Sequence[str]) -> str:
    """The model as it is listed (``qwen3`` is ``qwen3:latest``).

    Raises:
        NotFound: there is none of that name.
    """
    found = next((name for name in listed if same_model(name, asked)), None)
    if found is None:
        meant = did_you_mean(asked, listed)
        remedy = f"did you mean {meant}?" if meant else "GET /v1/models lists those that there are"
        raise NotFound(f"the model {asked[:100]!r} does not exist; {remedy}", code="model_not_found", field="model")
    return found


def _row(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "arena"}
