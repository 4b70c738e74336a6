"""The models that /v1 lists: those at hand, and the arena's own names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from redis.exceptions import RedisError

from app.errors import NotFound
from app.hosts.names import did_you_mean, same_model
from app.web.openai.callers import Known
from app.web.shared.answering import DocumentedRoute
from app.web.shared.services import Services, Wired

ARENA = "arena"
COLUMNS = {"arena-a": "a", "arena-b": "b"}
AUTO = "auto"
OWN = (ARENA, *COLUMNS, AUTO)

router = APIRouter(prefix="/v1", route_class=DocumentedRoute, include_in_schema=False)


@router.get("/models")
async def list_models(services: Wired, _: Known) -> dict[str, Any]:
    """Every model that can be asked, and whether it is in memory."""
    listed = await services.contestants.listed()
    states = await _states(services, listed)
    return {"object": "list", "data": [*map(_row, OWN), *(_row(name, states.get(name)) for name in listed)]}


@router.get("/models/{name:path}")
async def read_model(name: str, services: Wired, _: Known) -> dict[str, Any]:
    """One of them."""
    if name in OWN:
        return _row(name)
    known = listed_name(name, await services.contestants.listed())
    return _row(known, (await _states(services, [known])).get(known))


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


def _row(name: str, state: str | None = None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": "arena"}
    return row if state is None else row | {"status": {"value": state}}


async def _states(services: Services, names: Sequence[str]) -> dict[str, str]:
    """Whether each of ``names`` is in memory, in the words of llama-server's router; nothing without Redis.

    Never ``loading``: during a battle that would give away who writes.
    """
    try:
        reports = (await services.fleet.reports.read()).values()
    except RedisError:
        return {}
    held = [one.model for report in reports for one in report.residents]
    return {name: "loaded" if any(same_model(name, one) for one in held) else "unloaded" for name in names}
